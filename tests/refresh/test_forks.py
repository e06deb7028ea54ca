"""A child after a fork inherits neither held locks nor the leases of its parent."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.refresh.support import ROOT
from tests.unit.refresh.support import Fleet

PROLOGUE = """
import json, os, sys, threading, time
from datetime import timedelta
from zoho_tokenstore import TokenRecord, TokenRepository
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.leases import LeaseBook, names_of
from zoho_tokenstore.policies import RefreshPolicy

backend = SQLiteBackend(sys.argv[1])
process = Coordinator(TokenRepository(backend), RefreshPolicy(wait=timedelta(0)))
token = process.save(
    TokenRecord(client_id="c", client_secret="s", refresh_token="r", access_token="a", expires_at_ms=1)
)
owner = lambda: LeaseBook(backend.leases).look(names_of(token)[0]).owner
"""


def _script(body: str, database: Path) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", PROLOGUE + textwrap.dedent(body), str(database)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_child_that_exits_leaves_its_parents_lease(tmp_path: Path) -> None:
    """A child that ends in the usual way, with all its exit handlers, gives back nothing of its parent's."""
    outcome = _script(
        """
        process.get(token.id)
        before = owner()
        if os.fork() == 0:
            sys.exit(0)
        os.wait()
        print(json.dumps([before, owner()]))
        """,
        tmp_path / "zohooauth.db",
    )
    assert outcome[0] is not None
    assert outcome[0] == outcome[1]


def test_interpreter_exit_gives_leases_back(tmp_path: Path) -> None:
    """A process that ends while a thread refreshes leaves no lease behind, and says nothing."""
    outcome = _script(
        """
        import atexit
        thread = threading.Thread(target=lambda: (process.get(token.id), time.sleep(60)), daemon=True)
        thread.start()
        while not process._flights.under_way:
            time.sleep(0.01)
        held = owner()
        from zoho_tokenstore import coordinator
        atexit.unregister(coordinator._close_at_exit)  # so that it runs before the next one
        atexit.register(lambda: print(json.dumps([held, owner()])))
        atexit.register(coordinator._close_at_exit)
        """,
        tmp_path / "zohooauth.db",
    )
    assert outcome[0] is not None
    assert outcome[1] is None


def test_exit_after_a_failed_refresh_is_a_failure(tmp_path: Path) -> None:
    """A process that fails and is started again at once does not try again at once."""
    database = tmp_path / "zohooauth.db"
    _script("process.get(token.id); print(1)", database)
    outcome = _script(
        """
        try:
            process.get(token.id)
        except Exception as error:
            print(json.dumps(str(error)))
        """,
        database,
    )
    assert "brought no new token" in outcome


def _in_child(work: Callable[[], bool]) -> bool:
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        os._exit(0 if work() else 1)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")  # Python 3.12 on forks with threads
def test_no_lock_is_inherited_held() -> None:
    """Whatever locks other threads held at the fork, the child's look-ups and saves go on."""
    fleet = Fleet()
    token = fleet.login(60)
    process = fleet.first
    locks = [process._flights._lock, process._unsaved._lock, process._unsaved._trying]
    locks.append(fleet.storage.leases._lock)
    for lock in locks:
        lock.acquire()
    held = process._flights._turns
    process._flights._lock.release()
    with process._flights.turn("refresh:name", 0):
        process._flights._lock.acquire()

        def work() -> bool:
            record = process.get(token.id or "")
            assert record is not None
            process.save(fleet.minted(record))
            process.close()
            return not process._flights.under_way

        assert _in_child(work)
        process._flights._lock.release()
    assert held == {}
    for lock in locks[1:]:
        lock.release()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_child_has_no_refresh_under_way_but_knows_those_of_its_parent() -> None:
    """In memory, a child sees what its parent has noted, and that another one holds the lease."""
    fleet = Fleet(budget=1)
    token = fleet.login(-1)
    fleet.first.get(token.id or "")
    name = fleet.first._flights.of_this_thread()[0].name

    def work() -> bool:
        return not fleet.first._flights.under_way and fleet.storage.leases.read(name).text == kept

    kept = fleet.storage.leases.read(name).text
    assert kept
    assert _in_child(work)
