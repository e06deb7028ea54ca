"""The stores as Zoho's SDK sees them: its six methods over a repository."""

from zoho_tokenstore.sdk.failures import SDKAccountsUnavailableError, SDKRateLimitedError
from zoho_tokenstore.sdk.stores import (
    CSVStore,
    DynamoDBStore,
    InMemoryStore,
    ListStore,
    RedisStore,
    SecretsManagerStore,
    SQLiteStore,
    SQLStore,
)
from zoho_tokenstore.sdk.token_store import RepositoryStore, SDKTokenNotFoundError

__all__ = [
    "CSVStore",
    "DynamoDBStore",
    "InMemoryStore",
    "ListStore",
    "RedisStore",
    "RepositoryStore",
    "SDKAccountsUnavailableError",
    "SDKRateLimitedError",
    "SDKTokenNotFoundError",
    "SQLStore",
    "SQLiteStore",
    "SecretsManagerStore",
]
