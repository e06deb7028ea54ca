"""A file that cannot be used is refused with a sentence that says what to do, and left as it was."""

from __future__ import annotations

import contextlib
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sqlite import published
from tests.sqlite.conftest import FIXTURE, Open
from tests.sqlite.tokens import by_name, query, token
from tests.support.processes import NOBODY, public_folder, without_rights
from tests.support.sqlite_faults import Fault, sqlite_faults
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    TokenStoreError,
)
from zoho_tokenstore.registry import open_repository
from zoho_tokenstore.repository import TokenRepository

PUBLISHED = pytest.param("published", marks=pytest.mark.clear)


def contents(folder: Path) -> dict[str, tuple[int, bytes]]:
    """All files of a folder, with mode and bytes; only while no store in this process is open."""
    return {file.name: (file.stat().st_mode, file.read_bytes()) for file in sorted(folder.iterdir())}


def refused(path: Path, error: type[TokenStoreError], says: str) -> TokenStoreError:
    """Opening fails with this error, and the folder is as before."""
    before = contents(path.parent)
    with pytest.raises(error, match=says) as failure:
        SQLiteBackend(path, timeout=0.2)
    assert contents(path.parent) == before
    assert str(path) in str(failure.value)
    return failure.value


def store_file(folder: Path, rows: int = 40) -> Path:
    """A closed database of ours, of several pages."""
    path = folder / "tokens.db"
    with TokenRepository(SQLiteBackend(path)) as tokens:
        for number in range(rows):
            tokens.save(token(f"user{number}"))
    return path


@pytest.mark.parametrize(
    "content",
    [b"id,user_name\n" * 100, b"\0" * 4096, b"SQLite format 2\0" + b"\0" * 4080, b"x", b"\xff" * 511],
    ids=["text", "zeros", "an older format", "one byte", "below a page"],
)
def test_what_is_no_database_is_refused(tmp_path: Path, content: bytes) -> None:
    """Whatever stands there, not a byte of it is touched."""
    path = tmp_path / "tokens.db"
    path.write_bytes(content)
    refused(path, BackendError, "not a SQLite database.* left as it is")


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    """0 bytes may be all that is left of a database: it is not begun anew without a word."""
    path = tmp_path / "tokens.db"
    path.touch()
    refused(path, BackendError, "0 bytes.*Restore it, or delete the file")


@pytest.mark.parametrize("journal", ["wal", "delete"])
def test_a_database_that_is_cut_short_is_refused(tmp_path: Path, journal: str) -> None:
    """Cut within the header, within a page, between pages, by a byte: never opened with the rest."""
    whole = store_file(tmp_path)
    with contextlib.closing(sqlite3.connect(whole)) as connection:
        connection.execute(f"PRAGMA journal_mode = {journal}")
    content = whole.read_bytes()
    pages = len(content) // 4096
    assert pages > 8
    lengths = [1, 16, 50, 99, 100, 511, 512, 513, 4095, 4096, 4097, 2 * 4096, 3 * 4096 + 7]
    lengths += [len(content) - 2 * 4096, len(content) - 4096, len(content) - 2048, len(content) - 1]
    for length in lengths:
        whole.write_bytes(content[:length])
        refused(whole, BackendError, "cut short.* left as it is")


