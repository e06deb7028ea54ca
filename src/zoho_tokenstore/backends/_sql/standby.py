"""A connection of the pool that is kept at hand for the next look-up, with its cursor."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import sqlalchemy as sa

_CURSOR: Final = "zoho_tokenstore.cursor"


class Taken:
    """A connection that the pool has lent out, until the time comes for the pool to look at its age."""

    def __init__(self, pooled: sa.PoolProxiedConnection, until: float) -> None:
        self.until = until
        self._pooled = pooled
        self._cursor: Any = pooled.info.get(_CURSOR)
        if self._cursor is None:  # Kept with its connection: to make one takes a tenth of a look-up.
            self._cursor = pooled.info[_CURSOR] = pooled.cursor()

    def fetch_one(self, query: str, values: Any) -> Any:
        """Return the only row of a query, or `None`. If that fails, the connection is closed."""
        try:
            self._cursor.execute(query, values)
            return self._cursor.fetchone()
        except BaseException:
            self._pooled.invalidate()  # Whatever it is in the midst of, nobody else may go on with.
            raise

    def give_back(self) -> None:
        """Return the connection to the pool."""
        self._pooled.close()


class Standby:
    """Where one connection rests between look-ups: the pool's own way takes a tenth of a look-up.

    It is the pool's all the same, and counts among the connections that it has at most: whoever
    asks the pool for one does so in `left_to_pool`, lest he wait for what rests here.

    Arguments:
        take: takes a connection from the pool.
        rest: for how many seconds one is kept at most.
    """

    def __init__(self, take: Callable[[], sa.PoolProxiedConnection], rest: float) -> None:
        self._take = take
        self._rest = rest
        self._at_hand: list[Taken] = []  # changed by `pop` and `append` alone, which are atomic
        self._lock = threading.Lock()
        self._asking = 0

    def take(self) -> Taken:
        """Return the connection at hand, or one from the pool."""
        now = time.monotonic()
        with contextlib.suppress(IndexError):
            taken = self._at_hand.pop()
            if now < taken.until:
                return taken
            taken.give_back()
        with self.left_to_pool():
            return Taken(self._take(), now + self._rest)

    def put(self, taken: Taken) -> None:
        """Keep a connection at hand that is in order, if there is none and nobody asks the pool."""
        if self._at_hand:
            taken.give_back()
        else:
            self._at_hand.append(taken)
            if self._asking:  # looked at last: who asks counts himself first, and looks here then
                self.give_back()

    @contextlib.contextmanager
    def left_to_pool(self) -> Iterator[None]:
        """In the block, keep nothing at hand."""
        with self._lock:
            self._asking += 1
        try:
            self.give_back()
            yield
        finally:
            with self._lock:
                self._asking -= 1

    def give_back(self) -> None:
        """Return what is at hand to the pool."""
        while self._at_hand:
            with contextlib.suppress(IndexError):
                self._at_hand.pop().give_back()
