"""Our errors for the SDK: what its six methods raise is also an `SDKException`.

Each error of `zoho_tokenstore.errors` has a twin here. They are classes of this module, not created
on demand, so that they can be pickled and named in an `except`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from zoho_tokenstore import errors
from zoho_tokenstore.sdk._zoho import SDKException

CODE: Final = "TOKEN_STORE"
"""The `code` of our exceptions, as the SDK shows it."""

INVALID_TOKEN: Final = "INVALID TOKEN ERROR"  # noqa: S105  # an error's code
"""The SDK's own code for what Zoho refuses."""

S = TypeVar("S")
P = ParamSpec("P")
R = TypeVar("R")


class SDKTokenStoreError(SDKException, errors.TokenStoreError):  # type: ignore[misc]  # the SDK has no types
    """The base of what a store raises to the SDK; the arguments are those of its twin."""

    sdk_code = CODE

    def __init__(self, message: str, **details: Any) -> None:
        SDKException.__init__(self, code=self.sdk_code, message=message)
        super(SDKException, self).__init__(message, **details)  # ours sets `args` last

    def __str__(self) -> str:
        return str(self.error_message)


class SDKConfigurationError(SDKTokenStoreError, errors.ConfigurationError):
    """An argument, URL or setting cannot be used as given."""


class SDKMissingDependencyError(SDKTokenStoreError, errors.MissingDependencyError):
    """A package that this feature needs is not installed."""


class SDKInvalidTokenError(SDKTokenStoreError, errors.InvalidTokenError):
    """What was passed is not a token that can be kept, or not an id."""


class SDKTokenNotFoundError(SDKTokenStoreError, errors.TokenNotFoundError):
    """No token has this id."""


class SDKLoginExpiredError(SDKTokenStoreError, errors.LoginExpiredError):
    """A login is over a limit of the `SessionPolicy`: the user has to log in again."""


class SDKConflictError(SDKTokenStoreError, errors.ConflictError):
    """The row belongs to somebody else, or others kept changing it."""


class SDKRowChangedError(SDKConflictError, errors.RowChangedError):
    """A row has changed since the writer read it."""


class SDKRetiredIdError(SDKConflictError, errors.RetiredIdError):
    """The id belongs to a deleted token."""


class SDKSealingError(SDKTokenStoreError, errors.SealingError):
    """A stored secret does not open with the keys here, or the keys are unavailable."""


class SDKAccountsError(SDKTokenStoreError, errors.AccountsError):
    """Zoho's accounts server gives no new access token now."""


class SDKInvalidGrantError(SDKAccountsError, errors.InvalidGrantError):
    """Zoho refuses the refresh token or the one-time code: the user has to log in again."""

    sdk_code = INVALID_TOKEN


class SDKInvalidClientError(SDKAccountsError, errors.InvalidClientError):
    """Zoho refuses the OAuth client: its id or secret is wrong, or it is unknown in this data centre."""

    sdk_code = INVALID_TOKEN


class SDKRateLimitedError(SDKAccountsError, errors.RateLimitedError):
    """Zoho's limit on new access tokens for one refresh token is reached."""


class SDKAccountsUnavailableError(SDKAccountsError, errors.AccountsUnavailableError):
    """A refresh returned no new token, or takes too long."""


class SDKBackendError(SDKTokenStoreError, errors.BackendError):
    """The storage failed, or holds something that cannot be read as a token."""


class SDKUnreadableRowError(SDKBackendError, errors.UnreadableRowError):
    """One stored row cannot be read as a token; the others are not affected."""


class SDKBackendUnavailableError(SDKBackendError, errors.BackendUnavailableError):
    """The storage cannot be reached, opened or written."""


class SDKBackendTimeoutError(SDKBackendError, errors.BackendTimeoutError):
    """The storage was busy for longer than the caller allows."""


_TWINS: Final = {
    twin.__bases__[1]: twin
    for twin in list(globals().values())
    if isinstance(twin, type) and issubclass(twin, SDKTokenStoreError)
}


def to_sdk_error(error: errors.TokenStoreError) -> errors.TokenStoreError:
    """Return an error's twin, or the nearest one for an error from somebody else's backend."""
    errors.forget_values(error)  # frames hold the opened token that could not be renewed
    if isinstance(error, SDKTokenStoreError):
        return error
    twin = next(_TWINS[kind] for kind in type(error).__mro__ if kind in _TWINS)
    told: errors.TokenStoreError = twin(str(error))
    told.__dict__.update(error.__dict__)  # retry_after, row_id, notes
    return told.with_traceback(error.__traceback__)


def raises_sdk_errors(method: Callable[Concatenate[S, P], R]) -> Callable[Concatenate[S, P], R]:
    """Make what a store's method raises also an `SDKException`; its cause is the original's."""

    @wraps(method)
    def told(self: S, /, *args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(self, *args, **kwargs)
        except errors.TokenStoreError as error:
            raise to_sdk_error(error) from error.__cause__

    return told
