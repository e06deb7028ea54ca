"""Rows in a SQLite file: the default store, for all threads and processes of one host."""

from __future__ import annotations

import contextlib
import os
import re
import sqlite3
import time
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore._util.atomic_files import Identity, identity
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore._util.file_rights import check_place, close_to_others, replaced
from zoho_tokenstore._util.os_errors import map_os_errors, unavailable_error
from zoho_tokenstore._util.urls import file_and_timeout
from zoho_tokenstore.backend import SupportsAudit, SupportsLeases, SupportsScrub
from zoho_tokenstore.backends.sqlite import _failures as failures
from zoho_tokenstore.backends.sqlite import _files as files
from zoho_tokenstore.backends.sqlite import _probe as probe
from zoho_tokenstore.backends.sqlite import _schema as schema
from zoho_tokenstore.backends.sqlite._audit import SQLiteAuditLog
from zoho_tokenstore.backends.sqlite._connections import SQLiteConnections, SQLiteHandle, write_lock
from zoho_tokenstore.backends.sqlite._leases import SQLiteLeases
from zoho_tokenstore.backends.sqlite._table import SQLiteTable
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError

__all__ = ["SQLiteBackend"]

DEFAULT_TIMEOUT: Final = 30.0

_OPEN_LOG: Final = "PRAGMA schema_version"
"""Any read would do: a connection opens the log with its first, and never another."""

_CLOCK_TICK_NS: Final = 1_000_000_000
"""Nanoseconds within which a folder may change again with the same time stamp; really a hundredth of it."""

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://|(sqlite|file):", re.IGNORECASE)


class SQLiteBackend(SQLiteTable, SupportsLeases, SupportsScrub, SupportsAudit):
    """The `oauthtoken` table of a SQLite file.

    The file is created if there is none (readable and writable only by its owner); a database
    written by Zoho's published SQLite sample is adopted in place. It is kept in write-ahead
    mode, and a write that returned is on disk as far as SQLite promises (``synchronous=FULL``).
    Each thread has its own connection.

    Arguments:
        path: the file; a relative one is resolved now, and unaffected by a later chdir.
        timeout: how long to wait for other connections' locks, in seconds.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file is not a database, is damaged, or is from a newer release.
        BackendUnavailableError: it cannot be read or written.
        BackendTimeoutError: others held it locked for longer than the timeout.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._path = _absolute(path)
        self._all_files = (self._path, *files.beside(self._path))
        self._folder = str(self._path.parent)
        self._in_folder: tuple[tuple[int, ...], tuple[Identity | None, ...]] = ((), ())
        self._timeout = _positive(timeout)
        files.prepare(self._path, _build, timeout=min(timeout, 1.0))
        self._identity = identity(self._path)
        connections = SQLiteConnections(self._connect, str(self._path), timeout=timeout, files=self._files)
        super().__init__(connections)
        self.leases: SQLiteLeases = SQLiteLeases(connections)
        self.audit: SQLiteAuditLog = SQLiteAuditLog(connections)
        try:
            connections.run(_take_over, self._path)
        except BaseException:
            connections.close()
            raise

    def scrub(self) -> None:
        """Rewrite the file without what deleted and replaced rows left in it, and empty its log.

        Others may continue to read and write. It needs as much free disk as the database takes.

        Raises:
            BackendTimeoutError: others were reading or writing without a pause.
        """
        self._connections.run(SQLiteHandle.vacuum)
        deadline = Deadline(self._timeout, longest_delay=0.002)
        while not self._connections.run(_empty_log):
            if not deadline.delay():
                raise failures.lock_timeout(self.location, self._timeout)

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``sqlite:///relative/path`` or ``sqlite:////absolute/path``, with ``?timeout=SECONDS``."""
        path, timeout = file_and_timeout(parts, "zohooauth.db", DEFAULT_TIMEOUT)
        return cls(path, timeout=timeout)

    def _connect(self) -> sqlite3.Connection:
        """Connect, and check that database and log are those that belong here."""
        connection = _connect(self._path)
        try:
            connection.execute(_OPEN_LOG).fetchone()
            self._check_files()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_files(self) -> None:
        with map_os_errors(self._path, files.KIND):
            check_place(*self._all_files)
            if identity(self._path) != self._identity:
                raise replaced(self.location)

    def _files(self) -> tuple[Identity | None, ...]:
        """Identify the database's files, with one look while their folder is unchanged: after every save.

        No file is made, removed or replaced without changing its folder's time. Only what follows
        a change within the same clock tick goes unnoticed.
        """
        try:
            folder = os.stat(self._folder)  # noqa: PTH116
            state = folder.st_dev, folder.st_ino, folder.st_mtime_ns
            known_state, known = self._in_folder
            if state == known_state:
                return known
            # Not the rollback journal, which is not used with a log.
            found = tuple(map(identity, self._all_files[:3]))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise unavailable_error(self._path, error, files.KIND) from error
        if time.time_ns() - folder.st_mtime_ns > _CLOCK_TICK_NS:
            self._in_folder = state, found
        return found


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return where the path leads now. Links are followed once, so that all threads use one file."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError("The path of a SQLite store must be a non-empty string without NUL.")
    if text == ":memory:":
        raise ConfigurationError("For tokens in memory use InMemoryStore(), or the URL memory://.")
    if _URL.match(text):
        raise ConfigurationError(
            "The path of a SQLite store is a path, not a URL. Open a URL with open_store(url), or pass the "
            'path alone: SQLiteStore("zohooauth.db").'
        )
    return Path(os.path.realpath(text))


