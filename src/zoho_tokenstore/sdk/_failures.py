"""Our errors for the CRM SDK: what its six methods raise is also an `SDKException`.

They are written out, not made by `make_twins`, so that they can be named in an `except`.
"""

from __future__ import annotations

from typing import Final

from zoho_tokenstore import errors
from zoho_tokenstore.sdk._twins import INVALID_TOKEN, Twin, Twins
from zoho_tokenstore.sdk._zoho import SDKException


class SDKTokenStoreError(Twin, SDKException, errors.TokenStoreError):  # type: ignore[misc]  # the SDK has no types
    """The base of what a store raises to the SDK; the arguments are those of its twin."""

    sdk_exception = SDKException


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


TWINS: Final[Twins] = {
    twin.__bases__[1]: twin
    for twin in list(globals().values())
    if isinstance(twin, type) and issubclass(twin, SDKTokenStoreError) and twin is not SDKTokenStoreError
} | {errors.TokenStoreError: SDKTokenStoreError}
