"""Token persistence for Zoho's Python SDKs: stores that keep every login.

The stores for the SDK (`SQLiteStore`, `InMemoryStore`, `ListStore`) are loaded when they are first
used, because they import Zoho's SDK; everything else works without it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    ConflictError,
    InvalidTokenError,
    MissingDependencyError,
    TokenNotFoundError,
    TokenStoreError,
)
from zoho_tokenstore.events import Event, EventKind
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.registry import open_repository, open_store
from zoho_tokenstore.repository import TokenRepository

if TYPE_CHECKING:
    from zoho_tokenstore.sdk import InMemoryStore, ListStore, RepositoryStore, SQLiteStore

__version__: Final = "0.1.0"

__all__ = [
    "BackendError",
    "BackendTimeoutError",
    "BackendUnavailableError",
    "ConfigurationError",
    "ConflictError",
    "Event",
    "EventKind",
    "InMemoryStore",
    "InvalidTokenError",
    "ListStore",
    "MissingDependencyError",
    "RepositoryStore",
    "SQLiteStore",
    "TokenNotFoundError",
    "TokenRecord",
    "TokenRepository",
    "TokenStoreError",
    "open_repository",
    "open_store",
]

_FOR_THE_SDK: Final = frozenset({"InMemoryStore", "ListStore", "RepositoryStore", "SQLiteStore"})


def __getattr__(name: str) -> Any:
    if name in _FOR_THE_SDK:
        return getattr(import_module("zoho_tokenstore.sdk"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
