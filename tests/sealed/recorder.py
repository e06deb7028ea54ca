"""A plugin of pytest that prepares the scan of a sealed run: `-p tests.sealed.recorder`.

It notes every secret that is sealed, keeps what would be removed, and writes down what is said on
ways that pytest does not show. It does its work in every process that pytest starts, and in their
forks; what other processes seal, the scan knows by its form.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import currently_in_test_context
from typer.testing import CliRunner

from tests.sealed.keeping import SUFFIXES, Keeper, keep_servers, temporary_folders_in
from tests.sealed.places import Places
from zoho_tokenstore.crypto.sealing import Sealed
from zoho_tokenstore.crypto.values import is_sealed
from zoho_tokenstore.records import COLUMNS, SECRET_COLUMNS, Row

_write = os.write  # tests replace it to let it fail


class Notes:
    """What this process and its forks have seen.

    The files are open from the start: a fork may become another user, who could not open them.
    """

    def __init__(self, places: Places) -> None:
        self._values = _appended(places.notes / f"values-{os.getpid()}")
        self._said = _appended(places.said / f"{os.getpid()}.txt")
        self._known: set[tuple[str, str, bool]] = set()

    def value(self, column: str, text: str) -> None:
        """Note a value of a sealed row: a secret, or one that is no secret anywhere."""
        drawn = currently_in_test_context()
        if (column, text, drawn) in self._known:
            return
        self._known.add((column, text, drawn))
        test = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" ")[0]
        _write(self._values, json.dumps([column, text, test, drawn]).encode() + b"\n")

    def said(self, where: str, text: str | bytes | None) -> None:
        """Write down something that was said, to be scanned."""
        if text:
            content = text if isinstance(text, bytes) else text.encode("utf-8", "surrogatepass")
            _write(self._said, f"---- {where}\n".encode() + content + b"\n")


def pytest_configure(config: pytest.Config) -> None:
    places = Places.of_this_run()
    notes, keeper = Notes(places), Keeper(places)
    config.pluginmanager.register(_Siblings(keeper))
    keeper.watch()
    keep_servers()
    temporary_folders_in(places.scratch, places.root)
    _note_values(notes)
    _note_commands(notes)
    _note_output(notes)
    logging.getLogger().addHandler(_LogWriter(_appended(places.said / f"log-{os.getpid()}.txt")))
    logging.getLogger().setLevel(logging.DEBUG)
    logging.getLogger("botocore.hooks").setLevel(logging.INFO)  # the names of its events, all day long


class _LogWriter(logging.Handler):
    """Writes all records down, a line each.

    pytest's own handlers are not for this: at this level they slow a run down, and one of them has
    a lock that a fork amid busy threads leaves locked for ever.
    """

    def __init__(self, file: int) -> None:
        super().__init__(logging.DEBUG)
        self._file = file

    def emit(self, record: logging.LogRecord) -> None:
        try:
            text = self.format(record)
        except (TypeError, ValueError):  # as the SDK's own records, whose arguments do not fit
            text = f"{record.msg} {record.args}"
        line = f"{record.levelname} {record.name}: {text}\n"
        _write(self._file, line.encode("utf-8", "surrogatepass"))


class _Siblings:
    """At the end of every test, before anything is closed: the logs and scratch files that are there."""

    def __init__(self, keeper: Keeper) -> None:
        self._keeper = keeper

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtest_teardown(self, item: pytest.Item) -> None:
        for folder in getattr(item, "funcargs", {}).values():
            if isinstance(folder, Path) and folder.is_dir():
                for file in folder.rglob("*"):
                    if file.name.endswith(SUFFIXES) or file.name.startswith("."):
                        self._keeper.keep(file)


def _note_values(notes: Notes) -> None:
    native = Sealed.seal

    def seal(sealing: Sealed, row: Row, *others: Any, **named: Any) -> Row:
        stored = native(sealing, row, *others, **named)
        has_box = is_sealed(stored.client_secret or "")
        for column in COLUMNS:
            text = getattr(row, column)
            if text is not None and (column not in SECRET_COLUMNS or has_box):
                notes.value(column, text)
        return stored

    Sealed.seal = seal  # type: ignore[assignment, method-assign]


def _note_commands(notes: Notes) -> None:
    """Every user of a computer can read the command lines of its processes."""

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            notes.said("command line", b"\0".join(map(os.fsencode, arguments[1])))
        elif event == "os.system":
            notes.said("command line", arguments[0])

    sys.addaudithook(hook)


def _note_output(notes: Notes) -> None:
    """Write down what tests read themselves, and pytest therefore does not show."""
    _also(subprocess.Popen, "communicate", lambda process, output: _note_process(notes, process, output))
    _also(CliRunner, "invoke", lambda _, result: notes.said("zoho-tokens", result.output))
    _also(
        pytest.CaptureFixture, "readouterr", lambda _, read: notes.said("captured", "".join(map(str, read)))
    )


def _note_process(notes: Notes, process: Any, output: tuple[Any, Any]) -> None:
    command = list(map(str, process.args)) if isinstance(process.args, list | tuple) else [str(process.args)]
    answers = "-m" in command and command[command.index("-m") + 1].startswith("tests.")
    if not answers:  # our own scripts tell the test on their standard output which tokens they saw
        notes.said("output of a process", output[0])
    notes.said("errors of a process", output[1])


def _also(owner: Any, name: str, note: Any) -> None:
    native = getattr(owner, name)

    @functools.wraps(native)
    def call(self: Any, *arguments: Any, **options: Any) -> Any:
        result = native(self, *arguments, **options)
        note(self, result)
        return result

    setattr(owner, name, call)


def _appended(path: Path) -> int:
    return os.open(path, os.O_CREAT | os.O_APPEND | os.O_WRONLY, 0o600)
