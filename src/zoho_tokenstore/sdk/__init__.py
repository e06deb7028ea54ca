"""The stores as Zoho's SDK sees them: its six methods over a repository."""

from zoho_tokenstore.sdk.failures import SDKAccountsUnavailableError, SDKRateLimitedError
from zoho_tokenstore.sdk.stores import InMemoryStore, ListStore, SQLiteStore
from zoho_tokenstore.sdk.token_store import RepositoryStore, SDKTokenNotFoundError

__all__ = [
    "InMemoryStore",
    "ListStore",
    "RepositoryStore",
    "SDKAccountsUnavailableError",
    "SDKRateLimitedError",
    "SDKTokenNotFoundError",
    "SQLiteStore",
]
