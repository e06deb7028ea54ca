"""The rules about leases: one holder at a time, and only the holder gives back."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.unit.refresh.support import NOW, FakeClock
from zoho_tokenstore.leases import FORGET_AFTER_MS, Kept, Lease, LeaseBook, LocalLeases, names_of
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.testing._subject import together

TTL = 30_000


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def kept(clock: FakeClock) -> LocalLeases:
    return LocalLeases(clock)


@pytest.fixture
def leases(kept: LocalLeases) -> LeaseBook:
    return LeaseBook(kept)


def test_one_holder(leases: LeaseBook, clock: FakeClock) -> None:
    """While somebody has it nobody else gets it; the answer tells who, and until when."""
    assert leases.look("a") == Lease()
    assert leases.acquire("a", "one", TTL) == Lease("one", NOW + TTL)
    assert leases.acquire("a", "two", TTL).owner == "one"
    assert leases.acquire("b", "two", TTL).owner == "two"
    clock.now += TTL - 1
    assert leases.acquire("a", "two", TTL).owner == "one"
    clock.now += 1
    assert leases.acquire("a", "two", TTL) == Lease("two", NOW + 2 * TTL)


def test_compare_and_release(leases: LeaseBook, clock: FakeClock) -> None:
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


def test_note_is_compared_before_it_is_replaced(leases: LeaseBook) -> None:
    """A note is replaced only by who has read it, and outlives the lease."""
    assert leases.annotate("a", "", "first")
    assert not leases.annotate("a", "", "second")
    leases.acquire("a", "one", TTL)
    leases.release("a", "one")
    assert leases.annotate("a", "first", "second")
    assert leases.look("a").note == "second"
    assert leases.acquire("a", "two", TTL).note == "second"


def test_old_leases_are_forgotten(
    leases: LeaseBook, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From an hour after its end on a lease may go, with its note, when another one is taken."""
    monkeypatch.setattr("zoho_tokenstore.leases.forgets_now", lambda: True)
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
def test_clock_set_back(leases: LeaseBook, clock: FakeClock, set_back: int, held: bool) -> None:
    """A lease that ends much later than any would is a leftover; a little is a difference of clocks."""
    leases.acquire("a", "one", TTL)
    clock.now -= set_back
    assert (leases.acquire("a", "two", TTL).owner == "one") is held


class Contended(LocalLeases):
    """Somebody else takes the lease between the first reading and the writing."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__(clock)
        self._held_up = clock
        self._is_first = True

    def read(self, name: str) -> Kept:
        kept = super().read(name)
        if self._is_first:
            self._is_first = False
            self._held_up.now += 10 * TTL
            LeaseBook(self).acquire(name, "two", TTL)
        return kept


def test_time_is_read_when_the_lease_is_had(clock: FakeClock) -> None:
    """Who was held up does not take a lease that was given meanwhile."""
    assert LeaseBook(Contended(clock)).acquire("a", "one", TTL).owner == "two"


class Restless(LocalLeases):
    """Others change everything all the time."""

    def __init__(self) -> None:
        super().__init__()
        self.tries = itertools.count()

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        next(self.tries)
        return False


def test_tries_are_bounded() -> None:
    """Who always comes too late is told so, after a hundred tries."""
    kept = Restless()
    assert LeaseBook(kept).acquire("a", "one", TTL) == Lease()
    assert next(kept.tries) == 100


@pytest.mark.parametrize("text", ["x", "[]", "{}", "null", "1", "[1, 2, 3]", "[" * 9])
def test_what_nobody_of_us_wrote_counts_as_nothing(leases: LeaseBook, kept: LocalLeases, text: str) -> None:
    """A text that is no lease is in nobody's way."""
    kept.replace("a", "", text, TTL)
    assert leases.look("a") == Lease()
    assert leases.acquire("a", "one", TTL).owner == "one"


def test_threads_that_race(leases: LeaseBook) -> None:
    """Of many threads that ask at once exactly one gets the lease, and all are told which."""
    owners = together(8, lambda number: leases.acquire("a", f"thread {number}", TTL).owner)
    assert set(owners) == {leases.look("a").owner}


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
