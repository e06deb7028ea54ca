"""Several processes on one database: all can open it at once, and nothing they acknowledged is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy import Connection

from tests.sql import published, support
from tests.sql.conftest import Local, Open
from tests.support.processes import ROOT, Worker
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.backends.sql._engines import ConnectGate
from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.repository import TokenRepository

OWNERS: Final = 5


class Task(Worker):
    """A process that does a task of `tests.sql.worker`."""

    def __init__(self, name: str, *arguments: object) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.sql.worker", name, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._name = name

    def kill(self) -> None:
        """End it without a warning."""
        self._process.kill()
        self._process.wait(10)

    def __exit__(self, *exc_info: object) -> None:
        with self._process:  # closes its pipes
            self.kill()


@pytest.fixture
def start() -> Iterator[Callable[..., Task]]:
    """Starts tasks, and ends them after the test."""
    with ExitStack() as stack:

        def start_task(*arguments: Any) -> Task:
            task = Task(*arguments)
            stack.enter_context(task)
            return task

        yield start_task


def together(start: Callable[..., Task], *arguments: object) -> list[Any]:
    """Do a task in eight processes that begin at one moment; return what each of them returned."""
    told: list[Any] = json.loads(start("crowd", *arguments).finish())
    assert not [text for text in told if isinstance(text, str)], told
    return told


def stored(backend: SQLBackend) -> list[tuple[str | None, str | None, str | None]]:
    return [(found.id, found.user_name, found.access_token) for found in TokenRepository(backend).scan()]


@pytest.mark.long
@pytest.mark.parametrize("kind", support.KINDS)
def test_eight_processes_open_an_empty_database_at_once(
    url: str, open_: Open, start: Callable[..., Task]
) -> None:
    """One of them creates the tables, and all go on."""
    counts = together(start, "open", url)
    assert (len(counts), min(counts)) == (8, 0)
    assert [row.id for row in open_().scan()] == [f"worker{number}" for number in range(8)]
    assert support.query(url, "SELECT value FROM zoho_tokenstore WHERE name LIKE 'schema%%'") == [("1",)]


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.parametrize("kind", [support.MARIADB])
def test_eight_processes_take_a_published_table_over_at_once(
    url: str, open_: Open, start: Callable[..., Task]
) -> None:
    """One of them changes the table, and all find the nine rows as they were."""
    published.load_dump(url)
    ten = f"SELECT {', '.join(COLUMNS)} FROM oauthtoken WHERE id < 'w' ORDER BY id"
    rows = support.query(url, ten)
    counts = together(start, "open", url)
    assert min(counts) == 9
    assert support.query(url, ten) == rows


@pytest.mark.long
@pytest.mark.parametrize("kind", support.KINDS)
def test_saves_of_eight_processes_are_all_there(url: str, open_: Open, start: Callable[..., Task]) -> None:
    """200 saves at once, from the first opening on: a row for each owner, with a token that was saved."""
    saved = [tuple(row) for rows in together(start, "save", url, OWNERS) for row in rows]
    assert len(saved) == 200
    rows = stored(open_())
    assert len(rows) == OWNERS
    assert len({row_id for row_id, _, _ in rows}) == len(rows)
    assert set(rows) <= set(saved)
    assert len({(row_id, name) for row_id, name, _ in saved}) == len(rows)


@pytest.mark.long
def test_a_process_that_is_killed_amid_saves(
    place: str, backend: SQLBackend, start: Callable[..., Task]
) -> None:
    """Four times: the newest token that it had acknowledged is there, or the one it was saving."""
    for life in range(4):
        task = start("save_without_end", place, f"owner{life}")
        for _ in range(5 + life):
            last = int(task.hear())
        task.kill()
        while line := task._process.stdout.readline():  # type: ignore[union-attr]
            last = int(line)
        (found,) = [token for _, name, token in stored(backend) if name == f"owner{life}"]
        assert found in (f"access-{last}", f"access-{last + 1}")


@pytest.mark.long
def test_a_process_that_is_killed_while_it_holds_a_transaction(
    place: str, backend: SQLBackend, start: Callable[..., Task]
) -> None:
    """Its change is undone, its locks are gone, and the others go on."""
    etag = backend.write(Row("1", access_token="before"), expect=None)
    task = start("hold", place)
    assert task.hear() == "holding"
    assert backend.load("1") == Row("1", access_token="before", etag=etag)
    task.kill()
    patient = SQLBackend(place, timeout=10)
    newer = patient.write(Row("1", access_token="after"), expect=etag)
    assert patient.load("1") == Row("1", access_token="after", etag=newer)
    patient.close()


@pytest.mark.long
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_forks_amid_saves_disturb_nobody(own: Local, place: str, start: Callable[..., Task]) -> None:
    """Children use the store at once, with connections of their own; the parent's go on working."""
    statuses, trouble, saves, newest, names = json.loads(start("fork", place).finish())
    assert trouble == []
    assert statuses == [0] * 20
    assert min(saves) > 0
    assert newest == [f"access-{count}" for count in saves]
    assert names == sorted(["busy0", "busy1", *(f"child{number}" for number in range(20))])


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of the threads that the test runner has
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_child_does_not_end_the_connections_of_its_parent(place: str, tmp_path: Path) -> None:
    """While children come, use the store and go, the parent keeps the connection that it has."""
    backend = SQLBackend(place, pool_size=1)
    backend.write(Row("1"), expect=None)
    own = id_of(backend)
    for _ in range(5):
        child = os.fork()
        if child == 0:
            signal.alarm(30)
            status = 1
            try:
                status = int(id_of(backend) == own or backend.load("1") is None)
            finally:
                os._exit(status)
        assert os.waitpid(child, 0)[1] == 0
        assert backend.load("1") is not None
    assert id_of(backend) == own
    backend.close()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of the threads that the test runner has
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_waits_for_logins() -> None:
    """The child inherits nothing half made: no lock of OpenSSL that nobody in it would give back."""
    gate = ConnectGate()
    entered, done = threading.Event(), threading.Event()

    def log_in() -> None:
        with gate:
            entered.set()
            time.sleep(0.3)
            done.set()

    thread = threading.Thread(target=log_in)
    thread.start()
    assert entered.wait(10)
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        with gate:
            os._exit(not done.is_set())
    assert done.is_set()
    assert os.waitpid(child, 0)[1] == 0
    thread.join()
    with gate:
        assert done.is_set()


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")  # of the threads that the test runner has
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_fork_does_not_wait_forever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does the fork of its child, in which nobody is connecting."""
    monkeypatch.setattr("zoho_tokenstore.backends.sql._engines.FORK_TIMEOUT", 0.1)
    gate, entered, leave = ConnectGate(), threading.Event(), threading.Event()

    def log_in() -> None:
        with gate:
            entered.set()
            leave.wait(10)

    thread = threading.Thread(target=log_in)
    thread.start()
    assert entered.wait(10)
    child = os.fork()
    if child == 0:
        os._exit(gate._inside)
    assert thread.is_alive()
    leave.set()
    assert os.waitpid(child, 0)[1] == 0
    thread.join()


def id_of(backend: SQLBackend) -> object:
    """Return the server's name for the connection that is used next."""
    return backend._connections.run(_id_of)


def _id_of(connection: Connection) -> object:
    asked = "pg_backend_pid()" if connection.dialect.name == "postgresql" else "connection_id()"
    return connection.exec_driver_sql(f"SELECT {asked}").scalar()
