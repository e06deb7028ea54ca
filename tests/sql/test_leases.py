"""Leases in a database: those of all stores, and that they hold between handles."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sql import support
from tests.sql.conftest import Open
from tests.unit.refresh.support import NOW, FakeClock
from tests.unit.refresh.test_leases import (
    TTL,
    test_clock_set_back,
    test_compare_and_release,
    test_note_is_compared_before_it_is_replaced,
    test_old_leases_are_forgotten,
    test_one_holder,
    test_threads_that_race,
)
from zoho_tokenstore.backends._sql.leases import SQLLeases
from zoho_tokenstore.leases import Lease
from zoho_tokenstore.testing._subject import together
from zoho_tokenstore.testing.hostile import HOSTILE_TEXTS, LOOKALIKES

__all__ = [
    "test_clock_set_back",
    "test_compare_and_release",
    "test_note_is_compared_before_it_is_replaced",
    "test_old_leases_are_forgotten",
    "test_one_holder",
    "test_threads_that_race",
]

pytestmark = pytest.mark.parametrize("kind", support.KINDS)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def leases(open_: Open, clock: FakeClock) -> SQLLeases:
    leases = open_().leases
    leases._clock = clock
    return leases


@pytest.fixture
def other(open_: Open, clock: FakeClock, leases: SQLLeases) -> SQLLeases:
    leases = open_().leases
    leases._clock = clock
    return leases


def test_handles_share_leases(leases: SQLLeases, other: SQLLeases) -> None:
    """What one handle takes, notes and gives back, another one sees at its next call."""
    leases.acquire("a", "one", TTL)
    assert other.look("a") == other.acquire("a", "two", TTL) == Lease("one", NOW + TTL)
    assert other.annotate("a", "", "note")
    assert leases.look("a").note == "note"
    assert other.release("a", "one")
    assert leases.acquire("a", "two", TTL) == Lease("two", NOW + TTL, "note")


def test_one_of_many_gets_a_lease_again_and_again(leases: SQLLeases, other: SQLLeases) -> None:
    """Twenty times: of eight threads on two handles one gets it, whether it was there before or not."""
    for turn in range(20):
        name = f"lease {turn // 2}"

        def ask(number: int, name: str = name, turn: int = turn) -> bool:
            owner = f"{turn}-{number}"
            return (leases, other)[number % 2].acquire(name, owner, TTL).owner == owner

        assert together(8, ask).count(True) == 1
        assert leases.release(name, str(leases.look(name).owner))


def test_no_note_is_lost(leases: SQLLeases, other: SQLLeases) -> None:
    """Threads that count in one note, while others take and give the lease back, lose no count."""

    def work(number: int) -> None:
        side = (leases, other)[number % 2]
        for _ in range(10):
            if number < 2:
                side.acquire("a", str(number), TTL)
                side.release("a", str(number))
                continue
            while True:
                note = side.look("a").note
                if side.annotate("a", note, note + "|"):
                    break

    together(6, work)
    assert leases.look("a").note == "|" * 40


def test_hostile_names_owners_and_notes_are_kept(leases: SQLLeases) -> None:
    """Every text can be the name, the owner or the note of a lease."""
    for name, text in HOSTILE_TEXTS.items():
        assert leases.acquire(text, text, TTL) == Lease(text, NOW + TTL), name
        assert leases.annotate(text, "", text), name
        assert leases.look(text) == Lease(text, NOW + TTL, text), name
        assert leases.release(text, text), name


def test_names_are_compared_exactly(leases: SQLLeases) -> None:
    """Two names that a database may take for one are two leases."""
    for pair, texts in LOOKALIKES.items():
        one, two = (f"{pair}: {text}" for text in texts)
        assert leases.acquire(one, "one", TTL).owner == "one"
        assert leases.acquire(two, "two", TTL).owner == "two"
        assert leases.look(one).owner == "one"


def test_leases_survive_the_handle(leases: SQLLeases, open_: Open, tmp_path: Path) -> None:
    """They are in the database: a store that is closed leaves its leases to end by themselves."""
    leases.acquire("a", "one", TTL)
    leases._connections.close()
    assert open_().leases.look("a").owner == "one"
