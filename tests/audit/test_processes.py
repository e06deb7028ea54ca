"""Many processes on one trail: it stays whole, and nothing that was acknowledged is missing."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections import Counter
from pathlib import Path
from threading import Thread

import pytest

from tests.audit.support import ALICE, SHARED, entries_of, opened, trail_of
from tests.contract.stores import CASES
from tests.support import processes
from zoho_tokenstore import on_behalf_of

WRITERS = 4
EACH = 25


@pytest.mark.long
@pytest.mark.parametrize("case", SHARED)
def test_processes_append_side_by_side(case: str, tmp_path: Path) -> None:
    """The chain is whole, and each process finds its entries, all of them and in its own order."""
    opened(case, tmp_path).close()
    processes.together(WRITERS, "tests.audit.worker", CASES[case].url(tmp_path), EACH)
    with opened(case, tmp_path) as repository:
        report = trail_of(repository).verify()
        assert (report.is_intact, report.entries, report.missed) == (True, 1 + WRITERS * EACH, 0)
        entries = entries_of(repository)[1:]
        for number in range(WRITERS):
            own = [entry.user_name for entry in entries if entry.actor == f"worker {number}"]
            assert own == [f"{number}-{place}" for place in range(EACH)]
        assert len({entry.process for entry in entries}) == WRITERS


@pytest.mark.long
@pytest.mark.parametrize("case", SHARED)
def test_killed_writers(case: str, tmp_path: Path) -> None:
    """Whenever a process is killed, the chain is whole, and has every login whose save had returned."""
    opened(case, tmp_path).close()
    acknowledged: set[str] = set()
    for kill in range(3):
        with contextlib.ExitStack() as stack:
            workers = [
                stack.enter_context(
                    processes.Worker("tests.audit.worker", CASES[case].url(tmp_path), 0, f"{kill}.{number}")
                )
                for number in range(3)
            ]
            for worker in workers:
                assert worker.hear() == "ready"
            for worker in workers:
                worker.tell("go")
            time.sleep(random.uniform(0.05, 0.3))
            for worker in workers:
                worker._process.kill()
                output, _ = worker._process.communicate()
                acknowledged |= {line for line in output.splitlines(keepends=True) if line.endswith("\n")}
    with opened(case, tmp_path) as repository:
        assert trail_of(repository).verify().is_intact
        kept = Counter(entry.user_name for entry in entries_of(repository) if entry.what == "logged_in")
        assert acknowledged
        assert {line.rstrip("\n") for line in acknowledged} <= set(kept)
        assert set(kept.values()) == {1}


@pytest.mark.parametrize("case", SHARED)
def test_threads_and_forks(case: str, tmp_path: Path) -> None:
    """The threads of a process, and a child that it forks, all append to the one chain."""
    with opened(case, tmp_path) as repository:

        def work(name: str) -> None:
            with on_behalf_of(name):
                for number in range(10):
                    repository.save(
                        ALICE.changed(user_name=f"{name} {number}", refresh_token=f"{name}{number}")
                    )

        work("before")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                work("child")
                status = 0
            finally:
                os._exit(status)
        threads = [Thread(target=work, args=(f"thread {number}",)) for number in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert os.waitpid(child, 0)[1] == 0
        assert trail_of(repository).verify().is_intact
        actors = Counter(entry.actor for entry in entries_of(repository)[1:])
        assert actors == dict.fromkeys(["before", "child", *(f"thread {n}" for n in range(4))], 10)
