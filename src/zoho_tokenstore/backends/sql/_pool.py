"""A pool with few connections, and none while nobody needs one."""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import deque
from contextlib import AbstractContextManager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import ConnectionPoolEntry

MADE_AT: Final = "zoho_tokenstore.made_at"
"""The name under which a connection notes when it was made, in seconds since 1970."""

_MAX_IDLE: Final = 2.0
"""How long an unused connection is kept, in seconds."""

_MAX_AGE: Final = 15.0
"""How long a connection is used at most, in seconds."""

_REST: Final = 0.25
"""How long nothing is kept after a connection has grown old, in seconds: on a full server, others get in."""

_CROWDED_DELAY: Final = 30.0
"""How long nothing is kept after the server ran out of connections, in seconds."""

_READ_ONLY_RECHECK: Final = 5.0
"""How long to believe that an address leads to no writable server, in seconds."""

Slot = tuple[float, ConnectionPoolEntry | None]
"""Room for a connection, and since when one is idle there, if any, on the monotonic clock."""

_EMPTY: Final[Slot] = (0.0, None)


class IdleClosingPool(sa.Pool):
    """Connections that are closed soon after their last use.

    An idle process holds none. So many processes can share a server that has fewer connections
    than they have threads.

    A connection is closed inside the `gate`.
    """

    def __init__(
        self, creator: Any, pool_size: int, timeout: float, gate: AbstractContextManager[None], **options: Any
    ) -> None:
        super().__init__(creator, **options)
        self._size = pool_size
        self._timeout = timeout
        self._gate = gate
        # On a full server, others get a turn before they have waited for too long.
        longest = min(_MAX_AGE, timeout / 2)
        self._max_age = longest * random.uniform(0.5, 1)  # noqa: S311  # against lockstep, not a secret
        # A deque needs no lock: taking and returning one would cost a look-up some microseconds.
        self._slots: deque[Slot] = deque([_EMPTY] * pool_size)  # the last one used is last
        self._returned = threading.Condition()
        self._waiting = 0
        self._timer: threading.Timer | None = None
        self._keeps_from = 0.0
        self._none_before = 0.0

    def crowded(self) -> None:
        """Keep nothing for a while: the server has too few connections for everybody."""
        self._keep_nothing(_CROWDED_DELAY)

    def _keep_nothing(self, seconds: float) -> None:
        self._keeps_from = max(self._keeps_from, time.monotonic() + seconds)

    def replaces(self, made_at: float) -> bool:
        """Return whether to replace a connection made then with one that may lead to another server.

        If so, all that are older than now are closed. That is limited: as long as the
        address leads to a read-only server, its connections are good for reading.
        """
        now = time.time()
        if made_at >= self._none_before and now - self._none_before > _READ_ONLY_RECHECK:
            self._none_before = now
            self._close_idle(0)
        return made_at < self._none_before

    def recreate(self) -> IdleClosingPool:
        return IdleClosingPool(
            self._creator,
            self._size,
            self._timeout,
            self._gate,
            reset_on_return=self._reset_on_return,
            echo=self.echo,
            logging_name=self._orig_logging_name,
            dialect=self._dialect,
            _dispatch=self.dispatch,
        )

    def dispose(self) -> None:
        """Close what nobody uses, and the rest when returned."""
        self._keeps_from = float("inf")
        self._close_idle(0)

    def status(self) -> str:
        idle = sum(record is not None for _, record in [*self._slots])
        return f"{idle} of at most {self._size} connections are idle"

    def take(self) -> ConnectionPoolEntry:
        """Return a connection that nobody else has until it is returned.

        SQLAlchemy's own way also tracks connections that nobody returned, which takes as
        long as a tenth of a look-up.
        """
        try:
            _, record = self._slots.pop()
        except IndexError:
            _, record = self._wait()
        try:
            if record is not None:
                if self._is_good(record):
                    return record
                self._close(record)
            return self._create_connection()
        except BaseException:
            self._put(_EMPTY)
            raise

    def give_back(self, record: ConnectionPoolEntry) -> None:
        """Keep a connection for the next one, or close it."""
        slot = _EMPTY
        try:
            if record.dbapi_connection is not None:  # it has not failed
                now = time.monotonic()
                if self._is_old(record):
                    self._keep_nothing(_REST)
                if now >= self._keeps_from and self._is_good(record):
                    slot = now, record
                else:
                    self._close(record)
        finally:
            self._put(slot)
        if slot is not _EMPTY and self._timer is None:
            self._watch()

    _do_get = take
    _do_return_conn = give_back

    def _wait(self) -> Slot:
        """Return the next slot returned, if one is in time."""
        deadline = time.monotonic() + self._timeout
        with self._returned:
            self._waiting += 1  # before looking: anyone returning one later sees that somebody waits
            try:
                while True:
                    with contextlib.suppress(IndexError):
                        return self._slots.pop()
                    if not self._returned.wait(deadline - time.monotonic()):
                        raise exc.TimeoutError("no connection became free in time")
            finally:
                self._waiting -= 1

    def _put(self, slot: Slot) -> None:
        if slot is _EMPTY:
            self._slots.appendleft(slot)
        else:
            self._slots.append(slot)
        if self._waiting:
            with self._returned:
                self._returned.notify()

    def _is_good(self, record: ConnectionPoolEntry) -> bool:
        made_at: float = record.info[MADE_AT]
        return made_at >= max(self._none_before, self._invalidate_time)

    def _is_old(self, record: ConnectionPoolEntry) -> bool:
        """Return whether it has been used for so long that others may have its place."""
        made_at: float = record.info[MADE_AT]
        return made_at < time.time() - self._max_age

    def _watch(self) -> None:
        with self._returned:
            if self._timer is None:
                timer = threading.Timer(_MAX_IDLE, self._tidy)
                timer.daemon = True
                with contextlib.suppress(RuntimeError):  # no more threads, or the interpreter is ending
                    timer.start()
                    self._timer = timer

    def _tidy(self) -> None:
        self._timer = None
        self._close_idle(_MAX_IDLE)

    def _close_idle(self, max_idle: float) -> None:
        """Close what has been unused for this many seconds."""
        until = time.monotonic() - max_idle
        slots = []
        with contextlib.suppress(IndexError):
            while True:
                slots.append(self._slots.popleft())
        old = [record for since, record in slots if record is not None and since <= until]
        for slot in slots:
            if slot[1] is None or slot[0] > until:
                self._put(slot)
        for record in old:
            self._close(record)
            self._put(_EMPTY)
        if any(slot is not _EMPTY for slot in [*self._slots]):
            self._watch()

    def _close(self, record: ConnectionPoolEntry) -> None:
        with self._gate:
            record.close()
