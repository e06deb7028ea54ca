"""Tables that others made, and rows that others write, beside those of the SDK's `DBStore`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

import pytest

from tests.sql import support
from tests.sql.conftest import Open
from tests.sqlite.conftest import FIXTURE
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import COLUMNS, Row

TEN: Final = f"SELECT {', '.join(COLUMNS)} FROM oauthtoken ORDER BY id"
DECLARED: Final = ", ".join(f"{name} varchar(255)" for name in COLUMNS[1:])
INSERT: Final = f"INSERT INTO oauthtoken ({', '.join(COLUMNS)}) VALUES "
ROWS: Final = [
    (str(number), f"user{number}", "c", "s", f"r{number}", f"a{number}", None, "1", None, "d")
    for number in (1, 2, 3)
]


def insert(url: str, *rows: tuple[str | None, ...]) -> None:
    """Insert rows as a person does, who knows the ten columns."""
    lines = [", ".join("NULL" if value is None else f"'{value}'" for value in row) for row in rows]
    support.query(url, INSERT + ", ".join(f"({line})" for line in lines))


@pytest.fixture
def homemade(url: str) -> str:
    """The published columns, as people declare them elsewhere, with three rows."""
    support.query(url, f"CREATE TABLE oauthtoken (id varchar(10) PRIMARY KEY, {DECLARED})")
    insert(url, *ROWS)
    return url


@pytest.mark.parametrize("kind", support.KINDS)
def test_a_homemade_table_is_taken_over(kind: str, homemade: str, open_: Open) -> None:
    """Its rows keep their values, get etags, and are found by every key; long values fit from now on."""
    backend = open_()
    assert support.query(homemade, TEN) == ROWS
    rows = support.rows_of(backend.scan())
    assert [row[:10] for row in rows] == ROWS
    assert all(row.etag for row in rows)
    for index, key in (("user_name", "user2"), ("refresh_token", "r2"), ("access_token", "a2")):
        assert backend.find(index, key) == [rows[1]]
    etag = backend.write(rows[1]._replace(access_token="f" * 10_000), expect=rows[1].etag)
    assert [row.etag for row in support.rows_of(backend.find("access_token", "f" * 10_000))] == [etag]


@pytest.mark.parametrize("kind", support.KINDS)
def test_an_id_that_is_longer_than_ours_is_served(kind: str, url: str, open_: Open) -> None:
    """A table with an id of 191 characters and more is taken over; its row is found, changed and deleted."""
    long_id = "x" * 255
    support.query(url, f"CREATE TABLE oauthtoken (id varchar(255) PRIMARY KEY, {DECLARED})")
    insert(url, (long_id, *ROWS[0][1:]))
    backend = open_()
    row = backend.load(long_id)
    assert row is not None
    assert support.rows_of(backend.find("user_name", "user1")) == [row]
    backend.write(row._replace(user_name="new"), expect=row.etag)
    assert backend.remove(long_id) is True
    assert [retired.id for retired in backend.retired.scan()] == [long_id]


@pytest.mark.parametrize("kind", [support.MARIADB])
def test_an_id_that_does_not_fit_is_refused(kind: str, url: str, open_: Open) -> None:
    """MySQL's index cannot hold more than 255 characters: the table is left as it is."""
    support.query(url, f"CREATE TABLE oauthtoken (id varchar(300) PRIMARY KEY, {DECLARED})")
    insert(url, ("x" * 256, *ROWS[0][1:]))
    with pytest.raises(BackendError, match="refused a value as too long"):
        open_()
    assert support.query(url, TEN) == [("x" * 256, *ROWS[0][1:])]


@pytest.mark.clear
def test_the_published_sqlite_sample_is_taken_over(tmp_path: Path) -> None:
    """Its database opens through SQLAlchemy too."""
    shutil.copy(FIXTURE, tmp_path / "tokens.db")
    url = support.url(support.OTHER, tmp_path)
    rows = support.query(url, TEN)
    backend = support.make(support.OTHER, tmp_path)
    assert [row[:10] for row in backend.scan()] == rows
    assert [row.id for row in backend.find("refresh_token", str(rows[0][4]))] == [rows[0][0]]
    backend.close()


@pytest.mark.parametrize("kind", [support.POSTGRESQL])
def test_a_row_inserted_by_hand_is_found(kind: str, url: str, open_: Open) -> None:
    """On PostgreSQL it has no times, but every key finds it, and it is saved and deleted like our own."""
    backend = open_()
    insert(url, ROWS[0])
    row = backend.load("1")
    assert row is not None
    assert row[:14] == (*ROWS[0], None, None, None, None)
    assert backend.find("access_token", "a1") == [row]
    etag = backend.write(row._replace(access_token="b"), expect=row.etag)
    with pytest.raises(RowChangedError):
        backend.write(row, expect=row.etag)
    assert backend.load("1") == row._replace(access_token="b", etag=etag)
    assert backend.remove("1") is True


@pytest.mark.parametrize("kind", [support.POSTGRESQL])
def test_a_row_changed_by_hand_without_its_etag(kind: str, url: str, open_: Open) -> None:
    """Who sets the etag to null when changing a row on PostgreSQL is not overwritten by an earlier reader."""
    backend = open_()
    etag = backend.write(Row(*ROWS[0]), expect=None)
    support.query(url, "UPDATE oauthtoken SET access_token = 'x', etag = NULL WHERE id = '1'")
    with pytest.raises(RowChangedError):
        backend.write(Row(*ROWS[0]), expect=etag)
    row = backend.load("1")
    assert row is not None
    assert row.access_token == "x"
    backend.write(row, expect=row.etag)