def test_a_published_database_that_is_cut_short_is_refused(legacy: Path) -> None:
    """It is looked at before it is changed: nothing is added to half a database."""
    content = legacy.read_bytes()
    for length in (50, 600, 4096, 2 * 4096, len(content) - 4096, len(content) - 100):
        legacy.write_bytes(content[:length])
        refused(legacy, BackendError, "cut short.* left as it is")


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    """A schema that this release does not know is not written to; the message says to upgrade."""
    path = store_file(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE zoho_tokenstore SET value = '2' WHERE name = 'schema_version'")
    refused(path, BackendError, "schema 2; this release knows 1. Upgrade zoho-tokenstore")


@pytest.mark.parametrize("change", ["DELETE FROM zoho_tokenstore", "UPDATE zoho_tokenstore SET value = 'x'"])
def test_a_database_that_hides_its_schema_is_refused(tmp_path: Path, change: str) -> None:
    """Somebody else's table of our name, or a damaged one, is not written to."""
    path = store_file(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(change)
    refused(path, BackendError, "does not state its schema")


def test_a_text_that_is_not_utf_8_is_shown_nowhere(tmp_path: Path) -> None:
    """Python's message quotes it."""
    path = store_file(tmp_path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE zoho_tokenstore SET value = CAST(X'736563726574ff' AS TEXT)")
    error = refused(path, BackendError, "holds text that is not UTF-8")
    assert "secret" not in f"{error} {error.__cause__}"


def test_another_programs_oauthtoken_table_is_refused(tmp_path: Path) -> None:
    """A table that lacks published columns is not extended; the message names them."""
    path = tmp_path / "tokens.db"
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE oauthtoken (id INTEGER PRIMARY KEY, access_token TEXT)")
    refused(path, BackendError, "not the published one: it lacks user_name, client_id, .* left as it is")


def test_a_table_that_breaks_the_migration_is_left_as_it_was(tmp_path: Path) -> None:
    """The migration is one transaction: what fails in the middle of it is taken back."""
    path = tmp_path / "tokens.db"
    published.create(path)
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE INDEX oauthtoken_by_access_token ON oauthtoken (access_token)")
    schema = query(path, "SELECT * FROM sqlite_master")
    with pytest.raises(BackendError, match="something else named oauthtoken_by_access_token"):
        SQLiteBackend(path)
    assert query(path, "SELECT * FROM sqlite_master") == schema


def test_a_folder_is_refused(tmp_path: Path) -> None:
    """The path must be a file's."""
    folder = tmp_path / "tokens.db"
    folder.mkdir()
    with pytest.raises(ConfigurationError, match=r"is a folder; .*path of a file"):
        SQLiteBackend(folder)
    assert list(folder.iterdir()) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_what_is_no_regular_file_is_refused(tmp_path: Path) -> None:
    """A pipe would block whoever opens it."""
    path = tmp_path / "tokens.db"
    os.mkfifo(path)
    with pytest.raises(ConfigurationError, match="is not a regular file"):
        SQLiteBackend(path)


@pytest.mark.parametrize("parent", ["missing", "missing/too", "file"])
def test_a_missing_folder_is_named(tmp_path: Path, parent: str) -> None:
    """No folders are made: a wrong path is more likely than a wanted one."""
    (tmp_path / "file").touch()
    with pytest.raises(ConfigurationError, match=rf"{parent} of the token database does not exist. Create"):
        SQLiteBackend(tmp_path / parent / "tokens.db")
    assert [file.name for file in tmp_path.iterdir()] == ["file"]


def test_a_link_leads_to_the_database(tmp_path: Path, open_tokens: Open) -> None:
    """By its link and by its name it is one database with one journal, also if it does not exist yet."""
    (tmp_path / "real").mkdir()
    real, link = tmp_path / "real" / "tokens.db", tmp_path / "link.db"
    link.symlink_to(real)
    saved = open_tokens(link).save(token("user"))
    assert open_tokens(real).find(by_name("user")) == saved
    assert sorted(file.name for file in tmp_path.iterdir()) == ["link.db", "real"]


@pytest.mark.parametrize("name", ["a?b.db", "a#b.db", "a%20b.db", "a b.db", "Zoë.db", "a;b'c\".db", "-x.db"])
def test_any_file_name_is_taken_literally(tmp_path: Path, name: str, open_tokens: Open) -> None:
    """Characters with a meaning in URIs and SQL have none here."""
    open_tokens(tmp_path / name).close()
    assert [file.name for file in tmp_path.iterdir()] == [name]


@pytest.mark.parametrize("path", ["", "a\0b", b"bytes.db", ":memory:"])
def test_a_path_that_cannot_be_meant_is_refused(path: str) -> None:
    """Neither a temporary database nor one in memory is opened in place of a file."""
    with pytest.raises(ConfigurationError):
        SQLiteBackend(path)


def refusal(path: Path) -> Callable[[], str]:
    """What opening says, or that it works; to be run as another user."""

    def opening() -> str:
        try:
            SQLiteBackend(path, timeout=0.2).close()
        except BackendUnavailableError as error:
            return str(error)
        return "opened"

    return opening


def owned_by_nobody(path: Path) -> None:
    if os.geteuid() == 0:
        os.chown(path, NOBODY, NOBODY)


@contextlib.contextmanager
def folder_of_nobody() -> Iterator[Path]:
    """A folder that the user of `without_rights` can reach, and nobody else can write."""
    with public_folder() as folder:
        owned_by_nobody(folder)
        folder.chmod(0o755)
        yield folder


RIGHTS = "Give this user permission to write the file and its folder"


@pytest.mark.parametrize("kind", ["ours", PUBLISHED])
def test_a_read_only_file_is_refused(kind: str) -> None:
    """It is refused when it is opened, before a one-time code is spent for a token that cannot be kept."""
    with folder_of_nobody() as folder:
        path = folder / "tokens.db"
        shutil.copyfile(FIXTURE if kind == "published" else store_file(folder), folder / "copy")
        (folder / "copy").replace(path)
        owned_by_nobody(path)
        path.chmod(0o444)
        before = contents(folder)
        assert RIGHTS in without_rights(refusal(path))
        assert contents(folder) == before


@pytest.mark.parametrize("kind", ["ours", PUBLISHED])
def test_a_database_in_a_read_only_folder_is_refused(kind: str) -> None:
    """SQLite needs to write its journals beside the file."""
    with folder_of_nobody() as folder:
        path = folder / "tokens.db"
        shutil.copyfile(FIXTURE if kind == "published" else store_file(folder), folder / "copy")
        (folder / "copy").replace(path)
        path.chmod(0o600)
        owned_by_nobody(path)
        owned_by_nobody(folder)
        folder.chmod(0o555)
        before = contents(folder)
        said = without_rights(refusal(path))
        assert "cannot be opened. Check that its folder exists and may be written" in said or RIGHTS in said
        assert contents(folder) == before
        folder.chmod(0o777)


def test_a_new_database_in_a_read_only_folder_is_refused() -> None:
    """Nothing is left in the folder."""
    with folder_of_nobody() as folder:
        owned_by_nobody(folder)
        folder.chmod(0o555)
        said = without_rights(refusal(folder / "tokens.db"))
        assert "access is denied. Give this user permission to write the folder, the file" in said
        assert contents(folder) == {}
        folder.chmod(0o777)


def test_a_folder_that_may_not_be_entered_is_told() -> None:
    """That the file cannot be seen is not taken for its absence."""
    with folder_of_nobody() as folder:
        path = store_file(folder)
        folder.chmod(0o000)
        said = without_rights(refusal(path)) if os.geteuid() == 0 else refusal(path)()
        assert "access is denied" in said
        folder.chmod(0o777)


def test_a_database_that_may_be_written_is_opened_by_another_user() -> None:
    """The refusals above are due to the rights, not to the other user."""
    with folder_of_nobody() as folder:
        path = folder / "tokens.db"
        assert without_rights(refusal(path)) == "opened"
        assert without_rights(refusal(path)) == "opened"


def test_a_full_disk_refuses_a_new_database(tmp_path: Path) -> None:
    """Nothing is left behind, and the message says that the disk is full."""
    with sqlite_faults(directory=tmp_path) as faults:
        faults.arm(fault=Fault.ENOSPC, once=False, match=".new-wal")
        says = "cannot be used: the disk is full. Free some space and try again"
        with pytest.raises(BackendUnavailableError, match=says):
            SQLiteBackend(tmp_path / "tokens.db")
        faults.disarm()
        assert contents(tmp_path) == {}


@pytest.mark.parametrize("kind", ["ours", PUBLISHED])
def test_a_full_disk_refuses_what_is_to_be_written(tmp_path: Path, kind: str) -> None:
    """Opening a published database, or a save to ours, fails; the tokens in it stay as they were."""
    path = tmp_path / "tokens.db"
    shutil.copyfile(FIXTURE if kind == "published" else store_file(tmp_path), tmp_path / "copy")
    (tmp_path / "copy").replace(path)
    before = path.read_bytes()
    with sqlite_faults() as faults:
        for after in range(1, 200):
            faults.arm(after=after, fault=Fault.ENOSPC, once=False)
            message = failing_save(path)
            faults.disarm()
            if "the disk is full. Free some space and try again" in message:
                break
    assert "the disk is full. Free some space and try again" in message
    assert len(query(path, "SELECT * FROM oauthtoken")) == (9 if kind == "published" else 40)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir() if file.stat().st_size] == ["tokens.db"]


def failing_save(path: Path) -> str:
    with pytest.raises(BackendUnavailableError) as failure, TokenRepository(SQLiteBackend(path)) as tokens:
        tokens.save(token("one more"))
    return str(failure.value)


def test_a_database_locked_by_others_is_told_in_time(tmp_path: Path) -> None:
    """Opening, too, waits for as long as was said, and no longer."""
    path = store_file(tmp_path)
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(BackendTimeoutError, match=r"locked by others for 0\.2 s"):
            open_repository(f"sqlite:///{path}?timeout=0.2")


@pytest.mark.skipif(os.name == "nt", reason="this variant of SQLite's file access is for POSIX systems")
@pytest.mark.parametrize("kind", ["new", PUBLISHED])
def test_a_file_system_without_shared_memory_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There write-ahead mode is silently not taken; the store does not go on without it."""
    path = tmp_path / "tokens.db"
    if kind == "published":
        shutil.copyfile(FIXTURE, path)
    native = sqlite3.connect

    def connect(database: str, **options: Any) -> Any:
        return native(f"{database}&vfs=unix-dotfile", **options)

    monkeypatch.setattr(sqlite3, "connect", connect)
    with pytest.raises(BackendUnavailableError, match=r"has no memory shared .* Move it to a local disk"):
        SQLiteBackend(path)
    monkeypatch.undo()
    assert [file.name for file in tmp_path.iterdir()] == (["tokens.db"] if kind == "published" else [])
    assert kind == "new" or len(query(path, "SELECT * FROM oauthtoken")) == 9
