"""Whatever somebody stores in one row: the others are served as if it were not there."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from typing import Any, Final

import pytest

from tests.sqlite import published
from tests.sqlite.foreign import NINE, table
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import RowChangedError, UnreadableRowError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS, Found, Row, UnreadableRow
from zoho_tokenstore.testing._backend import content, full_row

GOOD: Final = {f"{number:03}": full_row(f"{number:03}", str(number)) for number in range(100)}
BLOB: Final = "X'73656372657473ff'"  # "secrets", and a byte that is no text
NO_TEXT: Final = f"CAST({BLOB} AS TEXT)"
ONLY_DIGITS: Final = "X'3432'"
DIGESTS: Final = ("refresh_token_digest", "access_token_digest", "grant_token_digest")
BAD: Final = "050-bad"

WRONG_VALUES: Final[dict[str, tuple[str, str, str]]] = {
    **{f"a BLOB as {name}": (name, BLOB, f"its {name} is a BLOB") for name in (*COLUMNS[1:], *DIGESTS)},
    **{f"a BLOB of digits as {name}": (name, ONLY_DIGITS, f"its {name} is a BLOB") for name in COLUMNS[1:]},
    **{
        f"no UTF-8 as {name}": (name, NO_TEXT, f"its {name} is text that is not UTF-8")
        for name in (*COLUMNS[1:], *DIGESTS)
    },
    **{f"a text as {name}": (name, "'soon'", f"its {name} is text, not an integer") for name in BOOKKEEPING},
    **{f"a fraction as {name}": (name, "1.5", f"its {name} is a REAL number") for name in BOOKKEEPING},
    **{f"a BLOB as {name}": (name, BLOB, f"its {name} is a BLOB") for name in BOOKKEEPING},
    **{f"too much as {name}": (name, "1e300", f"its {name} is a REAL number") for name in BOOKKEEPING},
}
"""By name: the column, what is stored in it, and what is said of it."""

WRONG_IDS: Final = {
    "a BLOB": (BLOB, "X'73656372657473FF'"),
    "a BLOB that another id could be": ("X'303530'", "X'303530'"),
    "an empty BLOB": ("X''", "X''"),
    "no UTF-8": ("CAST(X'303530ff' AS TEXT)", "CAST(X'303530FF' AS TEXT)"),
    "no UTF-8, the last of all": ("CAST(X'ff' AS TEXT)", "CAST(X'FF' AS TEXT)"),
    "NULL": ("NULL", "NULL"),
}
"""By name: the id that is stored, and how it is told."""


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with 100 good rows, whose ids may be null."""
    path = tmp_path_factory.mktemp("template") / "tokens.db"
    with published.connection(path) as connection:
        connection.execute(table(f"id varchar(10) PRIMARY KEY, {NINE}"))
    backend = SQLiteBackend(path)
    for row in GOOD.values():
        backend.write(row, expect=None)
    backend.close()
    return path


@pytest.fixture
def path(template: Path, quick_folder: Path) -> Path:
    path = quick_folder / "tokens.db"
    shutil.copyfile(template, path)
    return path


def insert(path: Path, **values: str) -> None:
    """Store a row of SQL literals, as any program can."""
    with published.connection(path) as connection:
        connection.execute(
            f"INSERT INTO oauthtoken ({', '.join(values)}) VALUES ({', '.join(values.values())})"
        )
        for name in values.keys() & {"created_at_ms", "updated_at_ms"}:  # where our trigger has been
            connection.execute(
                f"UPDATE oauthtoken SET {name} = {values[name]}, etag = 1 WHERE id = {values['id']}"
            )


def split(found: list[Found]) -> tuple[dict[str, Row | None], list[UnreadableRow]]:
    """The good rows by id, without our marks, and the others."""
    good = {row.id: content(row) for row in found if isinstance(row, Row)}
    return good, [row for row in found if isinstance(row, UnreadableRow)]


def check_the_good(backend: Any) -> None:
    """All hundred are found by each key and by id, and one of them is written, removed and made anew."""
    for row_id, row in GOOD.items():
        assert content(backend.load(row_id)) == row
    for index in LOOKUPS:
        keys = [getattr(row, index) for row in GOOD.values()]
        assert split(backend.find(index, *keys))[0] == GOOD
    known = backend.load("051")
    etag = backend.write(known._replace(user_name="changed"), expect=known.etag)
    backend.rehearse(known, expect=etag)
    backend.write(known, expect=etag)
    backend.write(full_row("new"), expect=None)
    assert backend.remove("new") is True


