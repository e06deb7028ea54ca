"""What has returned is on the disk: the order of writes and flushes, operation by operation."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.sqlite.conftest import Open
from tests.sqlite.tokens import token
from tests.support.sqlite_faults import Faults, sqlite_faults
from zoho_tokenstore.repository import TokenRepository

Operations = list[tuple[str, str]]


@pytest.fixture
def operations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Operations]:
    """All file operations of SQLite, and Python's in the folder, in their order, with the file's name."""
    done: Operations = []

    def note(_faults: Faults, operation: str, name: str) -> None:
        done.append((operation, name))

    with sqlite_faults(directory=tmp_path):
        monkeypatch.setattr(Faults, "strike", note)
        yield done


CHANGES: dict[str, Callable[[TokenRepository], object]] = {
    "insert": lambda tokens: tokens.save(token("another")),
    "update": lambda tokens: tokens.save(token("user", "access-2")),
    "clear": lambda tokens: tokens.clear(),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_returns_after_its_log_is_flushed(
    tmp_path: Path, open_tokens: Open, operations: Operations, change: str
) -> None:
    """After the last write to the log it is flushed, also to a log that was begun long ago."""
    tokens = open_tokens(tmp_path / "tokens.db")
    tokens.save(token("user"))
    operations.clear()
    CHANGES[change](tokens)
    log = [operation for operation, name in operations if name == "tokens.db-wal"]
    assert "write" in log
    assert "sync" in log[len(log) - log[::-1].index("write") :]


def test_a_new_database_is_flushed_before_and_after_it_gets_its_name(
    tmp_path: Path, open_tokens: Open, operations: Operations
) -> None:
    """Its content first, so that no loss of power leaves an empty file; then the folder that names it."""
    open_tokens(tmp_path / "tokens.db")
    steps = [operation for operation, name in operations if operation in {"os.fsync", "os.link"}]
    assert steps == ["os.fsync", "os.link", "os.fsync"]
    folders = [name for operation, name in operations if operation == "os.fsync"]
    assert folders[0].endswith(".new")
    assert folders[1] == tmp_path.name
