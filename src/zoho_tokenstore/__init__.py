"""Token persistence for Zoho's Python SDKs: stores that keep every login.

What takes time to import is loaded when it is first used: above all the stores for the SDK
(`SQLiteStore`, `InMemoryStore`, `ListStore`), because they import Zoho's SDK. Everything else
works without it. `__all__`, and so a star import, has what can be imported here: without the SDK no
store, without cryptography no `KeyRing`.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Final

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
    MissingDependencyError,
    RateLimitedError,
    RetiredIdError,
    SealingError,
    TokenNotFoundError,
    TokenStoreError,
    UnreadableRowError,
)
from zoho_tokenstore.events import Event, EventKind
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.records import TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.logins import Client, ClientCredentials, Code, Device, RefreshToken
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
    from zoho_tokenstore.statuses import Status
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
    "InMemoryStore",
    "InvalidClientError",
    "InvalidGrantError",
    "InvalidTokenError",
    "KeyRing",
    "ListStore",
    "MissingDependencyError",
    "RateLimitedError",
    "RedisStore",
    "RefreshPolicy",
    "RefreshToken",
    "RepositoryStore",
    "RetiredIdError",
    "SQLStore",
    "SQLiteStore",
    "SealingError",
    "SecretsManagerStore",
    "Status",
    "TokenNotFoundError",
    "TokenRecord",
    "TokenRepository",
    "TokenStoreError",
    "Tokens",
    "UnreadableRowError",
    "open_async_tokens",
    "open_repository",
    "open_store",
    "open_tokens",
]

_WHEN_USED: Final = {
    "AsyncTokens": "zoho_tokenstore.tokens",
    "CSVStore": "zoho_tokenstore.sdk",
    "Client": "zoho_tokenstore.logins",
    "ClientCredentials": "zoho_tokenstore.logins",
    "Code": "zoho_tokenstore.logins",
    "Device": "zoho_tokenstore.logins",
    "DynamoDBStore": "zoho_tokenstore.sdk",
    "InMemoryStore": "zoho_tokenstore.sdk",
    "KeyRing": "zoho_tokenstore.crypto.keyring",
    "ListStore": "zoho_tokenstore.sdk",
    "RedisStore": "zoho_tokenstore.sdk",
    "RefreshToken": "zoho_tokenstore.logins",
    "RepositoryStore": "zoho_tokenstore.sdk",
    "SQLStore": "zoho_tokenstore.sdk",
    "SQLiteStore": "zoho_tokenstore.sdk",
    "SecretsManagerStore": "zoho_tokenstore.sdk",
    "Status": "zoho_tokenstore.statuses",
    "TokenRepository": "zoho_tokenstore.repository",
    "Tokens": "zoho_tokenstore.tokens",
    "open_async_tokens": "zoho_tokenstore.registry",
    "open_repository": "zoho_tokenstore.registry",
    "open_store": "zoho_tokenstore.registry",
    "open_tokens": "zoho_tokenstore.registry",
}

_NEEDED: Final = {"zoho_tokenstore.sdk": "zohocrmsdk", "zoho_tokenstore.crypto.keyring": "cryptography"}
"""What lazy modules import that may be missing. Named explicitly, their names say what to install."""


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:  # raised by a hook that blocks imports
        return False


_missing = {module for module, package in _NEEDED.items() if not _is_installed(package)}
__all__ = [name for name in __all__ if _WHEN_USED.get(name) not in _missing]


def __getattr__(name: str) -> Any:
    if name in _WHEN_USED:
        return getattr(import_module(_WHEN_USED[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
