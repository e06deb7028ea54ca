"""Connections to a SQLite database, for the threads of a process and across its forks."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from typing import Final, TypeVar, TypeVarTuple

from zoho_tokenstore.backends import _files, _forks
from zoho_tokenstore.backends._sqlite import failures
from zoho_tokenstore.backends._sqlite.rows import RawText, Stored
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Recent, Row

GIVE: Final = "zoho_tokenstore_give"
"""The SQL function by which a query gives its row to `Handle.read_given`."""

_LONGEST_PAUSE: Final = 0.02

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


@contextlib.contextmanager
def write_lock(connection: sqlite3.Connection, *, keep: bool = True) -> Iterator[sqlite3.Connection]:
    """Run the block as one transaction that nobody else can write in; take it all back if not `keep`."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield connection
        if connection.in_transaction:  # unless the block has ended it
            connection.execute("COMMIT" if keep else "ROLLBACK")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class Handle:
    """One connection, used by one thread at a time, and the rows it has read lately."""

    def __init__(self, connect: Callable[[], sqlite3.Connection], files: Callable[[], object]) -> None:
        self._connect = connect
        self._files = files
        self._opened: object = None
        self.recent: Recent[Row] = Recent()
        self._data_version: Stored | None = None
        self._reader: sqlite3.Cursor | None = None
        # Its constructor is the SQL function: it keeps the arguments. No code of Python's runs in it,
        # and so no handler of a signal: what that raises would be lost inside SQLite.
        self._given = Exception()
        self.connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()

    def __del__(self) -> None:
        self.close()

    def open(self) -> sqlite3.Connection:
        """Return the connection, making it if there is none."""
        if self.connection is None:
            connection = self._connect()
            connection.create_function(GIVE, -1, self._given.__init__)  # type: ignore[misc]
            self.connection = connection
            self.note_files()
        return self.connection

    def note_files(self) -> None:
        """Note which files the connection has open."""
        self._opened = self._files()

    def has_its_files(self) -> bool:
        """Tell whether those are still the ones that everybody else opens."""
        return self._opened == self._files()

    def close(self) -> None:
        """Close the connection; `open` makes a new one."""
        connection, self.connection = self.connection, None
        self._reader = None
        self._given.args = ()
        self.recent.clear()
        self._data_version = None
        if connection is not None:
            connection.close()

    def read_one(self, query: str, values: Stored = ()) -> Stored | None:
        """Return the only row of a query, or `None` if there is none."""
        try:
            found: Stored | None = (self._reader or self._new_reader()).execute(query, values).fetchone()
        except sqlite3.OperationalError as error:
            if not failures.is_no_text(error):
                raise
        else:
            return found
        # Not in the handler: that exception quotes the text, and would be the context of any other.
        return next(iter(self._read_raw(query, values)), None)

    def read_given(self, query: str, values: Stored, plain: str) -> Stored | None:
        """Return what the only row of a query gives to the function `GIVE`, or `None` if there is none.

        sqlite3 makes arguments in half the time that it takes for columns, for each of which it
        describes the column, too, and locks the connection three times. `plain` is the same query
        without the function, which fails where a text is not UTF-8.
        """
        given = self._given
        given.args = ()
        try:
            (self._reader or self._new_reader()).execute(query, values).fetchone()
        except sqlite3.OperationalError as error:
            if not failures.is_no_text(error):
                raise
        else:
            return given.args or None
        return next(iter(self._read_raw(plain, values)), None)

    def read_all(self, query: str, values: Stored = ()) -> list[Stored]:
        """Return all rows of a query."""
        try:
            return self.open().execute(query, values).fetchall()
        except sqlite3.OperationalError as error:
            if not failures.is_no_text(error):
                raise
        return self._read_raw(query, values)

    def _new_reader(self) -> sqlite3.Cursor:
        """Make the cursor for single rows: one for each would take as long as what they do besides."""
        self._reader = self.open().cursor()
        return self._reader

    def _read_raw(self, query: str, values: Stored) -> list[Stored]:
        """Return the rows of a query with their texts as bytes, as one of them is not UTF-8."""
        connection = self.open()
        connection.text_factory = RawText
        try:
            return connection.execute(query, values).fetchall()
        finally:
            connection.text_factory = str

    def is_current(self) -> bool:
        """Tell whether nobody has committed anything since the rows in `recent` were read.

        `PRAGMA data_version` changes whenever another connection, in this process or another,
        has changed the database (https://www.sqlite.org/pragma.html#pragma_data_version). A row
        that was read after the version was noted is at least as new as it. If there is a new
        version, the rows are dropped.
        """
        version = self.read_one("PRAGMA data_version")
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
        """Build the database anew, without what deleted and replaced rows have left in it."""
        self.forget()
        self.open().execute("VACUUM")


