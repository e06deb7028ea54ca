"""What was said: logs, command lines, and output that tests read themselves, so pytest does not see it."""

from __future__ import annotations

import functools
import itertools
import logging
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

_append = os.write  # tests replace it to let it fail


def record_output(said: Path) -> None:
    """Write it to a file of this process and its forks; another for the log."""
    file = _file(said / f"{os.getpid()}.txt")

    def say(text: str | bytes | None) -> None:
        if text:
            _append(file, (text if isinstance(text, bytes) else _bytes(text)) + b"\n")

    sys.addaudithook(functools.partial(_record_command, say))
    _after(subprocess.Popen, "communicate", functools.partial(_record_process, say))
    _after(CliRunner, "invoke", lambda _, result: say(result.output))
    _after(pytest.CaptureFixture, "readouterr", lambda _, read: say("".join(map(str, read))))
    logging.getLogger().addHandler(_LogWriter(_file(said / f"log-{os.getpid()}.txt")))
    logging.getLogger().setLevel(logging.DEBUG)
    # The tests' own HTTP client logs the emulator's codes; botocore the names of its events, all day long.
    for name in ("httpx", "httpx2", "httpcore", "httpcore2", "botocore.hooks"):
        logging.getLogger(name).setLevel(logging.WARNING)


class _LogWriter(logging.Handler):
    """Writes all records, a line each.

    pytest's own handlers slow a run down at this level, and have a lock that a fork amid busy threads
    leaves locked for ever.
    """

    def __init__(self, file: int) -> None:
        super().__init__(logging.DEBUG)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except (TypeError, ValueError):  # as the SDK's own records, whose arguments do not fit
            text = f"{record.msg} {record.args}"
        _append(self._file, _bytes(f"{record.levelname} {record.name}: {text}\n"))


def _record_command(say: Callable[[bytes], None], event: str, arguments: tuple[Any, ...]) -> None:
    """Every user of a computer can read the command lines of its processes."""
    if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
        say(b"command line: " + b"\0".join(map(os.fsencode, arguments[1])))
    elif event == "os.system":
        say(b"command line: " + os.fsencode(arguments[0]))


def _record_process(say: Callable[[str | bytes | None], None], process: Any, output: tuple[Any, Any]) -> None:
    words = list(map(str, process.args)) if isinstance(process.args, list | tuple) else [str(process.args)]
    # Our own scripts tell the test on their standard output which tokens they saw.
    if not any(word == "-m" and next_.startswith("tests.") for word, next_ in itertools.pairwise(words)):
        say(output[0])
    say(output[1])


def _after(owner: Any, name: str, record: Callable[[Any, Any], None]) -> None:
    native = getattr(owner, name)

    @functools.wraps(native)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        result = native(self, *arguments, **options)
        record(self, result)
        return result

    setattr(owner, name, call)


def _file(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
