"""A table that others made: served with all its rows, or refused when it is opened, and left as it was."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path
from typing import Final

import pytest

from tests.sqlite import published
from tests.sqlite.foreign import PLAIN, REFUSED, SERVED, UNKEYED
from tests.sqlite.tokens import query
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import COLUMNS, LOOKUPS, Row
from zoho_tokenstore.testing._backend import content, full_row

TEN: Final = ", ".join(COLUMNS)
ROWS: Final = [
    (str(n), f"user{n}", "c", "s", f"r{n}", f"a{n}", f"g{n}", "1700000000000", "u", "d") for n in (1, 2, 3)
]
GUARD: Final = (
    "CREATE TRIGGER guard BEFORE {} ON oauthtoken WHEN NEW.user_name = 'user1' BEGIN SELECT BODY; END"
)
NO_ROWS: Final = {  # can be in these tables
    "numbers as ids", "a trigger that refuses", "a trigger that fails", "a trigger without its table",
    "a view", "NOT NULL of others", "NOT NULL, NULL by default", "a generated column of ours",
}  # fmt: skip


def make(path: Path, script: str, *, rows: bool = True) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
        if rows:
            connection.executemany(
                f"INSERT INTO oauthtoken ({TEN}) VALUES ({', '.join('?' * len(COLUMNS))})", ROWS
            )
        connection.commit()


@pytest.mark.parametrize("kind", SERVED)
def test_a_table_is_served_whole(tmp_path: Path, kind: str) -> None:
    """All rows are found, listed, saved, renewed and deleted; what is not ours in it stays."""
    path = tmp_path / "tokens.db"
    make(path, SERVED[kind])
    backend = SQLiteBackend(path)
    listed = list(backend.scan())
    assert [row[:10] for row in listed] == ROWS
    for row in listed:
        assert isinstance(row, Row)
        assert backend.load(row.id) == row
        assert [backend.find(index, getattr(row, index)) for index in LOOKUPS] == [[row]] * len(LOOKUPS)
        etag = backend.write(row._replace(access_token="b" * 300, expiry_time="42"), expect=row.etag)
        changed = backend.load(row.id)
        assert changed == row._replace(access_token="b" * 300, expiry_time="42", etag=etag)
    new = full_row("new")._replace(expiry_time="43")
    backend.rehearse(new, expect=None)
    backend.write(new, expect=None)
    with pytest.raises(RowChangedError):
        backend.write(new, expect=None)
    assert content(backend.load("new")) == new
    assert backend.remove("2") is True
    backend.close()
    again = SQLiteBackend(path)
    assert [row.id for row in again.scan()] == ["1", "3", "new"]
    assert [retired.id for retired in again.retired.scan()] == ["2"]
    assert again.clear() == 3
    again.close()


@pytest.mark.clear
@pytest.mark.parametrize("kind", ["WITHOUT ROWID", "STRICT", "expiry as a number", "id that may be null"])
def test_the_published_code_may_work_beside(tmp_path: Path, kind: str) -> None:
    """What it inserts, updates and deletes has an etag, outdates ours, and is retired."""
    path = tmp_path / "tokens.db"
    make(path, SERVED[kind])
    backend = SQLiteBackend(path)
    read = backend.load("1")
    assert read is not None
    published.update(path, "user1", access_token="theirs")
    with pytest.raises(RowChangedError):
        backend.write(read, expect=read.etag)
    assert published.insert(path, "user4", tokens="4") == "4"
    inserted = backend.load("4")
    assert inserted is not None
    assert backend.write(inserted, expect=inserted.etag)
    published.delete(path, "4")
    assert [retired.id for retired in backend.retired.scan()] == ["4"]
    backend.close()


def test_columns_of_others_stay_as_they_are(tmp_path: Path) -> None:
    """Our writes leave them alone, in old rows and in new ones."""
    path = tmp_path / "tokens.db"
    make(path, SERVED["other columns"])
    with published.connection(path) as connection:
        connection.execute("UPDATE oauthtoken SET n = 1, note = 'mine', needed = 2 WHERE id = '1'")
    backend = SQLiteBackend(path)
    row = backend.load("1")
    assert row is not None
    backend.write(row._replace(access_token="b"), expect=row.etag)
    backend.write(Row(id="4"), expect=None)
    backend.close()
    held = query(path, "SELECT n, note, needed FROM oauthtoken WHERE id IN ('1', '4') ORDER BY id")
    assert held == [(1, "mine", 2), (7, None, 5)]


@pytest.mark.parametrize("kind", REFUSED)
def test_a_table_is_refused_whole(tmp_path: Path, kind: str) -> None:
    """The sentence names what is in the way, and the way out; not a byte of the database has changed."""
    script, says = REFUSED[kind]
    path = tmp_path / "tokens.db"
    make(path, script, rows=kind not in NO_ROWS)
    before = path.read_bytes()
    with pytest.raises(BackendError, match=f"cannot keep every token: .*(?:{says})") as failure:
        SQLiteBackend(path)
    assert "It was left as it is. " in str(failure.value)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.db"]


def test_the_way_out_leads_out(tmp_path: Path) -> None:
    """What the refusal says to do is what helps: the rows are served then, under their numbers as texts."""
    path = tmp_path / "tokens.db"
    make(path, REFUSED["numbers as ids"][0])
    with pytest.raises(BackendError) as failure:
        SQLiteBackend(path)
    steps = re.search(r"\((ALTER .*?)\), open the store again.*: (INSERT .*)\.$", str(failure.value))
    assert steps
    with published.connection(path) as connection:
        connection.execute(steps[1])
    SQLiteBackend(path).close()
    with published.connection(path) as connection:
        connection.execute(steps[2])
    backend = SQLiteBackend(path)
    assert [row[:10] for row in backend.scan()] == ROWS
    backend.close()


def test_duplicate_ids_are_refused(tmp_path: Path) -> None:
    """Of two rows with one id nobody could say which one is meant; the way out is in the message."""
    path = tmp_path / "tokens.db"
    make(path, UNKEYED)
    make(path, "SELECT 1")
    with pytest.raises(BackendError, match=r"two rows can have one id.*Delete the duplicates") as failure:
        SQLiteBackend(path)
    assert len(query(path, "SELECT * FROM oauthtoken")) == 6
    with published.connection(path) as connection:
        connection.execute("DELETE FROM oauthtoken WHERE rowid > 3")
        connection.execute(str(failure.value).rpartition("run: ")[2].rstrip("."))
    backend = SQLiteBackend(path)
    assert [row[:10] for row in backend.scan()] == ROWS
    backend.close()


@pytest.mark.parametrize("expect", ["a new row", "a known row"])
@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            "CREATE UNIQUE INDEX one_each ON oauthtoken (user_name)",
            "UNIQUE constraint failed: oauthtoken.user_name",
        ),
        (
            GUARD.replace("BODY", "RAISE(ABORT, 'secret')"),
            "a trigger on the table oauthtoken raised an error",
        ),
        (
            GUARD.replace("BODY", "RAISE(IGNORE)"),
            "a trigger on the table oauthtoken ignores the change",
        ),
    ],
    ids=["unique", "raises", "ignores"],
)
def test_what_refuses_one_row_is_told_at_once(tmp_path: Path, change: str, says: str, expect: str) -> None:
    """A constraint made under an open store is no race: rehearsal and write say so, and nothing is stored."""
    path = tmp_path / "tokens.db"
    make(path, PLAIN)
    backend = SQLiteBackend(path)
    known = backend.load("2")
    assert known is not None
    with published.connection(path) as connection:
        connection.execute(change.format("INSERT" if expect == "a new row" else "UPDATE"))
    before = query(path, "SELECT * FROM oauthtoken")
    row = known._replace(user_name="user1", id="4" if expect == "a new row" else "2")
    for work in (backend.rehearse, backend.write):
        with pytest.raises(BackendError, match=says) as failure:
            work(row, expect=None if expect == "a new row" else known.etag)
        assert "secret" not in f"{failure.value} {failure.value.__cause__} {failure.value.__context__}"
    assert query(path, "SELECT * FROM oauthtoken") == before
    backend.close()


@pytest.mark.parametrize("versioned", [False, True])
def test_a_deletion_that_a_trigger_ignores_is_no_absence(tmp_path: Path, versioned: bool) -> None:
    """The row is still there: who deletes it is told so, and why."""
    path = tmp_path / "tokens.db"
    backend = SQLiteBackend(path)
    etag = backend.write(Row("1", user_name="user1"), expect=None)
    with published.connection(path) as connection:
        connection.execute(GUARD.replace("BODY", "RAISE(IGNORE)").format("DELETE").replace("NEW", "OLD"))
    with pytest.raises(BackendError, match=r"Row '1' is as it was.* ignores the change"):
        backend.remove("1", expect=etag if versioned else None)
    assert not backend.remove("1", expect=5)
    assert not backend.remove("2")
    backend.close()


def test_our_own_triggers_come_back(tmp_path: Path) -> None:
    """A table editor that makes the table anew drops triggers and indexes: the next opening makes them."""
    path = tmp_path / "tokens.db"
    SQLiteBackend(path).close()
    objects = query(path, "SELECT name, sql FROM sqlite_master ORDER BY name")
    with published.connection(path) as connection:
        for name, sql in objects:
            if sql and sql.startswith(("CREATE TRIGGER", "CREATE INDEX")):
                connection.execute(f"DROP {sql.split()[1]} {name}")
    SQLiteBackend(path).close()
    assert query(path, "SELECT name, sql FROM sqlite_master ORDER BY name") == objects
