"""A SQLite file by SQLAlchemy: the file is the file."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from zoho_tokenstore import BackendUnavailableError, TokenRecord, open_repository

ALICE = TokenRecord(user_name="alice", access_token="a1")


def _delete(file: Path) -> None:
    file.unlink()


def _replace(file: Path) -> None:
    other = file.with_name("other.db")
    with closing(sqlite3.connect(file)) as old, closing(sqlite3.connect(other)) as new:
        old.backup(new)
    other.chmod(0o600)
    other.replace(file)


@pytest.mark.parametrize("happens", [_delete, _replace])
def test_nothing_is_acknowledged_into_a_file_that_is_gone(
    tmp_path: Path, happens: Callable[[Path], None]
) -> None:
    """A file that was deleted or replaced under an open store refuses saves and look-ups, and tells why."""
    file = tmp_path / "tokens.db"
    with open_repository(f"sql+sqlite:///{file}") as tokens:
        saved = tokens.save(ALICE)
        happens(file)
        with pytest.raises(BackendUnavailableError, match="deleted or replaced"):
            tokens.save(ALICE.changed(id=saved.id, access_token="a2"))
    if file.exists():
        with open_repository(f"sql+sqlite:///{file}") as tokens:
            assert tokens.get(saved.id or "") == saved


def test_a_file_with_several_names_is_refused(tmp_path: Path) -> None:
    """As in the SQLite store: after a crash, who opens it by another name misses the journal."""
    file = tmp_path / "tokens.db"
    open_repository(f"sql+sqlite:///{file}").close()
    file.with_name("copy.db").hardlink_to(file)
    with pytest.raises(BackendUnavailableError, match=r"has 2 names \(hard links\).*find / -samefile"):
        open_repository(f"sql+sqlite:///{file}")
    file.with_name("copy.db").unlink()
    open_repository(f"sql+sqlite:///{file}").close()


def test_a_relative_path_stays_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store on a relative path goes on with its file after a change of the folder."""
    monkeypatch.chdir(tmp_path)
    with open_repository("sql+sqlite:///tokens.db") as tokens:
        saved = tokens.save(ALICE)
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        assert tokens.save(saved.changed(access_token="a2")).access_token == "a2"


@pytest.mark.skipif(os.name == "nt", reason="there, folders decide")
def test_a_new_file_is_no_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nobody could read anything in it: only one that holds rows is told about. Both are closed to others."""
    file = tmp_path / "tokens.db"
    before = os.umask(0o022)
    try:
        open_repository(f"sql+sqlite:///{file}").close()
    finally:
        os.umask(before)
    assert (file.stat().st_mode & 0o777, caplog.messages) == (0o600, [])
    file.chmod(0o644)
    open_repository(f"sql+sqlite:///{file}").close()
    assert (file.stat().st_mode & 0o777, len(caplog.messages)) == (0o600, 1)
