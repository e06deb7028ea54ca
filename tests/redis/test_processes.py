"""Several threads and processes with one store: together, killed, and forked."""

from __future__ import annotations

import gc
import time
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.redis.conftest import Open
from tests.redis.support import rows_in, url_of
from tests.redis.worker import FORKS, TURNS
from tests.support.processes import PATIENCE, Worker, run, together
from tests.support.servers.redis import LocalRedis
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._subject import together as threads_together

WORKER = "tests.redis.worker"


@pytest.fixture
def url(backend: RedisBackend, tmp_path: Path) -> str:
    return url_of(tmp_path)


@pytest.mark.long
def test_processes_compete(backend: RedisBackend, url: str) -> None:
    """Of eight processes that insert one row, one does; then all change it, and no change is lost."""
    told = together(8, WORKER, "compete", url)
    row = backend.load("1")
    assert row is not None
    assert [outcome["inserted"] for outcome in told].count(True) == 1
    assert told[int(row.client_id or "")]["inserted"]
    assert row.user_name == str(8 * TURNS)
    assert sum(outcome["conflicts"] for outcome in told) > 0
    assert list(backend.scan()) == backend.find("user_name", str(8 * TURNS)) == [row]


@pytest.mark.long
def test_a_killed_process_leaves_whole_rows(backend: RedisBackend, url: str) -> None:
    """Processes killed in the middle of their writes leave whole rows, found by what is in them alone."""
    with ExitStack() as stack:
        workers = [stack.enter_context(Worker(WORKER, "for_ever", url, number)) for number in range(4)]
        for worker in workers:
            assert worker.hear() == "ready"
        for worker in workers:
            worker.tell("go")
        while len(list(backend.scan())) < len(workers):
            time.sleep(0.01)
        time.sleep(0.3)
    rows = rows_in(backend.scan())
    assert [row.id for row in rows] == ["0", "1", "2", "3"]
    for row in rows:
        assert row.user_name == row.access_token == row.refresh_token
        name, _, number = str(row.user_name).partition("-")
        other = {"alice": "bob", "bob": "alice"}[name]
        for index in ("user_name", "access_token", "refresh_token"):
            assert backend.find(index, f"{name}-{number}") == [row]
            assert backend.find(index, f"{other}-{number}") == []


@pytest.mark.long
def test_forks(backend: RedisBackend, url: str) -> None:
    """Children forked while threads are in the middle of calls use the store, and so does the parent."""
    told = run(WORKER, "fork", url)
    assert told == {"statuses": [0] * FORKS, "trouble": [], "children": FORKS}


def test_many_threads(backend: RedisBackend) -> None:
    """More threads than a pool usually has connections use the store at once."""
    threads_together(150, lambda number: backend.write(Row(id=str(number)), expect=None))
    assert len(list(backend.scan())) == 150


def test_a_connection_is_used_again(local: LocalRedis, open_store: Open) -> None:
    """Calls one after the other share a connection, also in short-lived threads; `close` leaves none."""
    store = open_store(local.url)
    for _ in range(5):
        threads_together(1, lambda _: store.load("1"))
    with local.driver() as driver:
        assert _clients(driver) == 1
        store.close()
        assert _come_to_none(driver)


@pytest.mark.long
def test_a_store_that_is_forgotten_leaves_no_connection(local: LocalRedis) -> None:
    """A store that is dropped without `close` closes its connections when it is collected."""
    store = RedisBackend(local.url)
    store.load("1")
    del store
    gc.collect()
    with local.driver() as driver:
        assert _come_to_none(driver)


def _come_to_none(driver: Any) -> bool:
    """Tell whether no connection is left. The server learns a moment later that one was closed."""
    deadline = time.monotonic() + PATIENCE
    while _clients(driver) and time.monotonic() < deadline:
        time.sleep(0.01)
    return _clients(driver) == 0


def _clients(driver: Any) -> int:
    """Return how many connections there are, but those of the driver, by the server's socket."""
    return sum("socket" not in client["addr"] for client in driver.client_list(_type="normal"))


def test_close_waits_for_nobody(local: LocalRedis, open_store: Open) -> None:
    """A store closed by one thread refuses the others' next calls, and leaves no connection."""
    store = open_store(local.url)
    store.write(Row(id="1"), expect=None)

    def work(number: int) -> str:
        if number == 0:
            time.sleep(0.1)
            store.close()
        try:
            while True:
                assert store.load("1") is not None
        except BackendError as error:
            return str(error)

    for _ in range(5):
        assert all("has been closed" in text for text in threads_together(5, work))
        with local.driver() as driver:
            assert _come_to_none(driver)
        store = open_store(local.url)
