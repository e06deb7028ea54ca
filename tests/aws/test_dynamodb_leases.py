"""Leases in the table: the contract of all leases, over moto, and what AWS does beside it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.aws.between import Between, before, lose, refuse
from tests.aws.conftest import Clock
from tests.aws.support import make_dynamodb, reopen_dynamodb
from tests.aws.test_dynamodb_form import items
from zoho_tokenstore.backend import Leases
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.backends.dynamodb._leases import DynamoDBLeases
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.testing import LeasesContract

KEEP_MS = 60_000
DAY_S = 86_400


class TestLeases(LeasesContract):
    @pytest.fixture(autouse=True)
    def _close(self) -> Iterator[None]:
        self.opened: list[DynamoDBBackend] = []
        yield
        for backend in self.opened:
            backend.close()

    def make_leases(self, folder: Path) -> Leases:
        self.opened.append(make_dynamodb(folder))
        return self.opened[-1].leases

    def reopen(self, leases: Leases, folder: Path) -> Leases:
        self.opened.append(reopen_dynamodb(folder))
        return self.opened[-1].leases


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


def test_a_lease_is_pinned(leases: DynamoDBLeases, clock: Clock, tmp_path: Path) -> None:
    """An item with its text, and when AWS may delete it: a day after its time, in seconds."""
    leases.replace("a", "", "one", KEEP_MS)
    ends = (clock.now + KEEP_MS) // 1000 + DAY_S
    assert items(tmp_path)["lease:a", "-"] == {"text": {"S": "one"}, "ttl": {"N": str(ends)}}
    leases.replace("a", "one", "two", 2 * KEEP_MS)
    assert items(tmp_path)["lease:a", "-"]["ttl"] == {"N": str((clock.now + 2 * KEEP_MS) // 1000 + DAY_S)}


def test_leases_are_no_rows(dynamodb: DynamoDBBackend, leases: DynamoDBLeases) -> None:
    """A scan shows no lease, and `clear` takes none away."""
    leases.replace("a", "", "one", KEEP_MS)
    assert list(dynamodb.scan()) == []
    assert dynamodb.clear() == 0
    assert leases.read("a").text == "one"


def test_one_replaced_in_between_is_not_replaced_again(
    leases: DynamoDBLeases, far: DynamoDBLeases, between: Between
) -> None:
    """A request that is held up replaces nothing that others have stored meanwhile."""
    between.script("PutItem", before(lambda: leases.replace("a", "", "two", KEEP_MS)))
    assert far.replace("a", "", "one", KEEP_MS) is False
    assert leases.read("a").text == "two"


def test_lost_answers(far: DynamoDBLeases, between: Between) -> None:
    """What was done although the answer was lost is reported as done, and done once."""
    for was, text in (("", "one"), ("one", "two")):
        between.script("PutItem", lose)
        assert far.replace("a", was, text, KEEP_MS) is True
    assert far.read("a").text == "two"
    assert between.seen.count("PutItem") == 4


def test_a_table_that_cannot_be_written_refuses(far: DynamoDBLeases, between: Between) -> None:
    """Replacing is a write: where none is allowed, it raises."""
    between.script("PutItem", refuse("AccessDeniedException"))
    with pytest.raises(BackendError, match="access is denied"):
        far.replace("a", "", "one", KEEP_MS)
