"""What a creation leaves that was killed in the middle, and how it goes away."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.sqlite.conftest import Open
from tests.sqlite.tokens import token

STRAY = ".tokens.db.0123456789abcdef.new"


@pytest.fixture
def path(tmp_path: Path, open_tokens: Open) -> Path:
    path = tmp_path / "tokens.db"
    tokens = open_tokens(path)
    tokens.save(token("user"))
    tokens.close()
    return path


def names(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


def test_a_second_name_of_the_database_is_removed(path: Path, open_tokens: Open) -> None:
    """Killed between linking and unlinking: the working name leads to the tokens, too."""
    path.with_name(STRAY).hardlink_to(path)
    tokens = open_tokens(path)
    assert tokens.count() == 1
    tokens.close()
    assert names(path) == ["tokens.db"]


@pytest.mark.parametrize("suffix", ["", "-wal", "-shm", "-journal"])
def test_what_was_never_finished_is_removed_after_a_while(path: Path, open_tokens: Open, suffix: str) -> None:
    """A young one may be the work of a process that is just creating the database: it is left."""
    stray = path.with_name(STRAY + suffix)
    stray.touch()
    open_tokens(path).close()
    assert names(path) == [stray.name, "tokens.db"]
    os.utime(stray, (time.time() - 3600,) * 2)
    open_tokens(path).close()
    assert names(path) == ["tokens.db"]


@pytest.mark.parametrize(
    "name",
    [
        ".other.db.0123456789abcdef.new",
        "tokens.db.0123456789abcdef.new",
        ".tokens.db.new",
        ".tokens.db.0123456789abcdef.newer",
        ".tokens.db.0123456789abcdeX.new",
        ".tokens.db.backup",
    ],
)
def test_other_peoples_files_are_left_alone(path: Path, open_tokens: Open, name: str) -> None:
    """Whatever their age: only the names that a creation makes for this database are its leftovers."""
    other = path.with_name(name)
    other.write_text("mine")
    os.utime(other, (0, 0))
    open_tokens(path).close()
    assert other.read_text() == "mine"
