"""Leases in the table: one holder at a time, among all who use it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.aws.between import Between, before, lose, refuse
from tests.aws.conftest import Clock
from tests.aws.support import reopen_dynamodb
from tests.aws.test_dynamodb_form import items
from zoho_tokenstore.backends._dynamodb.leases import DynamoDBLeases
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease

TTL = 30_000


@pytest.fixture
def leases(dynamodb: DynamoDBBackend, clock: Clock) -> DynamoDBLeases:
    return DynamoDBLeases(dynamodb._calls, dynamodb._table, clock)


@pytest.fixture
def far(
    dynamodb: DynamoDBBackend, tmp_path: Path, between: Between, clock: Clock
) -> Iterator[DynamoDBLeases]:
    """The same leases, behind the proxy."""
    backend = reopen_dynamodb(tmp_path, endpoint_url=between.url)
    between.seen.clear()
    yield DynamoDBLeases(backend._calls, backend._table, clock)
    backend.close()


def test_one_holder(leases: DynamoDBLeases, clock: Clock) -> None:
    """While somebody has it nobody else gets it; the answer tells who, and until when."""
    assert leases.look("a") == Lease()
    assert leases.acquire("a", "one", TTL) == Lease("one", clock.now + TTL)
    assert leases.acquire("a", "two", TTL).owner == "one"
    assert leases.acquire("b", "two", TTL).owner == "two"
    clock.now += TTL - 1
    assert leases.acquire("a", "two", TTL).owner == "one"
    clock.now += 1
    assert leases.acquire("a", "two", TTL) == Lease("two", clock.now + TTL)


def test_compare_and_release(leases: DynamoDBLeases, clock: Clock) -> None:
    """Only its owner gives a lease back; one whose lease passed on takes nothing from the next."""
    leases.acquire("a", "one", TTL)
    assert not leases.release("a", "two")
    clock.now += TTL
    leases.acquire("a", "two", TTL)
    assert not leases.release("a", "one")
    assert leases.look("a").owner == "two"
    assert leases.release("a", "two")
    assert leases.look("a").owner is None
    assert not leases.release("a", "two")
    assert not leases.release("never taken", "two")


def test_note_is_compared_before_it_is_replaced(leases: DynamoDBLeases) -> None:
    """A note is replaced only by who has read it, and outlives the lease."""
    assert leases.annotate("a", "", "first")
    assert not leases.annotate("a", "", "second")
    leases.acquire("a", "one", TTL)
    leases.release("a", "one")
    assert leases.annotate("a", "first", "second")
    assert leases.look("a").note == "second"
    assert leases.acquire("a", "two", TTL).note == "second"


def test_old_leases_are_forgotten(leases: DynamoDBLeases, clock: Clock) -> None:
    """An hour after its end a lease counts as gone, with its note, before AWS deletes it."""
    leases.acquire("a", "one", TTL)
    leases.annotate("a", "", "note")
    leases.annotate("noted only", "", "note")
    clock.now += FORGET_AFTER_MS
    assert leases.look("a").note == leases.look("noted only").note == "note"
    clock.now += TTL + 1
    assert leases.look("a") == leases.look("noted only") == Lease()
    assert not leases.annotate("a", "note", "more")
    assert leases.acquire("a", "two", TTL) == Lease("two", clock.now + TTL)


@pytest.mark.parametrize(("set_back", "held"), [(TTL, True), (TTL + 1, False)])
def test_clock_set_back(leases: DynamoDBLeases, clock: Clock, set_back: int, held: bool) -> None:
    """A lease that ends much later than any would is a leftover; a little is a difference of clocks."""
    leases.acquire("a", "one", TTL)
    clock.now -= set_back
    assert (leases.acquire("a", "two", TTL).owner == "one") is held


def test_aws_deletes_it_later(leases: DynamoDBLeases, clock: Clock, tmp_path: Path) -> None:
    """The time to live, in seconds, is more than the hour for which the note is kept."""
    leases.acquire("a", "one", TTL)
    lease = items(tmp_path)["lease:a", "-"]
    assert int(lease["ttl"]["N"]) * 1000 > clock.now + TTL + FORGET_AFTER_MS
    assert lease["owner"] == {"S": "one"}


def test_leases_are_no_rows(dynamodb: DynamoDBBackend, leases: DynamoDBLeases) -> None:
    """A scan shows no lease, and `clear` takes none away."""
    leases.acquire("a", "one", TTL)
    assert list(dynamodb.scan()) == []
    assert dynamodb.clear() == 0
    assert leases.look("a").owner == "one"


def test_threads_that_race(leases: DynamoDBLeases) -> None:
    """Of many threads that ask at once exactly one gets the lease, and all are told which."""
    barrier = threading.Barrier(8)

    def ask(number: int) -> str | None:
        barrier.wait()
        return leases.acquire("a", f"thread {number}", TTL).owner

    with ThreadPoolExecutor(8) as pool:
        owners = set(pool.map(ask, range(8)))
    assert owners == {leases.look("a").owner}


def test_one_taken_in_between_is_not_taken_again(
    leases: DynamoDBLeases, far: DynamoDBLeases, between: Between, clock: Clock
) -> None:
    """A request that is held up for longer than a lease takes none that others have got meanwhile."""

    def held_up() -> None:
        clock.now += 10 * TTL
        leases.acquire("a", "two", TTL)

    between.script("PutItem", before(held_up))
    assert far.acquire("a", "one", TTL).owner == "two"


def test_lost_answers(far: DynamoDBLeases, between: Between) -> None:
    """What was done although the answer was lost is reported as done, and done once."""
    uses: list[Callable[[], bool]] = [
        lambda: far.acquire("a", "one", TTL).owner == "one",
        lambda: far.annotate("a", "", "note"),
        lambda: far.release("a", "one"),
    ]
    for use in uses:
        between.script("PutItem", lose)
        assert use()
    assert far.look("a").note == "note"
    assert between.seen.count("PutItem") == 6


def test_a_table_that_cannot_be_written_refuses(far: DynamoDBLeases, between: Between) -> None:
    """Taking a lease is a write: where none is allowed, it raises."""
    between.script("PutItem", refuse("AccessDeniedException"))
    with pytest.raises(BackendError, match="access is denied"):
        far.acquire("a", "one", TTL)
