"""Every error this package raises on purpose.

::

    TokenStoreError
    ├── ConfigurationError (ValueError)      an argument, URL or setting cannot be used
    ├── MissingDependencyError (ImportError) an extra is not installed; the message names it
    ├── InvalidTokenError (ValueError)       what was passed is not a token that can be kept
    ├── TokenNotFoundError (LookupError)     a token that must exist does not
    ├── LoginExpiredError                    a session limit has ended the login: log in again
    ├── ConflictError                        the id is somebody else's, or others kept changing the row
    │   ├── RowChangedError                  what a backend raises for an outdated `expect`
    │   └── RetiredIdError                   the id belongs to a deleted token; it is never used again
    ├── SealingError                         a stored secret does not open with the keys here
    ├── AccountsError                        Zoho gives no new access token now
    │   ├── InvalidGrantError                Zoho refuses the refresh token or code: log in again
    │   ├── InvalidClientError               Zoho refuses the client: its id, secret or data centre
    │   ├── RateLimitedError                 Zoho's limit on refreshes is reached
    │   └── AccountsUnavailableError (ConnectionError)
    └── BackendError                         the storage failed, or holds what we cannot read
        ├── UnreadableRowError               one stored row is invalid; the others are not affected
        ├── BackendUnavailableError (ConnectionError)
        └── BackendTimeoutError (TimeoutError)

No message carries a secret. The driver's own exception is chained as ``__cause__``, unless its text could
quote a stored value or a password.
"""

from __future__ import annotations

import contextlib
import traceback
from collections.abc import Iterator
from typing import Final, Literal, Self

__all__ = [
    "AccountsError",
    "AccountsUnavailableError",
    "BackendError",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "ConfigurationError",
    "ConflictError",
    "FailureKind",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidTokenError",
    "LoginExpiredError",
    "MissingDependencyError",
    "RateLimitedError",
    "RetiredIdError",
    "RowChangedError",
    "SealingError",
    "TokenNotFoundError",
    "TokenStoreError",
    "UnreadableRowError",
]

FailureKind = Literal["rejected", "throttled", "transient", "uncertain"]
"""How Zoho's accounts server fails: it refuses the credentials; it refuses more requests for now; it cannot
answer, or was not asked; or the request was sent and the outcome is unknown."""

_OURS: Final = __name__.partition(".")[0]


class TokenStoreError(Exception):
    """The base of all errors of this package."""


class ConfigurationError(TokenStoreError, ValueError):
    """An argument, URL or setting cannot be used as given."""


class MissingDependencyError(TokenStoreError, ImportError):
    """A package that this feature needs is not installed."""


class InvalidTokenError(TokenStoreError, ValueError):
    """What was passed is not a token that can be kept."""


class TokenNotFoundError(TokenStoreError, LookupError):
    """A token that must exist does not."""


class LoginExpiredError(TokenStoreError):
    """A login is over a limit of the `SessionPolicy`: it has ended, and the user has to log in again.

    `limit` is the name of the limit: `idle` or `absolute`.
    """

    def __init__(self, message: str, *, limit: str = "") -> None:
        super().__init__(message)
        self.limit = limit


class ConflictError(TokenStoreError):
    """The row belongs to somebody else, or others kept changing it."""


class RowChangedError(ConflictError):
    """A row is not as the writer expected: it changed, is gone, or exists already."""


class RetiredIdError(ConflictError):
    """The id belongs to a deleted token. It is never given to another.

    Save the token without an id: a new login gets a new one.
    """


class SealingError(TokenStoreError):
    """A stored secret does not open with the keys here, or the keys are unavailable.

    One message for a missing or wrong key, a changed or moved value, and one that was never sealed.
    Nothing was overwritten, and the row does not count as absent. Unavailable keys have another
    message, with the reason as its cause.

    `row_id` is the row that does not open, or `None` if the keys are unavailable.
    """

    def __init__(self, message: str, *, row_id: str | None = None) -> None:
        super().__init__(message)
        self.row_id = row_id


class AccountsError(TokenStoreError):
    """Zoho's accounts server gives no new access token now.

    `retry_after` is when to try again, in seconds, or `None`; `kind` says
    how it failed; `error_code` is Zoho's own word for it (`invalid_code`, …), if it gave one.
    """

    kind: FailureKind = "transient"
    error_code: str | None = None

    def __init__(
        self,
        message: str,
        *,
        retry_after: float | None = None,
        kind: FailureKind | None = None,
        error_code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        if kind is not None:
            self.kind = kind
        if error_code is not None:
            self.error_code = error_code


class InvalidGrantError(AccountsError):
    """Zoho refuses the refresh token or the one-time code: the user has to log in again."""

    kind = "rejected"


class InvalidClientError(AccountsError):
    """Zoho refuses the OAuth client: its id or secret is wrong, or it is unknown in this data centre."""

    kind = "rejected"


class RateLimitedError(AccountsError):
    """Zoho's limit on new access tokens for one refresh token is reached."""

    kind = "throttled"


class AccountsUnavailableError(AccountsError, ConnectionError):
    """Zoho's accounts server could not be asked, or returned no token.

    `kind` is `uncertain` if the request was sent and its outcome is unknown, otherwise `transient`.
    `is_answered` says whether the server answered at all.
    """

    is_answered = False


class BackendError(TokenStoreError):
    """The storage failed, or holds something that cannot be read as a token."""


class UnreadableRowError(BackendError):
    """One stored row cannot be read as a token; the others are not affected.

    `row_id` is its id, `reason` says in a few words what is wrong.
    """

    def __init__(self, message: str, *, row_id: str = "", reason: str = "") -> None:
        super().__init__(message)
        self.row_id = row_id
        self.reason = reason

    @classmethod
    def of(cls, row_id: str, reason: str, location: str) -> Self:
        """Return the error for a row, with what to do about it."""
        return cls(
            f"Row {row_id!r} in {location} cannot be read: {reason}. Correct or delete that row; "
            "the others are not affected.",
            row_id=row_id,
            reason=reason,
        )


class BackendUnavailableError(BackendError, ConnectionError):
    """The storage cannot be reached, opened or written."""


class BackendTimeoutError(BackendError, TimeoutError):
    """The storage was busy for longer than the caller allows."""


def forget_values(error: BaseException) -> None:
    """Drop the local variables of our own frames that an error passed through, and its causes.

    They can hold opened secrets and keys, and error collectors include local variables. Frames that
    are still running keep theirs, including the caller's. The traceback shows the same lines as before.
    """
    seen: set[int] = set()
    left: list[BaseException | None] = [error]
    while left:
        each = left.pop()
        if each is not None and id(each) not in seen:
            seen.add(id(each))
            for frame, _ in traceback.walk_tb(each.__traceback__):
                if frame.f_globals.get("__name__", "").startswith(_OURS):
                    with contextlib.suppress(RuntimeError):  # it still runs
                        frame.clear()
            left += [each.__cause__, each.__context__]


@contextlib.contextmanager
def forgetting_values() -> Iterator[None]:
    """Do that for an error of this package that leaves the block."""
    try:
        yield
    except TokenStoreError as error:
        forget_values(error)
        raise
