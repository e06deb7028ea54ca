"""The connection kept at hand: it saves the way through the pool, and the pool is never short of it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa

from zoho_tokenstore.backends._sql.standby import Standby

ASKED = "SELECT ?"


class Pool:
    """A pool of so many connections, which counts how often it was asked."""

    def __init__(self, size: int) -> None:
        self.pool = sa.QueuePool(
            lambda: sqlite3.connect(":memory:", check_same_thread=False),  # type: ignore[arg-type]
            pool_size=size,
            max_overflow=0,
            timeout=5,
        )
        self.asked = 0

    def take(self) -> sa.PoolProxiedConnection:
        self.asked += 1
        return self.pool.connect()

    def left(self) -> int:
        """Return how many connections are lent out."""
        return self.pool.checkedout()


@pytest.fixture(params=[1, 2])
def pool(request: pytest.FixtureRequest) -> Iterator[Pool]:
    """Pools of one and two connections."""
    pool = Pool(request.param)
    yield pool
    pool.pool.dispose()


def look(standby: Standby, value: int) -> int:
    """Look something up, as `Connections.one` does."""
    taken = standby.take()
    (found,) = taken.fetch_one(ASKED, (value,))
    standby.put(taken)
    assert isinstance(found, int)
    return found


def test_one_look_up_after_another_asks_the_pool_once(pool: Pool) -> None:
    """The connection rests at hand in between."""
    standby = Standby(pool.take, rest=60)
    assert [look(standby, value) for value in range(10)] == list(range(10))
    assert (pool.asked, pool.left()) == (1, 1)
    standby.give_back()
    assert pool.left() == 0


def test_after_a_while_the_pool_sees_it(pool: Pool) -> None:
    """So that the pool can replace what has grown old."""
    standby = Standby(pool.take, rest=0.05)
    look(standby, 1)
    time.sleep(0.06)
    look(standby, 2)
    assert pool.asked == 2


def test_a_failed_look_up_leaves_no_connection_behind(pool: Pool) -> None:
    """The connection is closed, and its place in the pool is free again."""
    standby = Standby(pool.take, rest=60)
    with pytest.raises(sqlite3.OperationalError):
        standby.take().fetch_one("SELECT nothing", ())
    assert pool.left() == 0
    assert look(standby, 1) == 1


def test_whoever_asks_the_pool_gets_what_rests(pool: Pool) -> None:
    """Also the last connection that there is."""
    standby = Standby(pool.take, rest=60)
    look(standby, 1)
    with standby.left_to_pool():
        assert pool.left() == 0
        look(standby, 2)
        assert pool.left() == 0
    look(standby, 3)
    assert pool.left() == 1


def test_nobody_waits_for_what_rests(pool: Pool) -> None:
    """Eight threads, by both ways, on one connection or two: none of them waits for long."""
    standby = Standby(pool.take, rest=60)
    ends = time.monotonic() + 1

    def go_on(number: int) -> float:
        longest = 0.0
        while (begin := time.monotonic()) < ends:
            if number % 2:
                with standby.left_to_pool():
                    pooled = pool.take()
                pooled.close()
            else:
                look(standby, number)
            longest = max(longest, time.monotonic() - begin)
        return longest

    with ThreadPoolExecutor(8) as threads:
        assert max(threads.map(go_on, range(8))) < 4
    standby.give_back()
    assert pool.left() == 0


@pytest.mark.parametrize("pool", [2], indirect=True)
def test_two_that_come_at_once(pool: Pool) -> None:
    """Whoever finds nothing at hand asks the pool, and one connection rests afterwards."""
    standby = Standby(pool.take, rest=60)
    both = threading.Barrier(2)

    def look_at_once(value: int) -> None:
        taken = standby.take()
        both.wait(5)
        taken.fetch_one(ASKED, (value,))
        standby.put(taken)

    with ThreadPoolExecutor(2) as threads:
        list(threads.map(look_at_once, range(2)))
    assert (pool.asked, pool.left()) == (2, 1)
