"""The server did it, and its answer was lost with the connection: nothing is done twice, or told wrongly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sql.proxy import Proxy
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendUnavailableError, RowChangedError
from zoho_tokenstore.records import Row


@pytest.fixture
def remote(wire: Proxy) -> Iterator[SQLBackend]:
    """A store behind the wire, with one row; its connection is in use, and its statements are prepared."""
    backend = SQLBackend(wire.url, timeout=2)
    etag = backend.write(Row("1", access_token="0"), expect=None)
    for _ in range(8):
        etag = backend.write(Row("1", access_token="1"), expect=etag)
        assert backend.load("1") == Row("1", access_token="1", etag=etag)
    yield backend
    backend.close()


def etag_of(backend: SQLBackend, row_id: str) -> object:
    row = backend.load(row_id)
    assert row is not None
    return row.etag


def test_an_update_is_known_again(remote: SQLBackend, wire: Proxy) -> None:
    """The save succeeds, and its etag is the one that the row has."""
    before = etag_of(remote, "1")
    wire.swallow = 1
    etag = remote.write(Row("1", access_token="2"), expect=before)
    assert remote.load("1") == Row("1", access_token="2", etag=etag)
    assert wire.connections > 1


def test_an_insert_is_known_again(remote: SQLBackend, wire: Proxy) -> None:
    """The save succeeds: the row that is there is its own, not somebody else's."""
    wire.swallow = 1
    etag = remote.write(Row("2", access_token="2"), expect=None)
    assert remote.load("2") == Row("2", access_token="2", etag=etag)
    assert wire.connections > 1


def test_a_refusal_stays_one(remote: SQLBackend, wire: Proxy) -> None:
    """What was outdated, or in the way, is so as well when it is asked for the second time."""
    wire.swallow = 1
    with pytest.raises(RowChangedError):
        remote.write(Row("1", access_token="2"), expect=None)
    wire.swallow = 1
    with pytest.raises(RowChangedError):
        remote.write(Row("1", access_token="2"), expect=7 if isinstance(etag_of(remote, "1"), int) else "7")
    row = remote.load("1")
    assert row is not None
    assert row.access_token == "1"


def test_reads_are_repeated(remote: SQLBackend, wire: Proxy) -> None:
    """A look-up whose answer was lost is asked for again, and answered."""
    stored = remote.load("1")
    assert stored is not None
    wire.swallow = 1
    assert remote.load("1") == stored
    wire.swallow = 1
    assert remote.find("access_token", "1") == [stored]
    wire.swallow = 1
    assert list(remote.scan()) == [stored]
    assert wire.connections > 3


def test_a_deletion_is_not_guessed(remote: SQLBackend, wire: Proxy) -> None:
    """Whether there was a row cannot be told any more: an error says so, instead of a wrong answer."""
    is_mariadb = wire.url.startswith("mariadb")
    wire.swallow = 5 if is_mariadb else 2  # the last one
    with pytest.raises(BackendUnavailableError, match="unknown whether the change was made"):
        remote.remove("1")
    assert remote.load("1") is None
    remote.write(Row("2"), expect=None)
    wire.swallow = 6 if is_mariadb else 2
    with pytest.raises(BackendUnavailableError, match="unknown whether the change was made"):
        remote.clear()
    assert list(remote.scan()) == []


def test_a_deletion_that_was_not_sent_is_repeated(remote: SQLBackend, wire: Proxy) -> None:
    """Where only the question whether the server is there was lost, nothing is in doubt."""
    wire.swallow = 1
    assert remote.remove("1") is True
    wire.swallow = 1
    assert remote.clear() == 0


def test_leases_are_known_again(remote: SQLBackend, wire: Proxy) -> None:
    """Whichever answer is lost: a text is stored once, and told so; one that was refused stays refused."""
    leases = remote.leases
    for was, text in (("", "one"), ("one", "two")):
        wire.swallow = 1
        assert leases.replace("a", was, text, 60_000) is True
        wire.swallow = 1
        assert leases.replace("a", was, "late", 60_000) is False
        wire.swallow = 1
        assert leases.read("a").text == text
    assert wire.connections > 6


def test_connections_that_keep_breaking(remote: SQLBackend, wire: Proxy) -> None:
    """After three losses in a row the call ends with an error, and does not try for good."""
    before = wire.connections
    wire.swallow = -1
    with pytest.raises(BackendUnavailableError):
        remote.load("1")
    wire.swallow = 0
    assert wire.connections - before <= 4
    assert remote.load("1") is not None
