"""The stores as Zoho's SDK sees them: its six methods over a repository."""

from zoho_tokenstore.sdk.failures import (
    SDKAccountsError,
    SDKAccountsUnavailableError,
    SDKBackendError,
    SDKBackendTimeoutError,
    SDKBackendUnavailableError,
    SDKConfigurationError,
    SDKConflictError,
    SDKInvalidTokenError,
    SDKMissingDependencyError,
    SDKRateLimitedError,
    SDKRetiredIdError,
    SDKRowChangedError,
    SDKSealingError,
    SDKTokenNotFoundError,
    SDKTokenStoreError,
    SDKUnreadableRowError,
)
from zoho_tokenstore.sdk.servers import DynamoDBStore, RedisStore, SecretsManagerStore, SQLStore
from zoho_tokenstore.sdk.stores import CSVStore, InMemoryStore, ListStore, SQLiteStore
from zoho_tokenstore.sdk.token_store import RepositoryStore

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
    "SDKInvalidTokenError",
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
