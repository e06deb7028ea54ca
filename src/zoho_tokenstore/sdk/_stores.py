"""The stores of one host or process, by name. `CSVStore` loads its driver when created."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Unpack

from zoho_tokenstore._arguments import checked
from zoho_tokenstore._options import RepositoryOptions, StoreOptions, split
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk._token_store import RepositoryStore


class OpeningStore(RepositoryStore):
    """A store that opens its own backend.

    Arguments common to all:
        keys: seals the secrets: a `Keyset`, the text of one (keys, ``file:PATH`` or ``keyring:SERVICE``),
            a function that fetches keys, or ``"required"`` if ``ZOHO_TOKENSTORE_KEYS`` must hold
            them. By default what that variable holds; if it is not set, secrets are unsealed.
        refresh: when tokens are refreshed, and by whom; `None` leaves every refresh to the SDK.
        spool: a folder for tokens that could not be saved, which the next process then saves.
        spent_codes: which one-time codes still find their token once they are used: those of a self
            client, ``"find"`` for all, ``"refuse"`` for none.
        on_event: called with every `Event`.
        audit: `True` begins an audit trail, if the store has none; `False` writes nothing into one.
        clock: the program's time in milliseconds since the epoch, for tests; a storage has its own.
    """

    def __init__(self, open_backend: Callable[[], Backend], **options: Unpack[StoreOptions]) -> None:
        policy, renewal = split(options, RepositoryOptions)
        backend = open_backend()
        try:
            super().__init__(TokenRepository(backend, **policy), **renewal)
        except BaseException:
            backend.close()
            raise


class SQLiteStore(OpeningStore):
    """Tokens in a SQLite file, shared by all threads and processes of a host.

    Arguments:
        path: the database; created if there is none, adopted in place if Zoho's published
            SQLite sample wrote it.
        timeout: how long to wait for other connections' locks, in seconds.
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist; or an argument is
            of the wrong kind.
        BackendError: the file is not a database, is damaged, newer, or cannot be written.
    """

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str] = "zohooauth.db",
        *,
        timeout: float = 30.0,
        **options: Unpack[StoreOptions],
    ) -> None:
        super().__init__(lambda: SQLiteBackend(path, timeout=timeout), **options)


class InMemoryStore(OpeningStore):
    """Tokens in SQLite's memory mode, for all threads of one process; gone when it ends.

    Arguments:
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.
    """

    @checked
    def __init__(self, **options: Unpack[StoreOptions]) -> None:
        super().__init__(MemoryBackend, **options)


class ListStore(OpeningStore):
    """Tokens in a plain list, for all threads of one process; for a handful, and for tests.

    Arguments:
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.
    """

    @checked
    def __init__(self, **options: Unpack[StoreOptions]) -> None:
        super().__init__(ListBackend, **options)


class CSVStore(OpeningStore):
    """Tokens in the file of the SDK's own `FileStore`, shared by all threads and processes of a host.

    Arguments:
        path: the file; created if there is none, adopted in place if `FileStore` wrote it.
        timeout: how long to wait for another process that is writing, in seconds.
        keys, refresh, sessions, spool, spent_codes, on_event, audit, clock: docs/reference/stores.md.

    Raises:
        MissingDependencyError: the extra `csv` is not installed.
        ConfigurationError: the path is a folder, or its folder does not exist; or an argument is
            of the wrong kind.
        BackendError: the file cannot be read as tokens, or cannot be written.
    """

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str] = "sdk_tokens.txt",
        *,
        timeout: float = 10.0,
        **options: Unpack[StoreOptions],
    ) -> None:
        from zoho_tokenstore.backends.csv import CSVBackend

        super().__init__(lambda: CSVBackend(path, timeout=timeout), **options)
