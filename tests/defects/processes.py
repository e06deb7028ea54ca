"""Other processes that use a store at the same time, or die while they do."""

from __future__ import annotations

import os
import pickle
import resource
import signal
import subprocess
import sys
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.defects import tokens
from tests.defects.conftest import Case

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60


def in_a_child(work: Callable[[], object]) -> int:
    """Start `work` in a fork of this process, and return its process id."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads of the test runner
        child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.alarm(PATIENCE)
            work()
            status = 0
        finally:
            os._exit(status)
    return child


def save_at_once(case: Case, *lists: list[Any]) -> list[str]:
    """Save the tokens of each list in a process of its own, all beginning together; return the errors."""
    wait, begin = os.pipe()
    answer, report = os.pipe()

    def save_all(mine: list[Any]) -> None:
        os.close(begin)
        store = case.open()
        os.read(wait, 1)  # ends when the parent closes the other end
        for token in mine:
            error = tokens.error_of(store.save_token, token)
            if error is not None:
                os.write(report, f"{type(error).__name__}\n".encode())

    children = [in_a_child(partial(save_all, mine)) for mine in lists]
    os.close(wait)
    os.close(begin)
    os.close(report)
    with open(answer, encoding="utf-8") as pipe:  # noqa: PTH123  # a descriptor
        errors = pipe.read().split()
    assert [os.waitpid(child, 0)[1] for child in children] == [0] * len(children)
    return errors


def save_with_an_ascii_locale(case: Case, who: str) -> int:
    """Save a login in a process whose locale knows ASCII alone, and return its exit status."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.defects.worker", case.subject.target, str(case.path)],
        cwd=case.path.parent,  # where the published samples write
        env={
            **os.environ,
            "LC_ALL": "C",
            "PYTHONUTF8": "0",
            "PYTHONCOERCECLOCALE": "0",
            "PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path]),
        },
        input=pickle.dumps(tokens.login(who)),
        stderr=subprocess.PIPE,
        timeout=PATIENCE,
        check=False,
    )
    return done.returncode


def cut_off_in_the_middle(prepare: Callable[[], Callable[[], object]]) -> None:
    """Run what `prepare` returns in a child that the kernel kills at its first write of some size."""

    def doomed() -> None:
        work = prepare()
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_FSIZE, (200, resource.RLIM_INFINITY))
        work()

    _, status = os.waitpid(in_a_child(doomed), 0)
    assert os.WIFSIGNALED(status), f"the child was not killed, it ended with status {status}"
    assert os.WTERMSIG(status) == signal.SIGXFSZ
