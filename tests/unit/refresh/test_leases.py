"""Leases: one holder at a time, and only the holder gives back."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.refresh.support import NOW, FakeClock, Running
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease, Leases, LocalLeases, names_of
from zoho_tokenstore.records import TokenRecord

TTL = 30_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture(params=["local", "sqlite"])
def leases(request: pytest.FixtureRequest, clock: FakeClock, tmp_path: Path) -> Iterator[Leases]:
    if request.param == "local":
        yield LocalLeases(clock)
        return
    backend = SQLiteBackend(tmp_path / "zohooauth.db")
    backend.leases._clock = clock
    yield backend.leases
    backend.close()


def test_one_holder(leases: Leases, clock: FakeClock) -> None:
    """While somebody has it nobody else gets it; the answer tells who, and until when."""
    assert leases.look("a") == Lease()
    assert leases.acquire("a", "one", TTL) == Lease("one", NOW + TTL)
    assert leases.acquire("a", "two", TTL).owner == "one"
    assert leases.acquire("b", "two", TTL).owner == "two"
    clock.now += TTL - 1
    assert leases.acquire("a", "two", TTL).owner == "one"
    clock.now += 1
    assert leases.acquire("a", "two", TTL) == Lease("two", NOW + 2 * TTL)


def test_compare_and_release(leases: Leases, clock: FakeClock) -> None:
    """Only its owner gives a lease back; one whose lease passed on takes nothing from the next."""
    leases.acquire("a", "one", TTL)
    assert not leases.release("a", "two")
    assert leases.look("a").owner == "one"
    clock.now += TTL
    leases.acquire("a", "two", TTL)
    assert not leases.release("a", "one")
    assert leases.look("a").owner == "two"
    assert leases.release("a", "two")
    assert leases.look("a").owner is None
    assert not leases.release("a", "two")
    assert not leases.release("never taken", "two")


def test_note_is_compared_before_it_is_replaced(leases: Leases) -> None:
    """A note is replaced only by who has read it, and outlives the lease."""
    assert leases.annotate("a", "", "first")
    assert not leases.annotate("a", "", "second")
    leases.acquire("a", "one", TTL)
    leases.release("a", "one")
    assert leases.annotate("a", "first", "second")
    assert leases.look("a").note == "second"
    assert leases.acquire("a", "two", TTL).note == "second"


def test_old_leases_are_forgotten(leases: Leases, clock: FakeClock) -> None:
    """An hour after its end a lease goes, with its note, when another one is taken."""
    leases.acquire("a", "one", TTL)
    leases.annotate("a", "", "note")
    leases.annotate("noted only", "", "note")
    clock.now += FORGET_AFTER_MS
    leases.acquire("b", "one", TTL)
    assert leases.look("a").note == leases.look("noted only").note == "note"
    clock.now += TTL + 1
    leases.acquire("c", "one", TTL)
    assert leases.look("a") == leases.look("noted only") == Lease()


@pytest.mark.parametrize(("set_back", "held"), [(TTL, True), (TTL + 1, False)])
def test_clock_set_back(leases: Leases, clock: FakeClock, set_back: int, held: bool) -> None:
    """A lease that ends much later than any would is a leftover; a little is a difference of clocks."""
    leases.acquire("a", "one", TTL)
    clock.now -= set_back
    assert (leases.acquire("a", "two", TTL).owner == "one") is held


def test_time_is_read_when_the_lease_is_had(tmp_path: Path) -> None:
    """Who had to wait for the database does not take a lease that was given meanwhile."""
    one, two = SQLiteBackend(tmp_path / "zohooauth.db"), SQLiteBackend(tmp_path / "zohooauth.db")
    clock = FakeClock()
    one.leases._clock = two.leases._clock = clock
    connection = one._connections._local.handle.open()
    connection.execute("BEGIN IMMEDIATE")
    waiting = Running(lambda: two.leases.acquire("a", "two", TTL))
    threading.Event().wait(0.05)
    clock.now += 10 * TTL
    connection.execute("INSERT INTO zoho_tokenstore_lease VALUES ('a', 'one', ?, '')", (clock.now + TTL,))
    connection.execute("COMMIT")
    assert waiting.result().owner == "one"
    one.close()
    two.close()


def test_threads_that_race(leases: Leases) -> None:
    """Of many threads that ask at once exactly one gets the lease."""
    barrier = threading.Barrier(8)

    def ask(owner: str) -> Callable[[], bool]:
        def work() -> bool:
            barrier.wait()
            return leases.acquire("a", owner, TTL).owner == owner

        return work

    threads = [Running(ask(f"thread {number}")) for number in range(8)]
    assert sum(thread.result() for thread in threads) == 1


def test_names_tell_credentials_apart_and_show_none() -> None:
    """A lease is named after the refresh token and its client, else after the code; no secret is in it."""
    full: dict[str, Any] = {
        "client_id": "c",
        "client_secret": "s",
        "refresh_token": "1000.r",
        "grant_token": "1000.g",
    }
    refresh, grant = names_of(TokenRecord(**full))
    assert names_of(TokenRecord(**{**full, "user_name": "patricia", "access_token": "1000.a"})) == [
        refresh,
        grant,
    ]
    assert names_of(TokenRecord(**{**full, "refresh_token": None})) == [grant]
    assert names_of(TokenRecord(user_name="patricia")) == []
    changed = [names_of(TokenRecord(**{**full, key: "other"})) for key in ("client_id", "client_secret")]
    assert all(refresh not in names and grant not in names for names in changed)
    assert "1000" not in refresh + grant
