"""Connections to a SQLite database, for the threads of a process and across its forks."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar, TypeVarTuple

from zoho_tokenstore._util import file_rights, forks
from zoho_tokenstore._util.caches import SecondHitCache
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._rows import RawText, Stored
from zoho_tokenstore.backends.sqlite import _failures as failures
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Row

_MAX_RETRY_DELAY: Final = 0.02

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@contextlib.contextmanager
def write_lock(connection: sqlite3.Connection, *, keep: bool = True) -> Iterator[sqlite3.Connection]:
    """Run the block as one transaction with the write lock; roll it back if not `keep`."""
    _refuse_within(connection)
    try:
        connection.execute("BEGIN IMMEDIATE")  # inside, as Ctrl+C may come right after it
        yield connection
        if connection.in_transaction:  # unless the block has ended it
            connection.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class SQLiteHandle:
    """One connection, used by one thread at a time, and the rows it read lately."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], files: Callable[[], object]) -> None:
        self._connect = connect
        self._files = files
        self._opened: object = None
        self.recent: SecondHitCache[Row] = SecondHitCache()
        self._data_version: Stored | None = None
        self.connection: sqlite3.Connection | None = None
        # A signal handler may run in the middle of a call in this thread, and use or close the store.
        self.lock = threading.RLock()

    def __del__(self) -> None:
        self.close()

    def open(self) -> sqlite3.Connection:
        """Return the connection, making it if there is none."""
        if self.connection is None:
            self.connection = self._connect()
            self.note_files()
        return self.connection

    def note_files(self) -> None:
        """Note which files the connection has open."""
        self._opened = self._files()

    def has_its_files(self) -> bool:
        """Return whether those are still the ones that everybody else opens."""
        return self._opened == self._files()

    def close(self) -> None:
        """Close the connection; `open` makes a new one."""
        connection, self.connection = self.connection, None
        self.recent.clear()
        self._data_version = None
        if connection is not None:
            connection.close()

    def read_one(self, query: str, values: Stored = ()) -> Stored | None:
        """Return the only row of a query, or `None` if there is none."""
        try:
            connection = self.connection or self.open()
            found: Stored | None = connection.execute(query, values).fetchone()
        except sqlite3.OperationalError as error:
            if not failures.is_no_text(error):
                raise
        else:
            return found
        # Not in the handler: that exception quotes the text, and would be the context of any other.
        return next(iter(self._read_raw(query, values)), None)

    def read_all(self, query: str, values: Stored | Mapping[str, object] = ()) -> list[Stored]:
        """Return all rows of a query."""
        try:
            return self.open().execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if not failures.is_no_text(error):
                raise
        return self._read_raw(query, values)

    def _read_raw(self, query: str, values: Stored | Mapping[str, object]) -> list[Stored]:
        """Return the rows of a query with their texts as bytes, as one is not UTF-8."""
        connection = self.open()
        connection.text_factory = RawText
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.text_factory = str

    def is_current(self) -> bool:
        """Return whether nobody has committed anything since the rows in `recent` were read.

        `PRAGMA data_version` changes whenever another connection, in this process or another,
        changed the database (https://www.sqlite.org/pragma.html#pragma_data_version). A row
        that was read after the version was noted is at least that new. If there is a new
        version, the rows are dropped.
        """
        version = self.open().execute("PRAGMA data_version").fetchone()
        if version == self._data_version:
            return True
        self.recent.clear()
        self._data_version = version
        return False

    def forget(self, row_id: str | None = None) -> None:
        """Drop a row, or all, that this connection is about to change: it sees no version of its own."""
        if row_id is None:
            self.recent.clear()
        else:
            self.recent.pop(row_id, None)

    def vacuum(self) -> None:
        """Rebuild the database without what deleted and replaced rows left in it."""
        self.forget()
        self.open().execute("VACUUM")


class _ReplacedError(Exception):
    """The files of a connection are not those that others open."""


def _refuse_within(connection: sqlite3.Connection) -> None:
    """Refuse to change something in the middle of a transaction, which may be rolled back."""
    if connection.in_transaction:
        raise BackendError("A signal handler cannot save in the middle of a call that does. Try again.")


def _run_in_place(handle: SQLiteHandle, work: Callable[[SQLiteHandle, *Ts], T], *args: *Ts) -> T:
    """Do the work, and check that it was done where it belongs, while a fork still waits for it."""
    _refuse_within(handle.open())
    result = work(handle, *args)
    if not handle.has_its_files():
        raise _ReplacedError
    return result


