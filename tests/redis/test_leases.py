"""Leases in Redis: one holder at a time, seen by all; forgotten by the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.redis.support import prefix_of, reopen
from tests.support.hostile import HOSTILE_TEXTS
from tests.unit.refresh.support import NOW, FakeClock
from zoho_tokenstore.backends._redis.leases import RedisLeases
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease
from zoho_tokenstore.testing._subject import together

TTL = 30_000


@pytest.fixture
def leases(backend: RedisBackend, clock: FakeClock) -> RedisLeases:
    backend.leases._clock = clock
    return backend.leases


@pytest.fixture
def key(tmp_path: Path) -> str:
    return f"{{{prefix_of(tmp_path)}}}:lease:a"


@pytest.fixture
def others(backend: RedisBackend, tmp_path: Path) -> Iterator[RedisLeases]:
    """The same leases, as another process has them."""
    other = reopen(tmp_path)
    yield other.leases
    other.close()


def test_a_lease_is_pinned(leases: RedisLeases, driver: Any, key: str) -> None:
    """A lease is a hash with owner, end and note; released, it keeps end and note."""
    leases.acquire("a", "one", TTL)
    leases.annotate("a", "", "note")
    stored = {b"owner": b"one", b"until_ms": str(NOW + TTL).encode(), b"note": b"note"}
    assert driver.hgetall(key) == stored
    leases.release("a", "one")
    del stored[b"owner"]
    assert driver.hgetall(key) == stored


def test_one_holder(leases: RedisLeases, clock: FakeClock) -> None:
    """While somebody has it nobody else gets it; the answer tells who, and until when."""
    assert leases.look("a") == Lease()
    assert leases.acquire("a", "one", TTL) == Lease("one", NOW + TTL)
    assert leases.acquire("a", "two", TTL) == Lease("one", NOW + TTL)
    assert leases.acquire("b", "two", TTL).owner == "two"
    clock.now += TTL - 1
    assert leases.acquire("a", "two", TTL).owner == "one"
    clock.now += 1
    assert leases.acquire("a", "two", TTL) == Lease("two", NOW + 2 * TTL) == leases.look("a")


def test_only_its_owner_gives_a_lease_back(leases: RedisLeases, clock: FakeClock) -> None:
    """One whose lease passed on takes nothing from the next; a lease is given back once."""
    leases.acquire("a", "one", TTL)
    assert leases.release("a", "two") is False
    clock.now += TTL
    leases.acquire("a", "two", TTL)
    assert leases.release("a", "one") is False
    assert leases.look("a").owner == "two"
    assert leases.release("a", "two") is True
    assert leases.look("a") == Lease(None, NOW + 2 * TTL)
    assert leases.release("a", "two") is False
    assert leases.release("never taken", "two") is False


def test_a_note_is_compared_before_it_is_replaced(leases: RedisLeases) -> None:
    """A note is replaced only by who has read it, and outlives the lease."""
    assert leases.annotate("a", "other", "first") is False
    assert leases.look("a") == Lease()
    assert leases.annotate("a", "", "first") is True
    assert leases.look("a") == Lease(None, NOW, "first")
    assert leases.annotate("a", "", "second") is False
    leases.acquire("a", "one", TTL)
    assert leases.annotate("a", "first", "second") is True
    assert leases.look("a") == Lease("one", NOW + TTL, "second")
    leases.release("a", "one")
    assert leases.acquire("a", "two", TTL).note == "second"


@pytest.mark.parametrize(("set_back", "held"), [(TTL, True), (TTL + 1, False)])
def test_a_clock_that_was_set_back(leases: RedisLeases, clock: FakeClock, set_back: int, held: bool) -> None:
    """A lease that ends much later than any would is a leftover; a little is a difference of clocks."""
    leases.acquire("a", "one", TTL)
    clock.now -= set_back
    assert (leases.acquire("a", "two", TTL).owner == "one") is held


def test_the_server_forgets_a_lease(leases: RedisLeases, driver: Any, key: str) -> None:
    """A lease expires an hour after its end, a mere note an hour after it was made."""
    leases.acquire("a", "one", TTL)
    assert 0 <= TTL + FORGET_AFTER_MS - driver.pttl(key) < 10_000
    driver.pexpire(key, 5_000_000)
    leases.annotate("a", "", "note")
    leases.release("a", "one")
    assert driver.pttl(key) > 4_900_000
    driver.delete(key)
    assert leases.look("a") == Lease()
    leases.annotate("a", "", "note")
    assert 0 <= FORGET_AFTER_MS - driver.pttl(key) < 10_000


@pytest.mark.parametrize("name", HOSTILE_TEXTS)
def test_hostile_texts_are_kept(leases: RedisLeases, name: str) -> None:
    """Names, owners and notes may be any text."""
    text = HOSTILE_TEXTS[name]
    assert leases.acquire(text, text, TTL).owner == text
    assert leases.annotate(text, "", text) is True
    assert leases.look(text) == Lease(text, NOW + TTL, text)
    assert leases.release(text, text) is True


def test_handles_share_the_leases(leases: RedisLeases, others: RedisLeases) -> None:
    """Of many threads on two handles that ask at once exactly one gets the lease, and all see who."""
    handles = (leases, others)
    others._clock = leases._clock
    seen = together(8, lambda number: handles[number % 2].acquire("a", f"thread {number}", TTL).owner)
    assert len(set(seen)) == 1
    assert leases.look("a") == others.look("a")


def test_notes_count_without_loss(leases: RedisLeases, others: RedisLeases) -> None:
    """Threads on two handles that count in one note, and repeat what was refused, lose no count."""

    def count(handle: RedisLeases) -> None:
        done = 0
        while done < 10:
            note = handle.look("a").note
            done += handle.annotate("a", note, str(int(note or "0") + 1))

    together(4, lambda number: count((leases, others)[number % 2]))
    assert leases.look("a").note == "40"


@pytest.mark.parametrize(("field", "value"), [("owner", b"\xff"), ("note", b"\xff"), ("until_ms", b"soon")])
def test_what_cannot_be_read_is_told(
    leases: RedisLeases, driver: Any, key: str, field: str, value: bytes
) -> None:
    """A lease that somebody else has spoilt is a `BackendError`, and taken anew once it is gone."""
    leases.acquire("a", "one", TTL)
    driver.hset(key, field, value)
    with pytest.raises(BackendError, match=r"cannot be read\. Delete its key") as caught:
        leases.look("a")
    assert caught.value.__context__ is None
    driver.delete(key)
    assert leases.acquire("a", "two", TTL).owner == "two"


def test_a_key_of_another_type_is_told(leases: RedisLeases, driver: Any, key: str) -> None:
    """Where the key holds something else, every call is a `BackendError`."""
    driver.set(key, "x")
    for use in (
        lambda: leases.look("a"),
        lambda: leases.acquire("a", "one", TTL),
        lambda: leases.annotate("a", "", "note"),
        lambda: leases.release("a", "one"),
    ):
        with pytest.raises(BackendError, match="Choose another prefix"):
            use()


def test_closed_is_closed(backend: RedisBackend) -> None:
    """The leases of a closed store refuse."""
    backend.close()
    with pytest.raises(BackendError, match="has been closed"):
        backend.leases.look("a")
    with pytest.raises(BackendError, match="has been closed"):
        backend.leases.acquire("a", "one", TTL)
