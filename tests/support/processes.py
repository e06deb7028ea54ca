"""Other processes: scripts of `tests.process` or elsewhere, and forks of this one with fewer rights."""

from __future__ import annotations

import contextlib
import encodings.utf_8_sig  # noqa: F401  # a child without rights may not read where Python's modules are
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0  # seconds for anything another process does; only a failing test waits so long
NOBODY = 65534


class Worker:
    """A running script. It is spoken to line by line, and killed if it is not done in the end."""

    def __init__(self, module: str, *arguments: object) -> None:
        name = module if "." in module else f"tests.process.{module}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", name, *map(str, arguments)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._name = module

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.kill()

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def tell(self, line: str) -> None:
        assert self._process.stdin
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()

    def hear(self, patience: float = PATIENCE) -> str:
        """The next line it prints; it prints one at a time, after it has been asked."""
        assert self._process.stdout
        ready, _, _ = select.select([self._process.stdout], [], [], patience)
        assert ready, f"{self._name} says nothing"
        line = self._process.stdout.readline()
        assert line, f"{self._name} has ended"
        return line.rstrip("\n")

    def ask(self, line: str) -> str:
        self.tell(line)
        return self.hear()

    def finish(self) -> str:
        """What is left of its output, once it has ended well."""
        output, _ = self._process.communicate(timeout=PATIENCE)
        assert self._process.returncode == 0, f"{self._name} failed"
        return output


def run(module: str, *arguments: object) -> Any:
    """Run a script to its end, and return the JSON that it prints."""
    with Worker(module, *arguments) as worker:
        return json.loads(worker.finish())


def together(count: int, module: str, *arguments: object) -> list[Any]:
    """Run a script `count` times at once, numbered by its last argument; they begin at one word."""
    with contextlib.ExitStack() as stack:
        workers = [stack.enter_context(Worker(module, *arguments, number)) for number in range(count)]
        for worker in workers:
            assert worker.hear() == "ready"
        for worker in workers:
            worker.tell("go")
        return [json.loads(worker.finish()) for worker in workers]


def ready() -> None:
    """Called by a script that `together` runs: wait for the word to begin."""
    print("ready", flush=True)
    assert sys.stdin.readline() == "go\n"


def without_rights(work: Callable[[], str]) -> str:
    """What `work` returns in a forked child that is nobody (or whoever runs the tests, unless root)."""
    report, answer = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12: threads of the test runner
        child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))
        _report(work, answer)
    os.close(answer)
    with open(report, encoding="utf-8") as pipe:  # noqa: PTH123  # a descriptor
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    assert status == 0, said or f"the child ended with status {status}"
    return said


def _report(work: Callable[[], str], answer: int) -> None:
    status = 1
    try:
        if os.geteuid() == 0:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        os.write(answer, work().encode())
        status = 0
    except BaseException:  # noqa: BLE001  # all of it goes to the parent
        os.write(answer, traceback.format_exc().encode())
    finally:
        os._exit(status)


@contextlib.contextmanager
def public_folder() -> Iterator[Path]:
    """A folder that every user can reach and write, unlike `tmp_path`."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve() / "tokens"
        folder.parent.chmod(0o755)
        folder.mkdir()
        folder.chmod(0o777)
        yield folder
