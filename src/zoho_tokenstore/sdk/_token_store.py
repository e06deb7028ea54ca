"""The store for the CRM SDK, over a repository."""

from __future__ import annotations

from typing import Any, ClassVar

from zoho_tokenstore.sdk._family import Family
from zoho_tokenstore.sdk._six_methods import SixMethods
from zoho_tokenstore.sdk._tokens import CRM
from zoho_tokenstore.sdk._zoho import TokenStore


class RepositoryStore(SixMethods, TokenStore):  # type: ignore[misc]  # the SDK has no types
    """A `TokenStore` for Zoho's CRM SDK 5.0, 6.0, 7.0 and 8.0.

    It may be shared by all threads. Its six methods raise what is both an `SDKException` and one of
    `zoho_tokenstore.errors`; besides those they name: `BackendError` if the storage fails,
    `InvalidTokenError` for anything that is not an `OAuthToken`, or not an id.

    Arguments:
        repository: the tokens.
        refresh: when tokens are refreshed, and by whom; `None` leaves every refresh to the SDK.
        sessions: how long logins last; by default until they are revoked.
        spool: a folder for tokens that could not be saved, which the next process then saves.

    Raises:
        ConfigurationError: an argument is of the wrong kind, or `spool` or `sessions` is given while
            `refresh` is `None`.
        BackendUnavailableError: others can write to the spool, or it cannot be read.
    """

    family: ClassVar[Family] = CRM

    def initialize_sdk(self, environment: Any = None, **options: Any) -> None:
        """Initialize Zoho's SDK with this store, and with nobody as its user.

        For programs of many users: calls of the SDK are then made in blocks of `tokens.acting_as`, and fail
        outside of them, instead of being made as whoever came first.

        Arguments:
            environment: the SDK's environment of logins whose API domain is not one of Zoho's, such as those
                of the local Zoho; all others have that of their data centre. By default the production of the
                USA.
            options: other arguments of the SDK's `Initializer.initialize`, such as `resource_path` and
                `sdk_config`.
        """
        from zoho_tokenstore.sdk._acting import initialize_sdk

        initialize_sdk(self, environment, **options)
