"""A tutorial as its reader follows it: in an empty folder, with the wheel, in terminals.

Each `console` block is typed into a terminal of its own, where it may go on running; a block of Python after
“Save this as `name`:” is that file. The ports of a page stand for free ones.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

from filelock import FileLock

from tests.docs.pages import ROOT, Page
from tests.support.network import outside

PORTS: Final = ("8085", "8000")
_FILE: Final = re.compile(
    r"Save this as `([a-z0-9_./]+)`(?:, instead of what is there)?:\n\n```(?:python|toml)\n(.*?)^```$",
    re.DOTALL | re.MULTILINE,
)
_EXTRAS: Final = re.compile(r'pip install "zoho-tokenstore(\[[a-z,]+\])"')
UV: Final = Path(sys.executable).with_name("uv")


def wheel(folder: Path) -> Path:
    """Build the wheel, once for all processes of a test session, and return it."""
    with FileLock(folder / "wheel.lock"):
        if not list(folder.glob("*.whl")):
            _run([UV, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT], folder)
    (found,) = folder.glob("*.whl")
    return found


class SavedFile(NamedTuple):
    """A file that a page has its reader save, and the line where it is."""

    name: str
    source: str
    line: int


def saved_files(page: Page) -> list[SavedFile]:
    """Return the files of a page in their order; one that is saved again comes again."""
    return [
        SavedFile(found[1], found[2], page.text.count("\n", 0, found.start()) + 1)
        for found in _FILE.finditer(page.text)
    ]


class Reader:
    """Somebody who follows a page."""

    def __init__(self, page: Page, folder: Path, wheel: Path, opened: ExitStack) -> None:
        self._page, self._folder, self._wheel, self._opened = page, folder, wheel, opened
        self._python = folder.with_name("python")
        self.ports = dict(zip(PORTS, _free_ports(len(PORTS)), strict=True))

    def follow(self) -> None:
        """Do what the page says, up to where a browser is opened."""
        for block in self._page.blocks("console"):
            for file in saved_files(self._page):
                (self._folder / file.name).write_text(self._here(file.source), encoding="utf-8")
            extras = _EXTRAS.match(block.source)
            if extras is None:
                self._opened.enter_context(self._terminal(self._here(block.source)))
            else:
                self._install(f"{self._wheel}{extras[1]}")

    def _install(self, what: str) -> None:
        _run([UV, "venv", "--quiet", "--python", sys.executable, self._python], self._folder)
        _run([UV, "pip", "install", "--quiet", "--python", self._python, what], self._folder)

    @contextmanager
    def _terminal(self, commands: str) -> Iterator[None]:
        environment = {key: value for key, value in os.environ.items() if not key.startswith("ZOHO_")}
        environment.pop("PYTHONPATH", None)
        environment["PATH"] = f"{self._python / 'bin'}:{environment['PATH']}"
        command = ["bash", "-e", "-c", commands]
        with subprocess.Popen(command, cwd=self._folder, env=environment, start_new_session=True) as shell:
            try:
                yield
            finally:
                with suppress(ProcessLookupError):
                    os.killpg(shell.pid, signal.SIGTERM)

    def _here(self, text: str) -> str:
        for port, free in self.ports.items():
            text = text.replace(port, free)
        return text


def _free_ports(count: int) -> list[str]:
    with ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [str(each.getsockname()[1]) for each in sockets]


def _run(command: list[object], folder: Path) -> None:
    done = subprocess.run(
        [*map(str, command)], cwd=folder, env=outside(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