@pytest.mark.parametrize("kind", WRONG_VALUES)
def test_a_wrong_value_harms_its_own_row_alone(path: Path, kind: str) -> None:
    """The row is told with the column and without the value, wherever it is met, and can be removed."""
    column, value, reason = WRONG_VALUES[kind]
    insert(path, **({"id": f"'{BAD}'", "user_name": "'bad'", "access_token": "'bad'"} | {column: value}))
    backend = SQLiteBackend(path)
    told = UnreadableRow(BAD, reason)
    assert split(list(backend.scan())) == (GOOD, [told])
    assert [row.id for row in backend.scan(after="049", limit=3)] == ["050", BAD, "051"]
    index = "access_token" if column == "user_name" else "user_name"
    if not column.startswith(index):
        assert backend.find(index, "bad") == [told]
    check_the_good(backend)
    with pytest.raises(UnreadableRowError, match="cannot be read: its") as failure:
        backend.load(BAD)
    assert (failure.value.row_id, failure.value.reason) == told
    shown = failure.getrepr(style="short", funcargs=False)
    assert "secrets" not in f"{failure.value} {failure.value.__cause__} {failure.value.__context__} {shown}"
    with pytest.raises(RowChangedError):
        backend.write(Row(BAD), expect=1)
    assert backend.remove(BAD) is True
    assert backend.load(BAD) is None
    assert split(list(backend.scan())) == (GOOD, [])
    assert BAD in [retired.id for retired in backend.retired.scan()]
    backend.close()


@pytest.mark.parametrize("kind", WRONG_IDS)
def test_a_wrong_id_harms_its_own_row_alone(path: Path, kind: str) -> None:
    """It is told in SQL's words, by which the row can be removed; the row with the like id stays."""
    stored, told = WRONG_IDS[kind]
    insert(path, id=stored, user_name="'bad'")
    backend = SQLiteBackend(path)
    good, bad = split(list(backend.scan()))
    assert (good, [row.id for row in bad]) == (GOOD, [told])
    assert [row.id for row in backend.find("user_name", "bad")] == [told]
    assert "its id is " in bad[0].reason
    check_the_good(backend)
    with pytest.raises(UnreadableRowError, match="cannot be read: its id is not text"):
        backend.load(told)
    assert backend.remove(told) is True
    assert backend.remove(told) is False
    assert backend.load(told) is None
    assert split(list(backend.scan())) == (GOOD, [])
    backend.close()


def test_many_wrong_rows_at_once(path: Path) -> None:
    """Of every kind one, page by page too: each row is told once, and `clear` deletes them all."""
    for number, (column, value, _) in enumerate(WRONG_VALUES.values()):
        insert(path, **({"id": f"'{number:03}-bad'"} | {column: value}))
    for stored, _ in WRONG_IDS.values():
        insert(path, id=stored)
    insert(path, id="NULL")
    backend = SQLiteBackend(path)
    good, bad = split(list(backend.scan()))
    assert good == GOOD
    count = len(WRONG_VALUES) + len(WRONG_IDS) + 1
    assert len(bad) == count
    check_the_good(backend)
    seen: list[str] = []
    while page := list(backend.scan(after=seen[-1] if seen else None, limit=7)):
        seen += [row.id for row in page]
    assert sorted(seen) == sorted([*GOOD, *(row.id for row in bad)])
    assert backend.remove("NULL") is True
    assert len(list(backend.scan())) == len(GOOD) + count - 2
    assert backend.clear() == len(GOOD) + count - 2
    assert list(backend.scan()) == []
    texts = {row.id for row in backend.retired.scan()}
    assert texts >= set(GOOD)
    backend.close()


@pytest.mark.parametrize("row_id", ["NULL", "X'31'", "CAST(X'31' AS TEXT)", "X''"])
def test_an_id_that_reads_like_sql_is_a_text(path: Path, row_id: str) -> None:
    """It is stored, found and removed as itself, and no other row with it."""
    insert(path, id="NULL")
    insert(path, id="X'31'")
    backend = SQLiteBackend(path)
    backend.write(full_row("1"), expect=None)
    backend.write(full_row(row_id), expect=None)
    assert content(backend.load(row_id)) == full_row(row_id)
    assert row_id in [row.id for row in backend.scan() if isinstance(row, Row)]
    assert backend.remove(row_id) is True
    assert [row.id for row in backend.scan() if isinstance(row, UnreadableRow)] == ["X'31'", "NULL"]
    assert content(backend.load("1")) == full_row("1")
    backend.close()


