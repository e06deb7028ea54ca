"""The stores as Zoho's SDKs see them: the six methods over a repository.

Those of this module are for the CRM SDK 5 to 8, and are loaded on first use, because they import it.
Others have a module each: `office_integrator`, and `crm2` for the CRM SDK 2.0 and 2.1.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from zoho_tokenstore.sdk._failures import (
        SDKAccountsError,
        SDKAccountsUnavailableError,
        SDKBackendError,
        SDKBackendTimeoutError,
        SDKBackendUnavailableError,
        SDKConfigurationError,
        SDKConflictError,
        SDKInvalidClientError,
        SDKInvalidGrantError,
        SDKInvalidTokenError,
        SDKLoginExpiredError,
        SDKMissingDependencyError,
        SDKRateLimitedError,
        SDKRetiredIdError,
        SDKRowChangedError,
        SDKSealingError,
        SDKTokenNotFoundError,
        SDKTokenStoreError,
        SDKUnreadableRowError,
    )
    from zoho_tokenstore.sdk._servers import DynamoDBStore, RedisStore, SecretsManagerStore, SQLStore
    from zoho_tokenstore.sdk._stores import CSVStore, InMemoryStore, ListStore, SQLiteStore
    from zoho_tokenstore.sdk._token_store import RepositoryStore

__all__ = [
    "CSVStore",
    "DynamoDBStore",
    "InMemoryStore",
    "ListStore",
    "RedisStore",
    "RepositoryStore",
    "SDKAccountsError",
    "SDKAccountsUnavailableError",
    "SDKBackendError",
    "SDKBackendTimeoutError",
    "SDKBackendUnavailableError",
    "SDKConfigurationError",
    "SDKConflictError",
    "SDKInvalidClientError",
    "SDKInvalidGrantError",
    "SDKInvalidTokenError",
    "SDKLoginExpiredError",
    "SDKMissingDependencyError",
    "SDKRateLimitedError",
    "SDKRetiredIdError",
    "SDKRowChangedError",
    "SDKSealingError",
    "SDKTokenNotFoundError",
    "SDKTokenStoreError",
    "SDKUnreadableRowError",
    "SQLStore",
    "SQLiteStore",
    "SecretsManagerStore",
]


_WHEN_USED: Final = {
    "CSVStore": "_stores",
    "DynamoDBStore": "_servers",
    "InMemoryStore": "_stores",
    "ListStore": "_stores",
    "RedisStore": "_servers",
    "RepositoryStore": "_token_store",
    "SQLStore": "_servers",
    "SQLiteStore": "_stores",
    "SecretsManagerStore": "_servers",
}
"""The modules of all names but the errors."""


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module(f"{__name__}.{_WHEN_USED.get(name, '_failures')}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
