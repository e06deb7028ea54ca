"""The stores by name, in the roles of Zoho's published samples."""

from __future__ import annotations

import os
from typing import Any

from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import DEFAULT_TIMEOUT, SQLiteBackend
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk.token_store import RepositoryStore


class SQLiteStore(RepositoryStore):
    """Tokens in a SQLite file, shared by all threads and processes of a host.

    Arguments:
        path: the database; created if there is none, taken over in place if Zoho's published
            SQLite sample wrote it.
        timeout: how long to wait for other connections' locks, in seconds.
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file is no database, damaged, of a newer release, or cannot be written.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] = "zohooauth.db",
        *,
        timeout: float = DEFAULT_TIMEOUT,
        refresh: RefreshPolicy | None = None,
        **options: Any,
    ) -> None:
        super().__init__(TokenRepository(SQLiteBackend(path, timeout=timeout), **options), refresh=refresh)


class InMemoryStore(RepositoryStore):
    """Tokens in SQLite's memory mode, for all threads of one process; gone when it ends.

    Arguments:
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.
    """

    def __init__(self, *, refresh: RefreshPolicy | None = None, **options: Any) -> None:
        super().__init__(TokenRepository(MemoryBackend(), **options), refresh=refresh)


class ListStore(RepositoryStore):
    """Tokens in a plain list, for all threads of one process; for a handful of them, and for tests.

    Arguments:
        refresh: when tokens are refreshed, and by whom.
        options: those of `TokenRepository`.
    """

    def __init__(self, *, refresh: RefreshPolicy | None = None, **options: Any) -> None:
        super().__init__(TokenRepository(ListBackend(), **options), refresh=refresh)