class _ReplacedError(Exception):
    """The files of a connection are not those that others open."""


def _in_place(handle: Handle, work: Callable[[Handle, *Ts], T], *args: *Ts) -> T:
    """Do the work, and look whether it was done where it belongs, while a fork still waits for it."""
    result = work(handle, *args)
    if not handle.has_its_files():
        raise _ReplacedError
    return result


class _LastWill:
    """Kept in a thread's local data, which is dropped when the thread ends: closes its handle.

    The handle stays known until it is closed, so that a fork waits for that. If its lock is
    taken, a fork has it, and closes the connection itself; waiting here could block for good, as
    this may run in any thread, at any moment.
    """

    def __init__(self, handle: Handle, handles: set[Handle]) -> None:
        self._handle = handle
        self._handles = handles

    def __del__(self) -> None:
        if self._handle.lock.acquire(blocking=False):
            try:
                self._handle.close()
            finally:
                self._handle.lock.release()
        self._handles.discard(self._handle)


class Connections:
    """Runs work on the calling thread's connection, waiting for locks with jitter, up to a bound.

    Before a fork every connection to a file is closed, and made again when it is next needed:
    SQLite's own knowledge of its locks must not be carried into a child
    (https://www.sqlite.org/howtocorrupt.html, 2.6).

    Arguments:
        connect: makes a connection.
        location: the database's name, for messages.
        timeout: how long to wait for other connections' locks, in seconds.
        files: tells the files at the database's path, and beside it, from any that may replace them.
        shared: one connection for all threads, kept over a fork (a database in memory).
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
        self._handles: set[Handle] = set()
        self._resting: list[Handle] = []
        self._local = threading.local()
        self._closed = False
        self._shared = self._new_handle() if shared else None
        _forks.register(self)

    def run(self, work: Callable[[Handle, *Ts], T], *args: *Ts) -> T:
        """Return what `work` returns for this thread's handle.

        `work` is one transaction at most, and is called again while others hold a lock.

        Raises:
            BackendTimeoutError: the database stayed locked for longer than the timeout.
            BackendError: SQLite failed, or the store has been closed.
        """
        try:  # and not in a function of its own: this runs before nearly every API call
            handle: Handle = self._shared or self._local.handle
        except AttributeError:
            handle = self._own_handle()
        with handle.lock:
            try:
                return work(handle, *args)
            except sqlite3.Error as error:
                failure = error
        return self._again(failure, handle, lambda: work(handle, *args))

    def commit(self, work: Callable[[Handle, *Ts], T], *args: *Ts) -> T:
        """Return what `run` returns for work that changes something, if that is where it belongs.

        Raises:
            BackendUnavailableError: the change went to a file that is not at its path any more. All
                connections to it are closed: none of them answers from it.
        """
        try:
            return self.run(_in_place, work, *args)
        except _ReplacedError:
            self._close_all()
        raise _files.replaced(self.location)

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

    def rest(self) -> None:
        self._gate.acquire()
        self._resting = list(self._handles)
        for handle in self._resting:
            handle.lock.acquire()
            if not self._shared:
                handle.close()

    def resume(self) -> None:
        for handle in self._resting:
            handle.lock.release()
        self._resting = []
        self._gate.release()

    def _own_handle(self) -> Handle:
        handle = self._local.handle = self._new_handle()
        self._local.last_will = _LastWill(handle, self._handles)
        return handle

    def _new_handle(self) -> Handle:
        handle = Handle(self._open, self._files)
        with self._gate:
            self._handles.add(handle)
        return handle

    def _open(self) -> sqlite3.Connection:
        if self._closed:
            raise BackendError(f"The store on {self.location} has been closed.")
        return self._connect()

    def _again(self, failure: sqlite3.Error, handle: Handle, attempt: Callable[[], T]) -> T:
        """Repeat what met a lock until it succeeds or time is up; translate what failed otherwise."""
        deadline = time.monotonic() + self._timeout
        pause = 0.0005
        while failures.is_busy(failure):
            if time.monotonic() + pause > deadline:
                raise failures.timed_out(self.location, self._timeout) from failure
            # Jitter against lockstep, not a secret.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, _LONGEST_PAUSE)
            with handle.lock:
                try:
                    return attempt()
                except sqlite3.Error as error:
                    failure = error
        if not self._shared:
            # After a failed read or write nothing that this connection believes is relied upon.
            with handle.lock:
                handle.close()
        raise failures.translated(self.location, failure) from failures.cause(failure)
