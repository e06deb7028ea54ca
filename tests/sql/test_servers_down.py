"""Servers that stop, crash, cut connections or fall silent: nothing acknowledged is lost, and calls go on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from tests.sql import support
from tests.sql.conftest import Local
from tests.sql.proxy import Proxy
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendTimeoutError, BackendUnavailableError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import full_row
from zoho_tokenstore.testing._subject import together

CALLS: Final[dict[str, Callable[[SQLBackend], Any]]] = {
    "load": lambda backend: backend.load("1"),
    "find": lambda backend: backend.find("user_name", "user_name-a"),
    "scan": lambda backend: list(backend.scan()),
    "insert": lambda backend: backend.write(Row("2"), expect=None),
    "remove": lambda backend: backend.remove("1"),
    "clear": lambda backend: backend.clear(),
    "lease": lambda backend: backend.leases.read("a").text,
    "new lease": lambda backend: backend.leases.replace("b", "", "one", 1000),
    "replaced lease": lambda backend: backend.leases.replace("a", "one", "two", 1000),
}


@pytest.fixture
def down(own: Local) -> Iterator[Local]:
    """The server, which may be stopped in the test and runs again after it."""
    yield own
    if not own.is_running():
        own.restart()


def use_all_connections(backend: SQLBackend) -> None:
    """Leave as many idle connections in the pool as it has."""
    together(3, lambda _: [backend.load("1") for _ in range(5)])


@pytest.mark.parametrize("call", CALLS)
def test_the_first_call_after_a_restart_works(backend: SQLBackend, down: Local, call: str) -> None:
    """Connections that died meanwhile are replaced, and what had not been done is done once."""
    backend.write(full_row("1"), expect=None)
    backend.leases.replace("a", "", "one", 60_000)
    use_all_connections(backend)
    down.halt()
    down.restart()
    found = CALLS[call](backend)
    assert found not in (None, [], False, 0)


@pytest.mark.parametrize("call", CALLS)
def test_the_first_call_after_a_cut_works(backend: SQLBackend, own: Local, call: str) -> None:
    """Likewise when somebody has terminated the connections."""
    backend.write(full_row("1"), expect=None)
    backend.leases.replace("a", "", "one", 60_000)
    use_all_connections(backend)
    own.cut_connections()
    assert CALLS[call](backend) not in (None, [], False, 0)


def test_what_was_acknowledged_survives_a_crash(backend: SQLBackend, down: Local) -> None:
    """Killed in the midst of saves, the server has every row whose save had returned."""
    etags = {}
    for number in range(50):
        etags[str(number)] = backend.write(Row(str(number), access_token="1"), expect=None)
        etags[str(number)] = backend.write(Row(str(number), access_token="2"), expect=etags[str(number)])
    down.kill()
    down.restart()
    assert {row.id: (row.access_token, row.etag) for row in support.rows_of(backend.scan())} == {
        row_id: ("2", etag) for row_id, etag in etags.items()
    }


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_is_down(backend: SQLBackend, down: Local, call: str) -> None:
    """The error says what to check, at once; when the server is back, the same store goes on."""
    backend.write(full_row("1"), expect=None)
    down.halt()
    began = time.monotonic()
    with pytest.raises(BackendUnavailableError, match="cannot be reached"):
        CALLS[call](backend)
    assert time.monotonic() - began < 5
    down.restart()
    assert backend.load("1") is not None


def test_opening_a_store_whose_server_is_down(place: str, down: Local) -> None:
    """An error, and no store."""
    down.halt()
    with pytest.raises(BackendUnavailableError, match="cannot be reached") as refused:
        SQLBackend(place, timeout=1)
    assert refused.value.__cause__ is not None


@pytest.mark.long
@pytest.mark.parametrize("call", ["load", "find", "insert", "remove", "lease", "new lease"])
def test_a_server_that_falls_silent(wire: Proxy, call: str) -> None:
    """A call ends after its time, with an error; when the server speaks again, the same store goes on."""
    backend = SQLBackend(wire.url, timeout=0.5)
    etag = backend.write(full_row("1"), expect=None)
    use_all_connections(backend)
    wire.is_silent = True
    began = time.monotonic()
    with pytest.raises(BackendTimeoutError, match="did not answer"):
        CALLS[call](backend)
    assert 0.5 < time.monotonic() - began < 10
    wire.is_silent = False
    stored = backend.load("1")
    assert stored is not None
    assert stored.etag == etag
    backend.close()


@pytest.mark.long
def test_a_server_that_does_not_answer_the_login(wire: Proxy) -> None:
    """Something listens, and says nothing: an error after the time, not a wait for good."""
    wire.is_silent = True
    began = time.monotonic()
    with pytest.raises(BackendTimeoutError, match="did not answer the login in time"):
        SQLBackend(wire.url, timeout=1)
    assert time.monotonic() - began < 10
