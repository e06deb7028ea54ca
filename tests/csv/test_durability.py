"""What has returned is on the disk: the order of flushes and renamings, operation by operation."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.csv.support import FIXTURE, NAME, open_tokens, token
from tests.support import Faults, os_faults
from zoho_tokenstore.repository import TokenRepository

Operations = list[tuple[str, str]]
STEPS = ["os.write .new", "os.fsync .new", "os.replace file", "os.fsync folder"]
RETIRED = ["os.write .new", "os.fsync .new", "os.replace ired", "os.fsync folder"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def steps(path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The writes, flushes and renamings of the token file, in their order."""
    done: list[str] = []

    def note(_faults: Faults, operation: str, name: str) -> None:
        what = {path.parent.name: "folder", NAME: "file"}.get(name, name[-4:])
        if operation in {"os.write", "os.fsync", "os.replace"}:
            done.append(f"{operation} {what}")

    with os_faults(directory=path.parent):
        monkeypatch.setattr(Faults, "strike", note)
        yield done


CHANGES: dict[str, Callable[[TokenRepository], object]] = {
    "insert": lambda tokens: tokens.save(token("another")),
    "update": lambda tokens: tokens.save(token("user", "access-2")),
    "clear": lambda tokens: tokens.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_flushed_before_and_after_it_takes_its_place(
    path: Path, steps: list[str], change: str
) -> None:
    """Its content first, so that no loss of power leaves half of it; then the folder that names it.

    The ids of rows that are deleted are on the disk before the rows go.
    """
    tokens = open_tokens(path)
    tokens.save(token("user"))
    steps.clear()
    CHANGES[change](tokens)
    assert steps == [*(RETIRED if change == "clear" else []), *STEPS]


def test_a_new_file_too(path: Path, steps: list[str]) -> None:
    """It gets its name when it is complete."""
    open_tokens(path)
    assert steps == STEPS


@pytest.mark.clear
def test_a_file_of_the_sdk_too(path: Path, steps: list[str]) -> None:
    """It is replaced, never written."""
    shutil.copyfile(FIXTURE, path)
    open_tokens(path)
    assert steps == STEPS


def test_nothing_is_written_when_there_is_nothing_to_do(path: Path, steps: list[str]) -> None:
    """Deleting what is not there, opening a file of ours; clearing an empty store notes its time alone."""
    tokens = open_tokens(path)
    steps.clear()
    assert tokens.delete("1") is False
    open_tokens(path)
    assert steps == []
    assert tokens.clear() == 0
    assert steps == RETIRED
