"""What a call costs on the wire. Half a millisecond in a data centre, and twenty between two."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.sql import proxy, support
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import full_row

CALLS: Final[dict[str, tuple[Callable[[SQLBackend], Any], int]]] = {
    "load": (lambda backend: backend.load("1"), 1),
    "load of a missing row": (lambda backend: backend.load("2"), 1),
    "find": (lambda backend: backend.find("user_name", "user_name-a"), 1),
    "find by three keys": (lambda backend: backend.find("access_token", "a", "b", "c"), 1),
    "scan": (lambda backend: list(backend.scan()), 1),
    "insert": (lambda backend: backend.write(Row("2"), expect=None), 1),
    "update": (lambda backend: backend.write(Row("1"), expect=backend.load("1").etag), 2),  # type: ignore[union-attr]
    "many inserts": (lambda backend: backend.write_many([Row(str(n)) for n in range(2, 500)]), 1),
    "many inserts, of which one is taken": (lambda backend: backend.write_many([Row("1"), Row("2")]), 2),
    "count": (lambda backend: backend.count(), 1),
    "rehearsal": (lambda backend: backend.rehearse(Row("2"), expect=None), 3),
    "remove": (lambda backend: backend.remove("1"), 2),
    "clear": (lambda backend: backend.clear(), 2),
    "lease": (lambda backend: backend.leases.read("a"), 1),
    "lease that nobody has had": (lambda backend: backend.leases.read("new"), 1),
    "first text of a lease": (lambda backend: backend.leases.replace("new", "", "one", 1000), 1),
    "first text that came too late": (lambda backend: backend.leases.replace("a", "", "two", 1000), 2),
    "another text": (lambda backend: backend.leases.replace("a", "one", "two", 1000), 1),
    "another text that came too late": (lambda backend: backend.leases.replace("a", "zero", "two", 1000), 1),
}


ALSO: Final = {
    (support.POSTGRESQL, "rehearsal"): 1,  # constraints that are deferred are checked
    (support.MARIADB, "many inserts, of which one is taken"): 2,  # refused as a whole, and done again
    (support.MARIADB, "remove"): 3,  # a transaction; PostgreSQL needs one statement
    (support.MARIADB, "clear"): 4,
}
"""How many more round trips a call takes on one of the servers."""


@pytest.fixture(params=support.SERVERS)
def wire(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[proxy.Proxy]:
    with proxy.before(support.url(request.param, tmp_path)) as wire:
        yield wire


@pytest.fixture
def backend(wire: proxy.Proxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[SQLBackend]:
    monkeypatch.setattr("zoho_tokenstore.backends.sql._leases.forgets_now", lambda: False)
    backend = SQLBackend(wire.url)
    backend.write(full_row("1"), expect=None)
    backend.leases.replace("a", "", "one", 10_000)
    yield backend
    backend.close()


@pytest.mark.parametrize("call", CALLS)
def test_round_trips_of_a_call(backend: SQLBackend, wire: proxy.Proxy, call: str) -> None:
    """A look-up, a save and a page of a scan are one exchange with the server each."""
    use, expected = CALLS[call]
    expected += ALSO.get((wire.url.partition("://")[0], call), 0)
    before, connections = wire.round_trips, wire.connections
    use(backend)
    assert wire.round_trips - before == expected
    assert wire.connections == connections


def test_look_ups_stay_one_round_trip(backend: SQLBackend, wire: proxy.Proxy) -> None:
    """However often; psycopg needs one more, once in a connection, to prepare the statement."""
    backend.load("1")
    before = wire.round_trips
    for _ in range(30):
        backend.load("1")
    assert wire.round_trips - before == 30 + wire.url.startswith("postgresql")


def test_look_ups_by_many_keys_are_planned_anew(backend: SQLBackend, wire: proxy.Proxy) -> None:
    """PostgreSQL would go on with the plan for a small table; so psycopg never prepares them."""
    before = wire.round_trips
    for _ in range(30):
        backend.find("access_token", *"abcdefghij")
    assert wire.round_trips - before == 30


def test_renewals_stay_one_round_trip(backend: SQLBackend, wire: proxy.Proxy) -> None:
    """A save over a version that is known is one statement: no transaction, no look before or behind."""
    etag = backend.write(full_row("2"), expect=None)
    before, connections = wire.round_trips, wire.connections
    for mark in "bcdefghijk":
        etag = backend.write(full_row("2", mark), expect=etag)
    assert wire.round_trips - before == 10 + wire.url.startswith("postgresql")  # prepared once
    assert wire.connections == connections
    assert [row.id for row in backend.find("access_token", "access_token-k")] == ["2"]


@pytest.mark.parametrize("wire", [support.POSTGRESQL], indirect=True)
def test_statements_need_not_be_prepared(wire: proxy.Proxy) -> None:
    """For a pooler that cannot keep them, psycopg is told so in the URL."""
    backend = SQLBackend(f"{wire.url}&prepare_threshold=none")
    backend.load("1")
    before = wire.round_trips
    for _ in range(30):
        backend.load("1")
    assert wire.round_trips - before == 30
    backend.close()
