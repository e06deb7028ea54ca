"""Leases in a database: what the contract of all leases does not say."""

from __future__ import annotations

import time

import pytest

from tests.sql import support
from tests.sql.conftest import Open
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError

KEEP_MS = 60_000
EVERYWHERE = pytest.mark.parametrize("kind", support.KINDS)
ON_SERVERS = pytest.mark.parametrize("kind", support.SERVERS)


@pytest.fixture
def backend(open_: Open) -> SQLBackend:
    return open_()


@EVERYWHERE
def test_a_lease_is_pinned(backend: SQLBackend, url: str) -> None:
    """A row: its name, its text, and until when it is kept, in epoch milliseconds."""
    before = now_ms()
    backend.leases.replace("refresh:0123", "", "text", KEEP_MS)
    ((name, text, until_ms),) = support.query(url, "SELECT name, text, until_ms FROM zoho_tokenstore_lease")
    assert (name, text) == ("refresh:0123", "text")
    assert before <= until_ms - KEEP_MS <= now_ms()


@EVERYWHERE
def test_what_need_not_be_kept_is_forgotten(
    backend: SQLBackend, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in 64 first texts deletes those whose time is up, and no others."""
    monkeypatch.setattr("zoho_tokenstore.backends.sql._leases.forgets_now", lambda: False)
    for name in ("old", "renewed", "new"):
        backend.leases.replace(name, "", "one", KEEP_MS if name == "new" else 1)
    backend.leases.replace("renewed", "one", "two", KEEP_MS)
    time.sleep(0.01)
    backend.leases.replace("other", "", "one", KEEP_MS)
    assert backend.leases.read("old").text == "one"
    monkeypatch.setattr("zoho_tokenstore.backends.sql._leases.forgets_now", lambda: True)
    backend.leases.replace("another", "", "one", KEEP_MS)
    names = support.query(url, "SELECT name FROM zoho_tokenstore_lease ORDER BY name")
    assert names == [("another",), ("new",), ("other",), ("renewed",)]
    assert backend.leases.replace("old", "one", "two", KEEP_MS) is False


@ON_SERVERS
def test_the_time_is_the_servers(
    backend: SQLBackend, url: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A host whose clock is off reads the server's time, and keeps texts for as long as others do."""
    monkeypatch.setattr(time, "time", lambda: 1.0)
    asked = {
        support.POSTGRESQL: "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)",
        support.MARIADB: "SELECT CAST(unix_timestamp(sysdate(3)) * 1000 AS INTEGER)",
    }[kind]
    ((before,),) = support.query(url, asked)
    read = backend.leases.read("a").now_ms
    backend.leases.replace("a", "", "text", KEEP_MS)
    ((until_ms,),) = support.query(url, "SELECT until_ms FROM zoho_tokenstore_lease")
    ((after,),) = support.query(url, asked)
    assert before - 1 <= read <= until_ms - KEEP_MS <= after + 1


@pytest.mark.parametrize("kind", [support.MARIADB])
def test_the_time_knows_no_time_zone(url: str) -> None:
    """Whatever time zone a session has, the time is the same. (PostgreSQL's is none of a zone.)"""
    backend = SQLBackend(f"{url}{'&' if '?' in url else '?'}init_command=SET%20time_zone='-09:30'")
    assert abs(backend.leases.read("a").now_ms - now_ms()) < 60_000
    backend.close()


@EVERYWHERE
def test_leases_survive_the_handle(backend: SQLBackend, open_: Open) -> None:
    """They are in the database: a store that is closed leaves them there."""
    backend.leases.replace("a", "", "one", KEEP_MS)
    backend.close()
    assert open_().leases.read("a").text == "one"


@ON_SERVERS
def test_a_rule_of_others_is_no_lost_race(backend: SQLBackend, url: str) -> None:
    """A text that the database refuses for another reason than a row in its place is an error."""
    support.query(url, "ALTER TABLE zoho_tokenstore_lease ADD CONSTRAINT no_tigers CHECK (text <> 'tiger')")
    with pytest.raises(BackendError, match="no_tigers"):
        backend.leases.replace("a", "", "tiger", KEEP_MS)
    assert backend.leases.replace("a", "", "lion", KEEP_MS)
