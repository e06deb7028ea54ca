"""What has returned is on the disk: the order of writes and flushes, operation by operation."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.sqlite.kind import SQLITE
from tests.support.durability import CHANGES, fill, recorded


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_returns_after_its_log_is_flushed(tmp_path: Path, change: str) -> None:
    """After the last write to the log it is flushed, also to a log that was begun long ago."""
    with recorded(SQLITE, tmp_path) as operations, SQLITE.open(tmp_path / SQLITE.name) as tokens:
        first = fill(tokens)
        operations.clear()
        CHANGES[change].call(tokens, first)
        log = [operation for operation, name in operations if name == "tokens.db-wal"]
    assert "write" in log
    assert "sync" in log[len(log) - log[::-1].index("write") :]


def test_a_new_database_is_flushed_before_and_after_it_gets_its_name(tmp_path: Path) -> None:
    """Its content first, so that no loss of power leaves an empty file; then the folder that names it."""
    with recorded(SQLITE, tmp_path) as operations, SQLITE.open(tmp_path / SQLITE.name):
        done = list(operations)
    steps = [operation for operation, _ in done if operation in {"os.fsync", "os.link"}]
    assert steps == ["os.fsync", "os.link", "os.fsync"]
    folders = [name for operation, name in done if operation == "os.fsync"]
    assert folders[0].endswith(".new")
    assert folders[1] == tmp_path.name