@pytest.mark.parametrize(
    ("declared", "stored", "told"),
    [
        ("varchar(20)", "1700000000000.0", "1700000000000.0"),
        ("varchar(20)", "1700000000000", "1700000000000"),
        ("varchar(20)", "'2026-11-24T10:00:00Z'", "2026-11-24T10:00:00Z"),
        ("varchar(20)", "'1.79E+12'", "1.79E+12"),
        ("varchar(20)", "''", ""),
        ("BIGINT", "1700000000000", "1700000000000"),
        ("BIGINT", "1700000000000.5", "1700000000000.5"),
        ("BIGINT", "'soon'", "soon"),
        ("BIGINT", "NULL", None),
        ("REAL", "1700000000000", "1700000000000"),
        ("REAL", "9e999", "inf"),
        ("", "1700000000000.0", "1700000000000"),
    ],
)
def test_an_expiry_is_passed_on_as_text(tmp_path: Path, declared: str, stored: str, told: str | None) -> None:
    """A number as its decimal text, any text as it is: whether it is a time is not for the storage to say."""
    path = tmp_path / "tokens.db"
    with published.connection(path) as connection:
        connection.execute(published.CREATE.replace("expiry_time varchar(20)", f"expiry_time {declared}"))
    insert(path, id="'1'", expiry_time=stored, access_token="'a'")
    backend = SQLiteBackend(path)
    row = backend.load("1")
    assert row is not None
    assert row.expiry_time == told
    assert list(backend.scan()) == backend.find("access_token", "a") == [row]
    backend.write(row._replace(expiry_time="1700000000001"), expect=row.etag)
    changed = backend.load("1")
    assert changed is not None
    assert changed.expiry_time == "1700000000001"
    backend.close()


@pytest.mark.parametrize("etag", ["NULL", "'mark'", "1.5", "X'31'", "CAST(X'ff' AS TEXT)"])
@pytest.mark.parametrize("how", ["inserted", "updated"])
def test_a_wrong_etag_is_replaced(path: Path, how: str, etag: str) -> None:
    """Somebody writes into our column of marks: the trigger gives the row a new one, and it can be saved."""
    insert(path, id="'new'", **({"etag": etag} if how == "inserted" else {}))
    if how == "updated":
        with published.connection(path) as connection:
            connection.execute(f"UPDATE oauthtoken SET etag = {etag} WHERE id = 'new'")
    backend = SQLiteBackend(path)
    row = backend.load("new")
    assert row is not None
    assert isinstance(row.etag, int)
    assert backend.write(row._replace(user_name="u"), expect=row.etag)
    backend.close()


def test_a_row_that_becomes_unreadable_is_told_at_once(path: Path) -> None:
    """Though it was looked up often, and was kept; and it is served again when it has been mended."""
    backend = SQLiteBackend(path)
    for _ in range(3):
        assert backend.load("050") is not None
    with published.connection(path) as connection:
        connection.execute(f"UPDATE oauthtoken SET access_token = {NO_TEXT} WHERE id = '050'")
    for _ in range(3):
        with pytest.raises(UnreadableRowError):
            backend.load("050")
    assert backend.load("051") is not None
    with published.connection(path) as connection:
        connection.execute("UPDATE oauthtoken SET access_token = 'access_token-50' WHERE id = '050'")
    mended = content(backend.load("050"))
    assert mended is not None
    assert mended._replace(updated_at_ms=GOOD["050"].updated_at_ms) == GOOD["050"]
    backend.close()


def test_a_store_in_memory_tells_them_too() -> None:
    """It is the same table; only code of this process gets at it."""
    backend = MemoryBackend()
    backend.write(full_row("1"), expect=None)
    for row_id, value in (("2", BLOB), ("3", NO_TEXT)):
        statement = f"INSERT INTO oauthtoken (id, user_name) VALUES ('{row_id}', {value})"
        backend._connections.run(lambda handle, sql: handle.open().execute(sql).rowcount, statement)
    assert split(list(backend.scan())) == (
        {"1": full_row("1")},
        [
            UnreadableRow("2", "its user_name is a BLOB"),
            UnreadableRow("3", "its user_name is text that is not UTF-8"),
        ],
    )
    backend.close()


def test_retired_ids_that_are_no_text_are_no_hindrance(path: Path) -> None:
    """Somebody deletes a row whose id is not UTF-8: the list of retired ids goes on past it."""
    insert(path, id="CAST(X'30ff' AS TEXT)")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DELETE FROM oauthtoken WHERE id = CAST(X'30ff' AS TEXT) OR id = '099'")
    backend = SQLiteBackend(path)
    assert [row.id for row in backend.retired.scan()] == ["099", "0\\xff"]
    assert backend.retired.prune(2**62) == 2
    backend.close()
