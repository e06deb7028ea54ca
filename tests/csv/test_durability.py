"""What has returned is on the disk: the order of flushes and renamings, operation by operation."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.csv.kind import CSV
from tests.csv.support import FIXTURE, NAME, open_tokens
from tests.support.durability import CHANGES, fill, recorded

Operations = list[tuple[str, str]]
STEPS = ["os.write .new", "os.fsync .new", "os.replace file", "os.fsync folder"]
RETIRED = ["os.write .new", "os.fsync .new", "os.replace ired", "os.fsync folder"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def operations(path: Path) -> Iterator[Operations]:
    with recorded(CSV, path.parent) as done:
        yield done


def steps(path: Path, operations: Operations) -> list[str]:
    """The writes, flushes and renamings of the token file, in their order."""
    names = {path.parent.name: "folder", NAME: "file"}
    return [
        f"{operation} {names.get(name, name[-4:])}"
        for operation, name in operations
        if operation in {"os.write", "os.fsync", "os.replace"}
    ]


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_is_flushed_before_and_after_it_takes_its_place(
    path: Path, operations: Operations, change: str
) -> None:
    """Its content first, so that no loss of power leaves half of it; then the folder that names it.

    The ids of rows that are deleted are on the disk before the rows go.
    """
    tokens = open_tokens(path)
    first = fill(tokens)
    operations.clear()
    CHANGES[change].call(tokens, first)
    assert steps(path, operations) == [*(RETIRED if change in {"delete", "clear"} else []), *STEPS]


def test_a_new_file_too(path: Path, operations: Operations) -> None:
    """It gets its name when it is complete."""
    open_tokens(path)
    assert steps(path, operations) == STEPS


@pytest.mark.clear
def test_a_file_of_the_sdk_too(path: Path, operations: Operations) -> None:
    """It is replaced, never written."""
    shutil.copyfile(FIXTURE, path)
    open_tokens(path)
    assert steps(path, operations) == STEPS


def test_nothing_is_written_when_there_is_nothing_to_do(path: Path, operations: Operations) -> None:
    """Deleting what is not there, opening a file of ours; clearing an empty store notes its time alone."""
    tokens = open_tokens(path)
    operations.clear()
    assert tokens.delete("1") is False
    open_tokens(path)
    assert steps(path, operations) == []
    assert tokens.clear() == 0
    assert steps(path, operations) == RETIRED
