"""Processes that share a table, and children of a process that has one open."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.aws.support import make_dynamodb, make_secretsmanager
from tests.aws.test_dynamodb_form import living
from tests.aws.test_dynamodb_races import is_sound
from tests.aws.worker import SAVES
from tests.support import processes
from zoho_tokenstore.backends.dynamodb import DynamoDBBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.repository import TokenRepository

PROCESSES = 4


def together(what: str, backend: DynamoDBBackend) -> list[Any]:
    return processes.together(PROCESSES, "tests.aws.worker", what, backend.location)


@pytest.mark.long
def test_processes_agree_on_one_row_for_each_owner(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """Processes that insert and update the same owners at once end with one row for each."""
    saved = [tuple(record) for records in together("save", dynamodb) for record in records]
    assert len(saved) == PROCESSES * SAVES
    rows = [(kept.id, kept.user_name, kept.access_token) for kept in TokenRepository(dynamodb).scan()]
    assert sorted(name or "" for _, name, _ in rows) == [f"user{number}" for number in range(5)]
    assert set(rows) <= set(saved)
    assert is_sound(dynamodb, tmp_path)


@pytest.mark.long
def test_no_update_of_a_process_is_lost(dynamodb: DynamoDBBackend) -> None:
    """Processes that count up in one row, and repeat what was refused, lose no count."""
    dynamodb.write(Row("1", user_name="0"), expect=None)
    assert together("count", dynamodb) == [SAVES] * PROCESSES
    row = dynamodb.load("1")
    assert row is not None
    assert row.user_name == str(PROCESSES * SAVES)


@pytest.mark.long
def test_look_up_items_of_processes_stay_sound(dynamodb: DynamoDBBackend, tmp_path: Path) -> None:
    """Rows of several processes that come to the same keys and leave them are all found in the end."""
    assert all(together("share", dynamodb))
    assert [row.id for row in dynamodb.find("user_name", "both")] == ["0", "2"]
    assert len(living(tmp_path)) == 2 + 1
    assert is_sound(dynamodb, tmp_path)


@pytest.mark.long
def test_one_process_replaces_a_lease(dynamodb: DynamoDBBackend) -> None:
    """Of processes that store a first text at once one succeeds, and no count in another is lost."""
    assert together("lease", dynamodb).count(True) == 1
    assert dynamodb.leases.read("count").text.partition(" ")[0] == str(PROCESSES)


def in_a_child(work: Callable[[], object]) -> None:
    """Run something in a fork of this process."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads of the test runner
        child = os.fork()
    if child == 0:
        signal.alarm(30)  # a child that waits for a lock of its parent's ends so
        try:
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status == 0


@pytest.mark.parametrize("make", [make_dynamodb, make_secretsmanager])
def test_a_child_has_connections_of_its_own(make: Any, tmp_path: Path) -> None:
    """After a fork parent and child go on with the same rows, neither on the other's connections."""
    backend = make(tmp_path)
    etag = backend.write(Row("1"), expect=None)
    parents = backend._calls._client._client

    def work() -> None:
        assert backend._calls._client._client is None
        assert backend.load("1").etag == etag
        assert backend._calls._client._client is not parents
        backend.write(Row("1", user_name="child"), expect=etag)
        backend.write(Row("2"), expect=None)

    in_a_child(work)
    assert backend._calls._client._client is parents
    assert [row.user_name for row in backend.scan()] == ["child", None]
    backend.close()


@pytest.mark.parametrize("make", [make_dynamodb, make_secretsmanager])
def test_a_fork_while_threads_are_at_work(make: Any, tmp_path: Path) -> None:
    """A child works although a thread held the client's lock, and others were in the middle of a call."""
    backend = make(tmp_path)
    etag = backend.write(Row("1"), expect=None)
    stop = threading.Event()

    def read() -> None:
        while not stop.is_set():
            assert backend.load("1").etag == etag

    threads = [threading.Thread(target=read) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        with backend._calls._client._lock:
            in_a_child(lambda: backend.load("1").etag == etag or os._exit(2))
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert backend.load("1").etag == etag
    backend.close()
