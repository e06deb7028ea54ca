"""The stores of one host or process, by name. `CSVStore` loads its driver when one is made."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from zoho_tokenstore.arguments import checked
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.events import OnEvent
from zoho_tokenstore.matching import SpentCodes
from zoho_tokenstore.policies import DEFAULT_POLICY, RefreshPolicy
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk.token_store import RepositoryStore


class OpeningStore(RepositoryStore):
    """A store that opens its backend by itself.

    The arguments that all of them have:
        keys: seals the secrets: a `KeyRing`, the text of one (keys, ``file:PATH`` or ``keyring:SERVICE``),
            a function that fetches keys, or ``"required"`` for what ``ZOHO_TOKENSTORE_KEYS`` must then
            hold. By default what that variable holds; if it is not set, secrets are stored in clear.
        refresh: when tokens are refreshed, and by whom; `None` leaves every refresh to the SDK.
        spool: a folder for tokens that could not be saved, which the next process then saves.
        spent_codes: which one-time codes still find their token once they are spent: those of a self
            client, ``"find"`` for all, ``"refuse"`` for none.
        on_event: called with every `Event`.
        clock: the time in milliseconds since the epoch; for tests.
    """

    def __init__(
        self,
        open_backend: Callable[[], Backend],
        *,
        refresh: RefreshPolicy | None,
        spool: str | os.PathLike[str] | None,
        **policy: Any,
    ) -> None:
        backend = open_backend()
        try:
            super().__init__(TokenRepository(backend, **policy), refresh=refresh, spool=spool)
        except BaseException:
            backend.close()
            raise


class SQLiteStore(OpeningStore):
    """Tokens in a SQLite file, shared by all threads and processes of a host.

    Arguments:
        path: the database; created if there is none, taken over in place if Zoho's published
            SQLite sample wrote it.
        timeout: how long to wait for other connections' locks, in seconds.
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist; or an argument is
            of the wrong kind.
        BackendError: the file is no database, damaged, of a newer release, or cannot be written.
    """

    @checked
    def __init__(
        self,
        path: str | os.PathLike[str] = "zohooauth.db",
        *,
        timeout: float = 30.0,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        super().__init__(
            lambda: SQLiteBackend(path, timeout=timeout),
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


class InMemoryStore(OpeningStore):
    """Tokens in SQLite's memory mode, for all threads of one process; gone when it ends.

    Arguments:
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.
    """

    @checked
    def __init__(
        self,
        *,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        super().__init__(
            MemoryBackend,
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


class ListStore(OpeningStore):
    """Tokens in a plain list, for all threads of one process; for a handful of them, and for tests.

    Arguments:
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.
    """

    @checked
    def __init__(
        self,
        *,
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        super().__init__(
            ListBackend,
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )


class CSVStore(OpeningStore):
    """Tokens in the file of the SDK's own `FileStore`, shared by all threads and processes of a host.

    Arguments:
        path: the file; created if there is none, taken over in place if `FileStore` wrote it.
        timeout: how long to wait for another process that is writing, in seconds.
        keys, refresh, spool, spent_codes, on_event, clock: as in every store; docs/reference/stores.md.

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
        keys: Any = None,
        refresh: RefreshPolicy | None = DEFAULT_POLICY,
        spool: str | os.PathLike[str] | None = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        from zoho_tokenstore.backends.csv import CSVBackend

        super().__init__(
            lambda: CSVBackend(path, timeout=timeout),
            refresh=refresh,
            spool=spool,
            keys=keys,
            spent_codes=spent_codes,
            on_event=on_event,
            clock=clock,
        )