class _ThreadExit:
    """Closes a thread's handle when the thread ends, as its local data, which holds this, is dropped then.

    The handle stays known until it is closed, so that a fork waits for that. If its lock is
    taken, a fork has it, and closes the connection itself; waiting here could block forever, as
    this may run in any thread at any moment.
    """

    def __init__(self, handle: SQLiteHandle, handles: set[SQLiteHandle]) -> None:
        self._handle = handle
        self._handles = handles

    def __del__(self) -> None:
        if self._handle.lock.acquire(blocking=False):
            try:
                self._handle.close()
            finally:
                self._handle.lock.release()
        self._handles.discard(self._handle)


class SQLiteConnections:
    """Runs work on the calling thread's connection, waiting for locks with jitter, up to a limit.

    Before a fork every connection to a file is closed, and reopened when next needed:
    SQLite's own knowledge of its locks must not be carried into a child
    (https://www.sqlite.org/howtocorrupt.html, 2.6).

    `files` identifies the files at the database's path and next to it, to notice replacements. One that is
    `shared` has one connection for all threads, kept across a fork (a database in memory).
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        location: str,
        *,
        timeout: float,
        files: Callable[[], object] = lambda: None,
        shared: bool = False,
    ) -> None:
        self.location = location
        self._files = files
        self._connect = connect
        self._timeout = timeout
        self._gate = threading.Lock()
        self._handles: set[SQLiteHandle] = set()
        self._paused: list[SQLiteHandle] = []
        self._local = threading.local()
        self._closed = False
        self._owner = forks.Owner(location)
        self._shared = self._new_handle() if shared else None
        forks.pause_around_fork(self)

    def run(self, work: Callable[[SQLiteHandle, *Ts], T], *args: *Ts) -> T:
        """Return what `work` returns for this thread's handle.

        `work` is at most one transaction, and is called again while others hold a lock.
        """
        self._owner.check()
        try:  # not in its own function: this runs before nearly every API call
            handle: SQLiteHandle = self._shared or self._local.handle
        except AttributeError:
            handle = self._own_handle()
        with handle.lock:
            try:
                return work(handle, *args)
            except sqlite3.Error as error:
                failure = error
        return self._retry(failure, handle, lambda: work(handle, *args))

    def commit(self, work: Callable[[SQLiteHandle, *Ts], T], *args: *Ts) -> T:
        """Return what `run` returns for work that changes something, if it was made where it belongs.

        If the change went to a file no longer at its path, all connections to that are closed: none answers
        from it.
        """
        try:
            return self.run(_run_in_place, work, *args)
        except _ReplacedError:
            self._close_all()
        raise file_rights.replaced(self.location)

    def close(self) -> None:
        """Close every thread's connection. Later work raises a `BackendError`."""
        self._closed = True
        self._close_all()

    def _close_all(self) -> None:
        with self._gate:
            handles = list(self._handles)
        for handle in handles:
            with handle.lock:
                handle.close()

    def pause(self) -> None:
        self._gate.acquire()
        self._paused = list(self._handles)
        for handle in self._paused:
            handle.lock.acquire()
            if not self._shared:
                handle.close()

    def resume(self) -> None:
        for handle in self._paused:
            handle.lock.release()
        self._paused = []
        self._gate.release()

    def _own_handle(self) -> SQLiteHandle:
        handle = self._local.handle = self._new_handle()
        self._local.thread_exit = _ThreadExit(handle, self._handles)
        return handle

    def _new_handle(self) -> SQLiteHandle:
        handle = SQLiteHandle(self._open, self._files)
        with self._gate:
            self._handles.add(handle)
        return handle

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise BackendError(f"The store on {self.location} has been closed.")
        return self._connect()

    def _retry(self, failure: sqlite3.Error, handle: SQLiteHandle, attempt: Callable[[], T]) -> T:
        """Retry on locks until it succeeds or time is up; translate other failures."""
        deadline = Deadline(self._timeout, first_delay=0.0005, longest_delay=_MAX_RETRY_DELAY)
        while failures.is_busy(failure):
            if not deadline.delay():
                raise failures.lock_timeout(self.location, self._timeout) from failure
            with handle.lock:
                try:
                    return attempt()
                except sqlite3.Error as error:
                    failure = error
        if not self._shared:
            # After a failed read or write, nothing that this connection has cached is relied upon.
            with handle.lock:
                handle.close()
        raise failures.map_error(self.location, failure) from failures.cause(failure)
