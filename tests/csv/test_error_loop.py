"""The n-th file operation fails, n = 1, 2, … until a run passes; see `tests.support.durability`."""

from __future__ import annotations

import errno
import os
import re
import shutil
from pathlib import Path

import pytest

from tests.csv.kind import ALWAYS_BESIDE, CSV
from tests.csv.support import FIXTURE, NAME, beside, open_tokens, token
from tests.support import Fault, Faults
from tests.support.durability import (
    CHANGES,
    FAULTS,
    LASTING,
    Failing,
    fail_change,
    fail_each,
    fail_opening,
    returns,
    stored,
)
from tests.support.folders import quick_folder
from zoho_tokenstore.errors import BackendUnavailableError

__all__ = ["quick_folder"]

TTL = 30_000

REASONS = {
    errno.ENOSPC: "the disk is full. Free some space",
    errno.EDQUOT: "the disk is full. Free some space",
    errno.EACCES: "access is denied. Give this user permission to write",
    errno.EROFS: "its file system is read-only",
    errno.EBUSY: "it is a mount point, and cannot be replaced. Mount its folder instead",
    errno.EIO: "the disk failed to read or write",
    errno.EMFILE: "Too many open files. Check the file system",
}


@pytest.mark.parametrize("number", REASONS, ids=errno.errorcode.get)
def test_every_refusal_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """And has the operating system's error as its cause; the old token stays."""
    tokens = open_tokens(tmp_path / NAME)
    tokens.save(token("first"))

    def replace(source: object, target: object) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "replace", replace)
        with pytest.raises(BackendUnavailableError, match=re.escape(REASONS[number])) as refused:
            tokens.save(token("first", "access-2"))
    assert isinstance(refused.value.__cause__, OSError)
    assert stored(tokens) == {"first": "access-1"}
    assert beside(tmp_path / NAME) == ALWAYS_BESIDE


@LASTING
@FAULTS
@pytest.mark.parametrize("change", CHANGES)
def test_a_failing_change_leaves_the_old_or_the_new(
    quick_folder: Path, change: str, fault: Fault, once: bool
) -> None:
    """Update, insert, deletion and clear(): same store, a new store and the file all agree afterwards."""
    assert fail_change(CSV, quick_folder, fault, once, change) > 3


@LASTING
@FAULTS
def test_a_failing_first_opening_leaves_nothing_or_a_store(
    quick_folder: Path, fault: Fault, once: bool
) -> None:
    """A new file is there whole or not at all; a second try works, and clears up after the first."""
    assert fail_opening(CSV, quick_folder, fault, once, prepare=lambda path: None, before={}) > 5


@pytest.mark.long
@LASTING
@FAULTS
@pytest.mark.clear
def test_a_failing_take_over_loses_no_token(quick_folder: Path, fault: Fault, once: bool) -> None:
    """The tokens of a file of the SDK's are there after every failure of the opening."""
    with open_tokens(shutil.copyfile(FIXTURE, quick_folder / NAME)) as tokens:
        before = stored(tokens)
    assert len(before) > 15

    def prepare(path: Path) -> None:
        shutil.copyfile(FIXTURE, path)
        os.utime(path, (0, 0))

    assert fail_opening(CSV, quick_folder, fault, once, prepare, before) > 5


@LASTING
@FAULTS
def test_failing_leases_leave_the_old_or_the_new(quick_folder: Path, fault: Fault, once: bool) -> None:
    """What has been replaced is so for everybody, what failed is said."""
    texts = ["", "one", "two", "three"]

    def attempt(path: Path, failing: Failing, _faults: Faults) -> bool:
        with open_tokens(path) as tokens, open_tokens(path) as other:
            done = 0
            with failing():
                while done < 3 and returns(tokens.leases.replace, "a", texts[done], texts[done + 1], TTL):
                    done += 1
            # What failed may be there all the same; nothing else may be.
            assert other.leases.read("a").text in texts[done : done + 2]
            assert other.leases.replace("b", "", "two", TTL)
        return done == 3

    assert fail_each(CSV, quick_folder, fault, once, attempt) > 5
