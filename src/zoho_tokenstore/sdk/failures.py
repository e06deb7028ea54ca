"""Our errors that must reach users of the SDK as its own exception."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.errors import AccountsError, AccountsUnavailableError, RateLimitedError
from zoho_tokenstore.sdk._zoho import SDKException

_CODE = "TOKEN_STORE"


class _Told(SDKException):  # type: ignore[misc]  # the SDK has no types
    """What makes an `SDKException` of one of ours: its message and `retry_after`."""

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        SDKException.__init__(self, code=_CODE, message=message)
        self.args = (message,)  # what it is unpickled with
        self.retry_after = retry_after

    def __str__(self) -> str:
        return str(self.error_message)


class SDKRateLimitedError(_Told, RateLimitedError):
    """Zoho's limit on new access tokens for one refresh token is reached."""


class SDKAccountsUnavailableError(_Told, AccountsUnavailableError):
    """A refresh brought no new token, or takes too long."""


def sdk_error(error: AccountsError) -> Any:
    """Return the same error as an `SDKException`."""
    kind = SDKRateLimitedError if isinstance(error, RateLimitedError) else SDKAccountsUnavailableError
    return kind(str(error), retry_after=error.retry_after)