@pytest.mark.parametrize("kind", [support.MARIADB])
def test_a_row_inserted_by_hand_is_complete(kind: str, url: str, open_: Open) -> None:
    """It is found by every key at once, with times and an etag that holds."""
    backend = open_()
    insert(url, ROWS[0])
    (found,) = support.rows_of(backend.find("access_token", "a1"))
    assert found[:10] == ROWS[0]
    assert found == backend.load("1")
    assert found.created_at_ms == found.updated_at_ms
    assert abs((found.created_at_ms or 0) - now_ms()) < 5000
    backend.write(found._replace(access_token="b"), expect=found.etag)


@pytest.mark.parametrize("kind", [support.MARIADB])
def test_a_row_changed_by_hand_has_another_etag(kind: str, url: str, open_: Open) -> None:
    """Whoever read it before may not overwrite it, however often it was changed, and back."""
    backend = open_()
    backend.write(Row(*ROWS[0], 1, 2, 3), expect=None)
    seen = [backend.load("1")]
    for token in ("x", "y", "x", "a1"):
        support.query(url, f"UPDATE oauthtoken SET access_token = '{token}' WHERE id = '1'")
        seen.append(backend.load("1"))
        for row in seen[:-1]:
            assert row is not None
            with pytest.raises(RowChangedError):
                backend.write(row, expect=row.etag)
    last = seen[-1]
    assert last is not None
    assert len({row.etag for row in seen if row is not None}) == 5
    assert (last.access_token, last.created_at_ms, last.last_used_at_ms) == ("a1", 1, 3)
    assert abs((last.updated_at_ms or 0) - now_ms()) < 5000


@pytest.mark.parametrize("kind", support.SERVERS)
def test_a_row_deleted_by_hand_is_gone(kind: str, url: str, open_: Open) -> None:
    """A hot look-up by id notices at once."""
    backend = open_()
    etag = backend.write(Row("1"), expect=None)
    assert [backend.load("1"), backend.load("1")] == [Row("1", etag=etag)] * 2
    support.query(url, "DELETE FROM oauthtoken")
    assert backend.load("1") is None


@pytest.mark.parametrize("kind", support.KINDS)
@pytest.mark.parametrize(
    ("declared", "trouble"),
    [
        ("id varchar(10) PRIMARY KEY, user_name varchar(255), api_domain int", "lacks client_id"),
        (f"id varchar(10), {DECLARED}", "id is not its primary key"),
    ],
)
def test_a_table_that_is_not_the_published_one_is_left_alone(
    kind: str, url: str, open_: Open, declared: str, trouble: str
) -> None:
    """The error says what is wrong with it, and neither the table nor the database is changed."""
    support.query(url, f"CREATE TABLE oauthtoken ({declared})")
    support.query(url, "INSERT INTO oauthtoken (id) VALUES ('xx')")
    with pytest.raises(BackendError, match=rf"oauthtoken in .* {trouble}.* left as it is"):
        open_()
    assert len(support.query(url, "SELECT * FROM oauthtoken")) == 1
    with pytest.raises(Exception, match="zoho_tokenstore"):
        support.query(url, "SELECT * FROM zoho_tokenstore")


def test_the_two_sqlite_stores_are_not_mixed(tmp_path: Path) -> None:
    """Each keeps look-ups in its own way, and refuses the other's database as it is."""
    SQLiteBackend(tmp_path / "tokens.db").close()
    with pytest.raises(BackendError, match=r"Open it as sqlite:///"):
        support.make(support.OTHER, tmp_path)
    (tmp_path / "tokens.db").unlink()
    support.make(support.OTHER, tmp_path).close()
    with pytest.raises(BackendError, match="left as it is"):
        SQLiteBackend(tmp_path / "tokens.db")


@pytest.mark.parametrize("kind", support.KINDS)
def test_what_was_left_half_done_is_finished(kind: str, homemade: str, open_: Open) -> None:
    """A process that ended before it noted the version: the next opening does what is left."""
    rows = list(open_().scan())
    support.query(homemade, "DELETE FROM zoho_tokenstore")
    support.query(homemade, "DROP TABLE zoho_tokenstore_lease")
    again = open_()
    assert list(again.scan()) == rows
    assert [row.id for row in again.find("access_token", "a2")] == ["2"]
    assert again.leases.replace("a", "", "one", 1000)


@pytest.mark.parametrize("kind", support.KINDS)
def test_tables_of_two_names_are_two_stores(kind: str, open_: Open) -> None:
    """Rows of one are not the other's, and clearing one leaves the other; leases are shared."""
    one, two = open_(), open_(table="Other_tokens")
    one.write(Row("1", user_name="one"), expect=None)
    two.write(Row("1", user_name="two"), expect=None)
    assert [row.user_name for row in support.rows_of(two.find("user_name", "one", "two"))] == ["two"]
    assert two.clear() == 1
    assert [row.user_name for row in support.rows_of(one.scan())] == ["one"]
    one.leases.replace("a", "", "one", 1000)
    assert two.leases.read("a").text == "one"