def _positive(timeout: float) -> float:
    if isinstance(timeout, bool) or not isinstance(timeout, int | float) or not 0 < timeout < float("inf"):
        raise ConfigurationError("The timeout of a SQLite store must be a number of seconds above zero.")
    return timeout


def _connect(path: Path) -> sqlite3.Connection:
    """Connect to an existing file; we wait for locks, so SQLite's own waiting is off."""
    connection = sqlite3.connect(
        f"{path.as_uri()}?mode=rw", uri=True, timeout=0, isolation_level=None, check_same_thread=False
    )
    try:
        for pragma in ("synchronous = FULL", "fullfsync = ON", "secure_delete = ON"):
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def _build(path: Path) -> None:
    try:
        with contextlib.closing(_connect(path)) as connection:
            # Not in place yet, and nobody else's: what fails here is discarded.
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = OFF")
            with write_lock(connection):
                schema.upgrade(connection, str(path))
            # Last, so that all of it is in the file: closing does not report a log it could not empty.
            _enable_wal(connection, path)
    except sqlite3.Error as error:
        raise failures.map_error(str(path), error) from error


def _take_over(handle: SQLiteHandle, path: Path) -> None:
    """Bring a published database to our schema, once it has been checked.

    The write lock is taken even when there is nothing to do: a database that cannot be locked
    refuses here, not once a one-time code has been used.
    """
    connection = handle.open()
    with write_lock(connection, keep=False), map_os_errors(path, files.KIND):
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        files.check_length(path, page_size)
        statements = schema.upgrades(connection, str(path))
        close_to_others(path, *files.beside(path))  # before the journal, which inherits its permissions
        with probe.map_refusals(connection, str(path)):
            for statement in statements:
                connection.execute(statement)
        probe.prove(connection, str(path))
        if statements:
            connection.execute("COMMIT")
    _enable_wal(connection, path)
    connection.execute(_OPEN_LOG).fetchone()
    with map_os_errors(path, files.KIND):
        check_place(path, *files.beside(path))
    handle.note_files()


def _empty_log(handle: SQLiteHandle) -> bool:
    """Move the log's content into the file and truncate the log; `False` while somebody reads it."""
    (busy, _, _) = handle.open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _enable_wal(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise BackendUnavailableError(
            f"The token database {path} cannot have a write-ahead log: its file system has no memory "
            "shared between processes, like network file systems. Move it to a local disk."
        )
