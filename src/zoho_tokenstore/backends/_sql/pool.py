"""A pool that has few connections, and none while nobody needs one."""

from __future__ import annotations

import random
import threading
import time
from contextlib import AbstractContextManager
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import exc
from sqlalchemy.pool import ConnectionPoolEntry

MADE_AT: Final = "zoho_tokenstore.made_at"
"""Under which name a connection notes when it was made, in seconds since 1970."""

_REST: Final = 2.0
"""For how long a connection is kept that nobody uses, in seconds."""

_LIFE: Final = 15.0
"""For how long a connection is used at most, in seconds: so that everybody gets a turn on a full server."""

_CROWDED: Final = 30.0
"""For how long nothing is kept after the server had no connection left, in seconds."""


_SETTLED: Final = 5.0
"""How long to believe that an address leads to no server that writes, in seconds."""


class RestingPool(sa.Pool):
    """Connections that are closed soon after the last use.

    A process that idles holds none. So many processes can share a server that has fewer connections
    than they have threads.

    Arguments:
        creator: makes a connection.
        pool_size: how many there are at most, in use or not.
        timeout: how long to wait for one of them, in seconds.
        gate: what a connection is closed in.
    """

    def __init__(
        self, creator: Any, pool_size: int, timeout: float, gate: AbstractContextManager[None], **options: Any
    ) -> None:
        super().__init__(creator, **options)
        self._size = pool_size
        self._timeout = timeout
        self._gate = gate
        self._life = _LIFE * random.uniform(0.5, 1)  # noqa: S311  # against lockstep, not a secret
        self._places = threading.Semaphore(pool_size)
        self._lock = threading.Lock()
        self._idle: list[tuple[float, ConnectionPoolEntry]] = []  # since when; the latest is the last
        self._timer: threading.Timer | None = None
        self._keeps_from = 0.0
        self._none_before = 0.0

    def crowded(self) -> None:
        """Keep nothing for a while: the server has too few connections for everybody."""
        self._keeps_from = time.monotonic() + _CROWDED

    def replaces(self, made_at: float) -> bool:
        """Tell whether a connection that was made then is replaced by one that may lead to another server.

        If so, all that are older than now are closed. That is done only so often: as long as the
        address leads to a server that does not write, its connections are good for reading.
        """
        now = time.time()
        if made_at >= self._none_before and now - self._none_before > _SETTLED:
            self._none_before = now
            self._close_rested(0)
        return made_at < self._none_before

    def recreate(self) -> RestingPool:
        return RestingPool(
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
        """Close what nobody uses, and everything else when it comes back."""
        self._keeps_from = float("inf")
        self._close_rested(0)

    def status(self) -> str:
        return f"{len(self._idle)} of at most {self._size} connections rest"

    def take(self) -> ConnectionPoolEntry:
        """Return a connection that nobody else has until it is given back.

        SQLAlchemy's own way adds what finds connections that nobody has given back; that takes as
        long as a tenth of a look-up.
        """
        if not self._places.acquire(timeout=self._timeout):
            raise exc.TimeoutError("no connection became free in time")
        try:
            return self._rested() or self._create_connection()
        except BaseException:
            self._places.release()
            raise

    def give_back(self, record: ConnectionPoolEntry) -> None:
        """Keep a connection for the next one, or close it."""
        try:
            if record.dbapi_connection is None:  # it failed
                return
            now = time.monotonic()
            if now < self._keeps_from or not self._is_good(record):
                self._close(record)
                return
            with self._lock:
                self._idle.append((now, record))
                self._watch()
        finally:
            self._places.release()

    _do_get = take
    _do_return_conn = give_back

    def _rested(self) -> ConnectionPoolEntry | None:
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, record = self._idle.pop()
            if self._is_good(record):
                return record
            self._close(record)

    def _is_good(self, record: ConnectionPoolEntry) -> bool:
        made_at: float = record.info[MADE_AT]
        return made_at >= max(self._none_before, self._invalidate_time, time.time() - self._life)

    def _watch(self) -> None:
        if self._timer is None:
            self._timer = threading.Timer(_REST, self._tidy)
            self._timer.daemon = True
            self._timer.start()

    def _tidy(self) -> None:
        with self._lock:
            self._timer = None
        self._close_rested(_REST)

    def _close_rested(self, rest: float) -> None:
        """Close what has not been used for so many seconds."""
        until = time.monotonic() - rest
        with self._lock:
            rested = [record for since, record in self._idle if since <= until]
            self._idle = [(since, record) for since, record in self._idle if since > until]
            if self._idle:
                self._watch()
        for record in rested:
            self._close(record)

    def _close(self, record: ConnectionPoolEntry) -> None:
        with self._gate:
            record.close()
