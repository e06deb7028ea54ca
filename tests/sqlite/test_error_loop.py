"""The n-th file operation fails, n = 1, 2, 3, … until a run passes; see `tests.support.durability`.

Both SQLite's operations and Python's own are counted; see `tests.support.sqlite_faults`.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.sqlite.conftest import FIXTURE
from tests.sqlite.kind import SQLITE
from tests.support import Fault
from tests.support.durability import CHANGES, FAULTS, LASTING, fail_change, fail_opening, stored


@LASTING
@FAULTS
@pytest.mark.parametrize("change", CHANGES)
def test_a_failing_change_leaves_the_old_or_the_new(
    quick_folder: Path, change: str, fault: Fault, once: bool
) -> None:
    """Update, insert, deletion and clear(): same store, a new store and the file all agree afterwards."""
    assert fail_change(SQLITE, quick_folder, fault, once, change) > 3


@LASTING
@FAULTS
def test_a_failing_first_opening_leaves_nothing_or_a_store(
    quick_folder: Path, fault: Fault, once: bool
) -> None:
    """A new database is there whole or not at all; a second try works, and clears up after the first."""
    assert fail_opening(SQLITE, quick_folder, fault, once, prepare=lambda path: None, before={}) > 10


@pytest.mark.long
@LASTING
@FAULTS
@pytest.mark.clear
def test_a_failing_adoption_loses_no_token(quick_folder: Path, fault: Fault, once: bool) -> None:
    """The nine tokens of a published database are there after every failure of the migration."""
    with SQLITE.open(shutil.copyfile(FIXTURE, quick_folder / "whole.db")) as tokens:
        before = stored(tokens)
    assert len(before) == 9

    def prepare(path: Path) -> None:
        shutil.copyfile(FIXTURE, path)

    assert fail_opening(SQLITE, quick_folder, fault, once, prepare, before) > 20
