"""Nobody but the owner can read a new database, at no moment of its life."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sqlite.conftest import Open
from tests.sqlite.tokens import token
from tests.support.sqlite_faults import Faults, sqlite_faults
from zoho_tokenstore.backends.sqlite import SQLiteBackend

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has other rights: the folder's")


@contextlib.contextmanager
def umask(mask: int) -> Iterator[None]:
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[set[tuple[str, int]]]:
    """The files that ever were in the folder, and their rights before every single file operation."""
    rights: set[tuple[str, int]] = set()

    def look(_faults: Faults, _operation: str, _name: str) -> None:
        rights.update((kind(file.name), file.stat().st_mode & 0o777) for file in tmp_path.iterdir())

    with sqlite_faults(directory=tmp_path):
        monkeypatch.setattr(Faults, "strike", look)
        yield rights


def kind(name: str) -> str:
    """What a file is, without the random part of a new database's working name."""
    return "new" + name.partition(".new")[2] if ".new" in name else name


def test_a_new_database_is_the_owners_alone_at_every_moment(
    tmp_path: Path, open_tokens: Open, seen: set[tuple[str, int]]
) -> None:
    """With umask 0, which allows everything, database and journals never have more than 0600."""
    with umask(0):
        tokens = open_tokens(tmp_path / "tokens.db")
        tokens.save(token("user"))
        tokens.close()
    assert seen == {(name, 0o600) for name in ("new", "tokens.db", "tokens.db-wal", "tokens.db-shm")}


def test_an_adopted_database_has_no_journal_that_others_can_read(
    legacy: Path, open_tokens: Open, seen: set[tuple[str, int]]
) -> None:
    """The file that everybody could read is closed to them before the first journal is made."""
    legacy.chmod(0o644)
    with umask(0):
        tokens = open_tokens(legacy)
        tokens.save(token("user"))
        tokens.close()
    journals = {f"zohooauth.db{suffix}" for suffix in ("-journal", "-wal", "-shm")}
    assert seen == {(name, 0o600) for name in {"zohooauth.db"} | journals} | {("zohooauth.db", 0o644)}


def test_the_file_is_created_with_its_final_rights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By construction: it is opened with 0600 and O_EXCL, not narrowed afterwards."""
    created: list[tuple[str, int, int]] = []
    native = os.open

    def recording(path: Any, flags: int, mode: int = 0o777, **more: Any) -> int:
        if flags & os.O_CREAT:
            created.append((kind(Path(path).name), flags & os.O_EXCL, mode))
        return native(path, flags, mode, **more)

    monkeypatch.setattr(os, "open", recording)
    monkeypatch.setattr(os, "chmod", None)
    SQLiteBackend(tmp_path / "tokens.db").close()
    assert created == [("new", os.O_EXCL, 0o600)]


def test_rights_that_the_owner_gives_are_kept(tmp_path: Path, open_tokens: Open) -> None:
    """A database of ours that was opened to a group on purpose stays so, journals included."""
    path = tmp_path / "tokens.db"
    open_tokens(path).close()
    path.chmod(0o660)
    open_tokens(path).save(token("user"))
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o660}
