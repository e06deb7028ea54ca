"""A command in a real terminal of a given width, as its user sees it."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from tests.support.processes import PATIENCE, ROOT

COMMAND: Final = (sys.executable, "-m", "zoho_tokenstore")
_KEPT: Final = ("PATH", "HOME", "TMPDIR", "SYSTEMROOT", "COVERAGE_PROCESS_START")


class Shown(NamedTuple):
    """What was on the terminal, with line ends as in a file, and the exit code."""

    text: str
    status: int


def environment(**variables: str) -> dict[str, str]:
    """Return an environment of a terminal's shell: nothing of the test's own but where the code is."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    return {
        **kept,
        "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
        "LANG": "C.UTF-8",
        "TERM": "xterm-256color",
        "NO_PROXY": "127.0.0.1",
        **variables,
    }


class Terminal:
    """A command that runs in a terminal.

    Arguments:
        arguments: the command line of `zoho-tokens`, or a whole one if it is a tuple.
        columns: how wide the terminal is.
        env: the environment.
        cwd: where it runs.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        columns: int = 80,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
    ) -> None:
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        self._process = subprocess.Popen(
            arguments if isinstance(arguments, tuple) else [*COMMAND, *arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=dict(env or environment()),
            cwd=cwd,
            start_new_session=True,
            preexec_fn=_take_terminal,
        )
        os.close(slave)
        self._text = ""

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._process.kill()
        self._process.wait()
        os.close(self._master)

    def type(self, text: str) -> None:
        """Type something; `\\x03` is Ctrl+C."""
        os.write(self._master, text.encode())

    def see(self, text: str) -> str:
        """Wait until a text is on the terminal; return all that is."""
        ends = time.monotonic() + PATIENCE
        while text not in self._text:
            assert time.monotonic() < ends, self._text
            assert self._read(), f"it ended without {text!r}: {self._text}"
        return self._text

    def end(self, signal_number: signal.Signals | None = None) -> Shown:
        """Wait for the end of the command; return what was on the terminal."""
        if signal_number is not None:
            self._process.send_signal(signal_number)
        while self._read():
            pass
        return Shown(self._text, self._process.wait(PATIENCE))

    def interrupt(self) -> Shown:
        """Press Ctrl+C, again if need be: Python may miss one in the moment before it waits for a line."""
        for _ in range(10):
            self.type("\x03")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(3)
                break
        return self.end()

    def answered(self, answers: Mapping[str, str]) -> str:
        """Answer questions by how they end, to the end of the command; return what was on the terminal."""
        answered = 0
        while self._read():
            for question, answer in answers.items():
                if self._text[answered:].endswith(question):
                    answered = len(self._text)
                    self.type(f"{answer}\n")
        return self._text

    def _read(self) -> bool:
        ready, _, _ = select.select([self._master], [], [], PATIENCE)
        assert ready, f"nothing happens: {self._text}"
        with contextlib.suppress(OSError):  # how Linux says that nobody writes any more
            part = os.read(self._master, 65536)
            self._text += part.decode("utf-8", "replace").replace("\r\n", "\n")
            return bool(part)
        return False


def _take_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def on_terminal(
    *arguments: str, columns: int = 80, env: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Shown:
    """Run `zoho-tokens` in a terminal, to its end."""
    with Terminal(list(arguments), columns=columns, env=env, cwd=cwd) as terminal:
        return terminal.end()


class Piped(NamedTuple):
    """What a command wrote, and its exit code."""

    out: str
    err: str
    status: int


def through_pipes(
    *arguments: str, env: Mapping[str, str] | None = None, cwd: Path | None = None, text: str = ""
) -> Piped:
    """Run `zoho-tokens` without a terminal."""
    done = subprocess.run(
        [*COMMAND, *arguments],
        input=text,
        env=dict(env or environment()),
        cwd=cwd,
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=PATIENCE,
        check=False,
    )
    return Piped(done.stdout, done.stderr, done.returncode)
