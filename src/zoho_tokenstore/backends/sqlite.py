"""Rows in a SQLite file: the default store, for all threads and processes of one host."""

from __future__ import annotations

import contextlib
import os
import random
import re
import sqlite3
import time
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, unquote

from zoho_tokenstore.backends._files import Identity, check_place, close_to_others, identity, replaced
from zoho_tokenstore.backends._sqlite import failures, files, probe, schema
from zoho_tokenstore.backends._sqlite.connections import Connections, Handle, write_lock
from zoho_tokenstore.backends._sqlite.leases import SQLiteLeases
from zoho_tokenstore.backends._sqlite.table import Table
from zoho_tokenstore.backends._urls import options_of, seconds
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError

DEFAULT_TIMEOUT: Final = 30.0

_OPEN_LOG: Final = "PRAGMA schema_version"
"""Any reading would do: with its first one a connection opens the log, and never another one."""

_TICK_NS: Final = 1_000_000_000
"""Nanoseconds within which a folder may change again by the same time; in truth it is a hundredth of that."""

_URL: Final = re.compile(r"[a-z][a-z0-9+.-]*://|(sqlite|file):", re.IGNORECASE)


class SQLiteBackend(Table):
    """The `oauthtoken` table of a SQLite file.

    The file is created if there is none (readable and writable by its owner alone); a database
    written by Zoho's published SQLite sample is taken over in place. It is kept in write-ahead
    mode, and a write that returned is on the disk as far as SQLite promises (``synchronous=FULL``).
    Each thread has a connection of its own.

    Arguments:
        path: the file; a relative one means the folder that is current now, also after a chdir.
        timeout: how long to wait for other connections' locks, in seconds.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file is no database, damaged, or of a newer release.
        BackendUnavailableError: it cannot be read or written.
        BackendTimeoutError: others held it locked for longer than the timeout.
    """

    def __init__(self, path: str | os.PathLike[str], *, timeout: float = DEFAULT_TIMEOUT) -> None:
        self._path = _absolute(path)
        self._all_files = (self._path, *files.beside(self._path))
        self._folder = str(self._path.parent)
        self._in_folder: tuple[tuple[int, ...], tuple[Identity | None, ...]] = ((), ())
        self._timeout = _positive(timeout)
        files.prepare(self._path, _build, patience=min(timeout, 1.0))
        self._identity = identity(self._path)
        connections = Connections(self._connect, str(self._path), timeout=timeout, files=self._files)
        super().__init__(connections)
        self.leases = SQLiteLeases(connections)
        try:
            connections.run(_take_over, self._path)
        except BaseException:
            connections.close()
            raise

    def scrub(self) -> None:
        """Rewrite the file without what deleted and replaced rows have left in it, and empty its log.

        Others may go on reading and writing. It needs as much free disk as the database has.

        Raises:
            BackendTimeoutError: others were reading or writing without a pause.
        """
        self._connections.run(Handle.vacuum)
        deadline = time.monotonic() + self._timeout
        while not self._connections.run(_empty_log):
            if time.monotonic() > deadline:
                raise failures.timed_out(self.location, self._timeout)
            # Jitter against lockstep, not a secret.
            time.sleep(random.uniform(0.0002, 0.002))  # noqa: S311

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``sqlite:///relative/path`` or ``sqlite:////absolute/path``, with ``?timeout=SECONDS``."""
        options = options_of(parts, "timeout")
        path = unquote(parts.path[1:])
        if parts.netloc or not path:
            raise ConfigurationError(
                "A SQLite URL has three slashes before a relative path, four before an absolute one: "
                "sqlite:///zohooauth.db, sqlite:////var/lib/portal/zohooauth.db."
            )
        return cls(path, timeout=seconds("timeout", options.get("timeout", str(DEFAULT_TIMEOUT))))

    def _connect(self) -> sqlite3.Connection:
        """Connect, and see to it that database and log are those that belong here."""
        connection = _connect(self._path)
        try:
            connection.execute(_OPEN_LOG).fetchone()
            self._check_files()
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_files(self) -> None:
        with files.explained(self._path):
            check_place(*self._all_files)
            if identity(self._path) != self._identity:
                raise replaced(self.location)

    def _files(self) -> tuple[Identity | None, ...]:
        """Tell the files of the database, by one look while their folder is the same: after every save.

        No file is made, removed or replaced without a change of its folder's time. Only what follows
        a change within the same tick of the clock is not seen by it.
        """
        try:
            folder = os.stat(self._folder)  # noqa: PTH116
            state = folder.st_dev, folder.st_ino, folder.st_mtime_ns
            known_state, known = self._in_folder
            if state == known_state:
                return known
            # Not the rollback journal, which is not used beside a log.
            found = tuple(map(identity, self._all_files[:3]))
        except (FileNotFoundError, NotADirectoryError):
            return ()
        except OSError as error:
            raise files.unusable(self._path, error) from error
        if time.time_ns() - folder.st_mtime_ns > _TICK_NS:
            self._in_folder = state, found
        return found


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return where the path leads now. Links are followed once, so that all threads use one file."""
    text = os.fspath(path) if isinstance(path, os.PathLike) else path
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError("The path of a SQLite store must be a non-empty text without NUL.")
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
    """Connect to an existing file; waiting for locks is ours, so SQLite's own is switched off."""
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
            # Not on the disk yet, and nobody else's: what fails here is thrown away.
            connection.execute("PRAGMA journal_mode = MEMORY")
            connection.execute("PRAGMA synchronous = OFF")
            with write_lock(connection):
                schema.upgrade(connection, str(path))
            # Last, so that all of it is in the file: closing tells nobody if it could not empty a log.
            _keep_a_log(connection, path)
    except sqlite3.Error as error:
        raise failures.translated(str(path), error) from error


def _take_over(handle: Handle, path: Path) -> None:
    """Bring a published database to our schema, once it has been found good.

    The write lock is taken even when there is nothing to do: a database that cannot be locked
    refuses here, not when a one-time code has been spent.
    """
    connection = handle.open()
    with write_lock(connection, keep=False), files.explained(path):
        (page_size,) = connection.execute("PRAGMA page_size").fetchone()
        files.check_length(path, page_size)
        statements = schema.upgrades(connection, str(path))
        close_to_others(path, *files.beside(path))  # before the journal, which takes over its rights
        with probe.refused(connection, str(path)):
            for statement in statements:
                connection.execute(statement)
        probe.prove(connection, str(path))
        if statements:
            connection.execute("COMMIT")
    _keep_a_log(connection, path)
    connection.execute(_OPEN_LOG).fetchone()
    with files.explained(path):
        check_place(path, *files.beside(path))
    handle.note_files()


def _empty_log(handle: Handle) -> bool:
    """Bring the log's content into the file and cut the log to nothing; `False` while somebody reads it."""
    (busy, _, _) = handle.open().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


def _keep_a_log(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode = WAL").fetchone()
    if mode != "wal":
        raise BackendUnavailableError(
            f"The token database {path} cannot have a write-ahead log: its file system has no memory "
            "shared between processes, as network file systems have not. Move it to a local disk."
        )
