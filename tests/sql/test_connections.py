"""How many connections a process has: few, none while it idles, and never one that nobody counts."""

from __future__ import annotations

import contextlib
import gc
import json
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.sql import support
from tests.sql.conftest import Local
from tests.sql.crowd import LIMIT, Turns
from tests.sql.test_processes import Task, start
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendUnavailableError, TokenStoreError
from zoho_tokenstore.records import Row

__all__ = ["start"]

OF_STORE = {
    support.POSTGRESQL: "SELECT count(*) FROM pg_stat_activity WHERE usename = 'tokens'",
    support.MARIADB: "SELECT count(*) FROM information_schema.processlist WHERE user = 'tokens'",
}


@pytest.fixture
def count(own: Local, own_kind: str) -> Callable[[], int]:
    """Counts the connections of stores on our own server."""
    return lambda: int(own.admin(OF_STORE[own_kind])[0][0])


def wait_for(question: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 15
    while not question():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def watched(count: Callable[[], int]) -> Iterator[list[int]]:
    """Count the connections again and again during the block."""
    seen: list[int] = []
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.append(count())

    thread = threading.Thread(target=watch)
    thread.start()
    yield seen
    done.set()
    thread.join()


@pytest.mark.long
@pytest.mark.parametrize("trouble", ["read-only", "cut", "refused rows"])
def test_no_failure_makes_more_connections(
    own: Local, own_kind: str, place: str, count: Any, trouble: str
) -> None:
    """Whatever keeps failing: never more than `pool_size`; reads go on; closed means closed at once."""
    backend = SQLBackend(place, timeout=5, pool_size=2)
    etag = backend.write(Row("1"), expect=None)
    wait_for(lambda: count() <= 2)
    done = threading.Event()
    unread: list[object] = []

    def go_on(number: int) -> None:
        while not done.is_set():
            with contextlib.suppress(TokenStoreError):
                backend.write(Row("1", user_name="a"), expect=etag if number % 2 else None)
            with contextlib.suppress(TokenStoreError):
                backend.leases.replace(f"a{number}", "", "one", 1000)
            if trouble != "cut" and backend.load("1") is None:
                unread.append(number)

    if trouble == "refused rows":
        support.query(place, "ALTER TABLE oauthtoken ADD CONSTRAINT no_names CHECK (user_name IS NULL)")
    if trouble == "read-only":
        own.set_read_only(True)
    threads = [threading.Thread(target=go_on, args=(number,)) for number in range(8)]
    gc.disable()
    try:
        with watched(count) as seen:
            for thread in threads:
                thread.start()
            for _ in range(6):
                time.sleep(0.3)
                if trouble == "cut":
                    own.cut_connections()
            done.set()
            for thread in threads:
                thread.join()
        backend.close()
        assert max(seen) <= 4  # the server takes a moment to end what was cut, or closed for its age
        assert sorted(seen)[len(seen) * 9 // 10] <= 2
        assert unread == []
        wait_for(lambda: count() == 0)
    finally:
        gc.enable()
        done.set()
        own.set_read_only(False)


def test_a_server_that_writes_again_is_found(own: Local, place: str) -> None:
    """A store whose connections lead to a server that only reads makes new ones in the same call."""
    backend = SQLBackend(place, timeout=5, pool_size=3)
    backend._connections._pool._none_before = 0.0
    with backend._connections._engine.connect() as one, backend._connections._engine.connect() as two:
        for connection in (one, two):  # as if they led to the old server
            connection.exec_driver_sql(
                "SET default_transaction_read_only = on"
                if connection.dialect.name == "postgresql"
                else "SET SESSION TRANSACTION READ ONLY"
            )
    backend.write(Row("1"), expect=None)
    backend.close()


@pytest.mark.long
def test_an_idle_store_has_no_connection(place: str, count: Any) -> None:
    """A few seconds after the last use there is none; the next use makes one."""
    backend = SQLBackend(place)
    backend.write(Row("1"), expect=None)
    wait_for(lambda: count() == 0)
    assert backend.load("1") is not None
    assert count() == 1
    backend.close()


def test_a_store_that_is_closed_amid_work_leaves_nothing(place: str, count: Any) -> None:
    """What was in use when the store was closed is closed when it comes back."""
    backend = SQLBackend(place)
    wait_for(lambda: count() <= 1)
    with backend._connections._engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
        backend.close()
    gc.disable()
    try:
        wait_for(lambda: count() == 0)
    finally:
        gc.enable()


@pytest.mark.long
def test_more_processes_than_connections(
    own: Local, own_kind: str, place: str, start: Callable[..., Task]
) -> None:
    """Eight processes on three connections: each gets its turn within its timeout, and none is refused."""
    SQLBackend(place).close()
    own.admin(LIMIT[own_kind].format(3))
    try:
        told = json.loads(start("crowd", "take_turns", place, 10, 0.05).finish())
    finally:
        own.admin(LIMIT[own_kind].format(-1 if own_kind == support.POSTGRESQL else 0))
    assert not [text for text in told if isinstance(text, str)], told
    turns = [Turns(*values) for values in told]
    assert [turn.errors for turn in turns] == [[]] * 8
    assert min(turn.asked for turn in turns) > 0


def test_waiting_for_a_turn_has_an_end(own: Local, own_kind: str, place: str) -> None:
    """If nobody gives a connection back, the error says what to do, after the timeout."""
    SQLBackend(place).close()
    own.admin(LIMIT[own_kind].format(1))
    try:
        with support.driver(place):
            began = time.monotonic()
            with pytest.raises(BackendUnavailableError, match="allows no more connections"):
                SQLBackend(place, timeout=1)
            assert 0.4 < time.monotonic() - began < 5  # no try begins that could end too late
    finally:
        own.admin(LIMIT[own_kind].format(-1 if own_kind == support.POSTGRESQL else 0))


def test_a_call_succeeds_where_no_thread_can_begin(place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What closes idle connections is tried again after a later call, and does not fail this one."""
    backend = SQLBackend(place)
    pool = backend._connections._pool

    def has_timer() -> bool:
        return pool._timer is not None

    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    assert pool._timer is not None
    pool._timer.cancel()
    pool._timer = None
    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refuse)
        backend.write(Row("1"), expect=None)
        assert not has_timer()
    assert backend.load("1") is not None
    assert has_timer()
    backend.close()


@pytest.mark.parametrize("own", [support.MARIADB], indirect=True)
def test_the_isolation_is_not_the_servers_default(own: Local, place: str) -> None:
    """With READ COMMITTED, an id that is being deleted could be saved again at that moment."""
    own.admin("SET GLOBAL TRANSACTION ISOLATION LEVEL READ COMMITTED")
    try:
        backend = SQLBackend(place)
        with backend._connections._engine.connect() as connection:
            assert connection.exec_driver_sql("SELECT @@tx_isolation").scalar() == "REPEATABLE-READ"
        backend.close()
    finally:
        own.admin("SET GLOBAL TRANSACTION ISOLATION LEVEL REPEATABLE READ")
