"""Token persistence for Zoho's Python SDKs: stores that keep every login.

What takes time to import is loaded on first use: above all the stores for the SDK
(`SQLiteStore`, `InMemoryStore`, `ListStore`), because they import Zoho's SDK. Everything else
works without it. `__all__`, and so a star import, has what can be imported: without the SDK no
store, without cryptography no `Keyset`.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zoho_tokenstore._policies import RefreshPolicy, SessionPolicy
from zoho_tokenstore._util.packages import is_installed
from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    ConflictError,
    InvalidClientError,
    InvalidGrantError,
    InvalidTokenError,
    LoginExpiredError,
    MissingDependencyError,
    RateLimitedError,
    RetiredIdError,
    SealingError,
    TokenNotFoundError,
    TokenStoreError,
    UnreadableRowError,
)
from zoho_tokenstore.events import Event, EventKind, on_behalf_of
from zoho_tokenstore.records import TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore._health import Health, HealthPart
    from zoho_tokenstore._logins import Client, ClientCredentials, Code, Device, RefreshToken
    from zoho_tokenstore._statuses import Status
    from zoho_tokenstore.lifecycle._ending import Revoked
    from zoho_tokenstore.registry import open_async_tokens, open_repository, open_store, open_tokens
    from zoho_tokenstore.repository import TokenRepository
    from zoho_tokenstore.sdk import (
        CSVStore,
        DynamoDBStore,
        InMemoryStore,
        ListStore,
        RedisStore,
        RepositoryStore,
        SecretsManagerStore,
        SQLiteStore,
        SQLStore,
    )
    from zoho_tokenstore.sealing._keyset import Keyset
    from zoho_tokenstore.tokens import AsyncTokens, Tokens

__version__: Final = "0.1.0"

__all__ = [
    "AccountsError",
    "AccountsUnavailableError",
    "AsyncTokens",
    "BackendError",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "CSVStore",
    "Client",
    "ClientCredentials",
    "Code",
    "ConfigurationError",
    "ConflictError",
    "Device",
    "DynamoDBStore",
    "Event",
    "EventKind",
    "Health",
    "HealthPart",
    "InMemoryStore",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidTokenError",
    "Keyset",
    "ListStore",
    "LoginExpiredError",
    "MissingDependencyError",
    "RateLimitedError",
    "RedisStore",
    "RefreshPolicy",
    "RefreshToken",
    "RepositoryStore",
    "RetiredIdError",
    "Revoked",
    "SQLStore",
    "SQLiteStore",
    "SealingError",
    "SecretsManagerStore",
    "SessionPolicy",
    "Status",
    "TokenNotFoundError",
    "TokenRecord",
    "TokenRepository",
    "TokenStoreError",
    "Tokens",
    "UnreadableRowError",
    "on_behalf_of",
    "open_async_tokens",
    "open_repository",
    "open_store",
    "open_tokens",
]

_WHEN_USED: Final = {
    "AsyncTokens": "zoho_tokenstore.tokens",
    "CSVStore": "zoho_tokenstore.sdk",
    "Client": "zoho_tokenstore._logins",
    "ClientCredentials": "zoho_tokenstore._logins",
    "Code": "zoho_tokenstore._logins",
    "Device": "zoho_tokenstore._logins",
    "DynamoDBStore": "zoho_tokenstore.sdk",
    "Health": "zoho_tokenstore._health",
    "HealthPart": "zoho_tokenstore._health",
    "InMemoryStore": "zoho_tokenstore.sdk",
    "Keyset": "zoho_tokenstore.sealing._keyset",
    "ListStore": "zoho_tokenstore.sdk",
    "RedisStore": "zoho_tokenstore.sdk",
    "RefreshToken": "zoho_tokenstore._logins",
    "RepositoryStore": "zoho_tokenstore.sdk",
    "Revoked": "zoho_tokenstore.lifecycle._ending",
    "SQLStore": "zoho_tokenstore.sdk",
    "SQLiteStore": "zoho_tokenstore.sdk",
    "SecretsManagerStore": "zoho_tokenstore.sdk",
    "Status": "zoho_tokenstore._statuses",
    "TokenRepository": "zoho_tokenstore.repository",
    "Tokens": "zoho_tokenstore.tokens",
    "open_async_tokens": "zoho_tokenstore.registry",
    "open_repository": "zoho_tokenstore.registry",
    "open_store": "zoho_tokenstore.registry",
    "open_tokens": "zoho_tokenstore.registry",
}

_NEEDED: Final = {"zoho_tokenstore.sdk": "zohocrmsdk", "zoho_tokenstore.sealing._keyset": "cryptography"}
"""What lazy modules import that may be missing; the names say what to install."""


_missing = {module for module, package in _NEEDED.items() if not is_installed(package)}
__all__ = [name for name in __all__ if _WHEN_USED.get(name) not in _missing]


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        return getattr(import_module(_WHEN_USED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
