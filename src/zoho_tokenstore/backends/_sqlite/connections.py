"""Connections to a SQLite database, for the threads of a process and across its forks."""

from __future__ import annotations

import random
import sqlite3
import threading
import time
import weakref
from collections.abc import Callable
from typing import Concatenate, Final, ParamSpec, TypeVar

from zoho_tokenstore.backends import _forks
from zoho_tokenstore.backends._sqlite import failures
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import REMEMBERED, Row

_LONGEST_PAUSE: Final = 0.02

P = ParamSpec("P")
T = TypeVar("T")


class Handle:
    """One connection, used by one thread at a time, and the rows it has read lately."""

    def __init__(self, connect: Callable[[], sqlite3.Connection]) -> None:
        self._connect = connect
        self._rows: dict[str, Row] = {}
        self._data_version = -1
        self.connection: sqlite3.Connection | None = None
        self.lock = threading.Lock()

    def __del__(self) -> None:
        self.close()

    def open(self) -> sqlite3.Connection:
        """Return the connection, making it if there is none."""
        if self.connection is None:
            self.connection = self._connect()
        return self.connection

    def close(self) -> None:
        """Close the connection; `open` makes a new one."""
        connection, self.connection = self.connection, None
        self._rows.clear()
        self._data_version = -1
        if connection is not None:
            connection.close()

    def remembered(self, row_id: str) -> Row | None:
        """Return the row as this connection read it, if nobody has committed anything since.

        `PRAGMA data_version` changes whenever another connection, in this process or another,
        has changed the database (https://www.sqlite.org/pragma.html#pragma_data_version). A row
        that was read after the version was noted is at least as new as it.
        """
        row = self._rows.get(row_id)
        if row is None:
            return None
        (version,) = self.open().execute("PRAGMA data_version").fetchone()
        if version == self._data_version:
            return row
        self._rows.clear()
        self._data_version = version
        return None

    def last_seen(self, row_id: str) -> Row | None:
        """Return the row as this connection read it last; it may have changed since."""
        return self._rows.get(row_id)

    def remember(self, row: Row) -> None:
        """Keep a row that this connection has just read, outside a transaction."""
        if len(self._rows) >= REMEMBERED:
            self._rows.clear()
        self._rows[row.id] = row

    def forget(self, row_id: str | None = None) -> None:
        """Drop a row, or all, that this connection is about to change: it sees no version of its own."""
        if row_id is None:
            self._rows.clear()
        else:
            self._rows.pop(row_id, None)


class Connections:
    """Runs work on the calling thread's connection, waiting for locks with jitter, up to a bound.

    Before a fork every connection to a file is closed, and made again when it is next needed:
    SQLite's own knowledge of its locks must not be carried into a child
    (https://www.sqlite.org/howtocorrupt.html, 2.6).

    Arguments:
        connect: makes a connection.
        location: the database's name, for messages.
        timeout: how long to wait for other connections' locks, in seconds.
        shared: one connection for all threads, kept over a fork (a database in memory).
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        location: str,
        *,
        timeout: float,
        shared: bool = False,
    ) -> None:
        self.location = location
        self._connect = connect
        self._timeout = timeout
        self._gate = threading.Lock()
        self._handles: weakref.WeakSet[Handle] = weakref.WeakSet()
        self._resting: list[Handle] = []
        self._local = threading.local()
        self._closed = False
        self._shared = self._new_handle() if shared else None
        _forks.register(self)

    def run(self, work: Callable[Concatenate[Handle, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `work` returns for this thread's handle.

        `work` is one transaction at most, and is called again while others hold a lock.

        Raises:
            BackendTimeoutError: the database stayed locked for longer than the timeout.
            BackendError: SQLite failed, or the store has been closed.
        """
        handle = self._shared or self._own_handle()
        with handle.lock:
            try:
                return work(handle, *args, **kwargs)
            except sqlite3.Error as error:
                failure = error
        return self._again(failure, handle, lambda: work(handle, *args, **kwargs))

    def close(self) -> None:
        """Close every thread's connection. Later work raises a `BackendError`."""
        self._closed = True
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
        try:
            handle: Handle = self._local.handle
        except AttributeError:
            handle = self._local.handle = self._new_handle()
        return handle

    def _new_handle(self) -> Handle:
        handle = Handle(self._open)
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
        raise failures.translated(self.location, failure) from failure
