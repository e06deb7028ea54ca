"""Whatever table somebody has made: it is served whole, or refused when it is opened and left as it was."""

# ruff: noqa: E501  # the tables of cases
from __future__ import annotations

import contextlib
import logging
import sqlite3
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.support.drawing import one_in
from tests.support.served import check_served
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.records import COLUMNS

TEXT_TYPES: Final = ("varchar(255)", "TEXT", "varchar(3)", "CLOB", "nchar")
ODD_TYPES: Final = ("INTEGER", "BLOB", "REAL", "NUMERIC", "", "INT", "uuid", "DATETIME", "ANY", "CHARINT")
STRICT_TYPES: Final = ("TEXT", "TEXT", "TEXT", "INTEGER", "BLOB", "REAL", "ANY")
OWN: Final = ("created_at_ms", "updated_at_ms", "last_used_at_ms", "identified_at_ms", "etag")
RESERVED: Final = (*OWN, "refresh_token_digest", "access_token_digest", "grant_token_digest")

ADDITIONS: Final = (
    "UNIQUE", "COLLATE NOCASE", "COLLATE RTRIM", "COLLATE BINARY", "NOT NULL", "NOT NULL DEFAULT 'x'",
    "NOT NULL DEFAULT 7", "DEFAULT 'x'", "DEFAULT NULL", "DEFAULT CURRENT_TIMESTAMP", "NOT NULL ON CONFLICT IGNORE",
    "NOT NULL ON CONFLICT REPLACE DEFAULT 'x'", "UNIQUE ON CONFLICT REPLACE", "UNIQUE ON CONFLICT IGNORE",
    "CHECK (length(user_name) < 300)", "CHECK (1)", "REFERENCES other (name)",
)  # fmt: skip
"""What may stand behind the type of a column."""

EXTRAS: Final = (
    "note text", "tenant integer NOT NULL", "tenant integer NOT NULL DEFAULT 3", "at text DEFAULT CURRENT_TIMESTAMP",
    "short text AS (substr(user_name, 1, 2))", "short text AS (user_name) STORED", "long text AS (id || 1) NOT NULL",
    "etag integer", "etag text", "created_at_ms integer NOT NULL DEFAULT 0", "updated_at_ms text",
    "last_used_at_ms integer UNIQUE", "identified_at_ms AS (1)", "access_token_digest text COLLATE NOCASE",
    "refresh_token_digest BLOB", "grant_token_digest text DEFAULT 'x'", "long_id text", "rowid text", "oid integer",
    "_rowid_ text UNIQUE",
)  # fmt: skip
"""Columns beside the ten."""

CONSTRAINTS: Final = (
    "UNIQUE (user_name, client_id)", "UNIQUE (id, user_name)", "CHECK (id <> '')", "UNIQUE (id) ON CONFLICT REPLACE",
    "UNIQUE (id) ON CONFLICT IGNORE", "FOREIGN KEY (user_name) REFERENCES other (name)",
)  # fmt: skip

KEYS: Final = (
    " NOT NULL PRIMARY KEY", " UNIQUE", "", " PRIMARY KEY AUTOINCREMENT",
    " PRIMARY KEY DESC", " PRIMARY KEY COLLATE NOCASE", " PRIMARY KEY ON CONFLICT REPLACE",
    " PRIMARY KEY ON CONFLICT IGNORE", " UNIQUE ON CONFLICT REPLACE", " PRIMARY KEY COLLATE BINARY", " DEFAULT 7 PRIMARY KEY",
)  # fmt: skip

BESIDE: Final = (
    "CREATE INDEX i ON oauthtoken (client_id)",
    "CREATE UNIQUE INDEX i ON oauthtoken (id)",
    "CREATE UNIQUE INDEX i ON oauthtoken (access_token)",
    "CREATE UNIQUE INDEX i ON oauthtoken (access_token) WHERE access_token = 'planted'",
    "CREATE UNIQUE INDEX i ON oauthtoken (id COLLATE NOCASE)",
    "CREATE INDEX i ON oauthtoken (CAST(user_name AS INTEGER) / length(grant_token))",
    "CREATE INDEX oauthtoken_by_user_name ON oauthtoken (client_id)",
    "CREATE TRIGGER t AFTER INSERT ON oauthtoken BEGIN INSERT INTO other VALUES (NEW.id); END",
    "CREATE TRIGGER t AFTER INSERT ON oauthtoken BEGIN UPDATE oauthtoken SET user_name = lower(user_name); END",
    "CREATE TRIGGER t BEFORE INSERT ON oauthtoken BEGIN SELECT RAISE(ABORT, 'no'); END",
    "CREATE TRIGGER t BEFORE UPDATE ON oauthtoken BEGIN SELECT RAISE(IGNORE); END",
    "CREATE TRIGGER t AFTER DELETE ON oauthtoken BEGIN INSERT INTO oauthtoken (id) VALUES (OLD.id); END",
    "CREATE TRIGGER t AFTER UPDATE OF access_token ON oauthtoken BEGIN DELETE FROM oauthtoken WHERE id = OLD.id; END",
    "CREATE TRIGGER t BEFORE INSERT ON oauthtoken BEGIN DELETE FROM oauthtoken; END",
    "CREATE TRIGGER oauthtoken_inserted AFTER INSERT ON oauthtoken BEGIN SELECT 1; END",
    "CREATE VIEW v AS SELECT * FROM oauthtoken",
    "CREATE TABLE zoho_tokenstore (name, value)",
    "CREATE TABLE zoho_tokenstore_retired (id)",
)  # fmt: skip
"""What may be in the database beside the table."""

VALUES: Final = st.one_of(
    st.none(),
    st.sampled_from(
        ["", "x", "X", "x ", "1", "007", "1e3", "1700000000000", "é", b"x", b"\xff", 1, 1.5, 2**62]
    ),
)


def keys() -> st.SearchStrategy[str]:
    """What makes the id a key: mostly as published."""
    return one_in(3).flatmap(lambda is_odd: st.sampled_from(KEYS) if is_odd else st.just(" PRIMARY KEY"))


@st.composite
def columns(draw: st.DrawFn, strict: bool) -> list[str]:
    """The ten columns in any order, most of them as published, and perhaps others."""
    chosen: list[str] = []
    for name in COLUMNS:
        is_odd = draw(one_in(40))
        plain = "TEXT" if strict else "varchar(255)"
        kind = (
            draw(st.sampled_from(STRICT_TYPES if strict else (*ODD_TYPES, *TEXT_TYPES))) if is_odd else plain
        )
        more = draw(keys()) if name == "id" else ""
        if name != "id" and draw(one_in(60)):
            more = f" {draw(st.sampled_from(ADDITIONS))}"
        chosen.append(f"{name} {kind}{more}")
    extras = (
        draw(st.lists(st.sampled_from(EXTRAS), max_size=2, unique_by=lambda text: text.split()[0]))
        if draw(one_in(4))
        else []
    )
    if strict:
        extras = [extra for extra in extras if extra.split()[1].lower() in ("text", "integer", "blob")]
    everything = draw(st.permutations([*chosen, *extras])) if draw(one_in(4)) else [*chosen, *extras]
    return [
        *everything,
        *draw(st.lists(st.sampled_from(CONSTRAINTS), max_size=1 if draw(one_in(6)) else 0)),
    ]


@st.composite
def scripts(draw: st.DrawFn) -> list[str]:
    """Statements that make the table, and what is beside it; some of them SQLite itself refuses."""
    strict = draw(one_in(6))
    options = [*(["STRICT"] if strict else []), *(["WITHOUT ROWID"] if draw(one_in(6)) else [])]
    table = f"CREATE TABLE oauthtoken ({', '.join(draw(columns(strict)))}) {', '.join(options)}"
    beside = draw(st.lists(st.sampled_from(BESIDE), max_size=2)) if draw(one_in(3)) else []
    return [table, *beside]


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[Any, ...]]:
    """Rows as the published code writes them, and some with odd values."""
    made = []
    for number in range(1, 1 + draw(st.integers(0, 4))):
        row: list[Any] = [
            str(number),
            f"user{number}",
            "c",
            "s",
            f"r{number}",
            f"a{number}",
            None,
            "1700000000000",
            None,
            "d",
        ]
        for place in draw(st.lists(st.integers(0, 9), max_size=2)) if draw(st.booleans()) else ():
            row[place] = draw(VALUES)
        if row[0] != "":  # an empty text means a missing one, in an id too
            made.append(tuple(row))
    return made


def make(path: Path, statements: list[str], held: list[tuple[Any, ...]]) -> bool:
    """Make the database; return whether SQLite lets there be such a table. Rows that it refuses are not there."""
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (name text PRIMARY KEY)")
        for number, statement in enumerate(statements):
            try:
                connection.execute(statement)
            except sqlite3.Error:
                if number == 0:
                    return False
        for row in held:
            with contextlib.suppress(sqlite3.Error):
                connection.execute(
                    f"INSERT INTO oauthtoken ({', '.join(COLUMNS)}) VALUES (?,?,?,?,?,?,?,?,?,?)", row
                )
    return True


def count(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (rows,) = connection.execute("SELECT count(*) FROM oauthtoken").fetchone()
    return int(rows)


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(300)
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(statements=scripts(), held=rows())
def test_a_table_is_served_whole_or_refused_whole(
    quick_folder: Path, statements: list[str], held: list[tuple[Any, ...]]
) -> None:
    """Refused: not a byte has changed. Served: each row is a token or told, and logins are kept beside them."""
    with tempfile.TemporaryDirectory(dir=quick_folder) as folder:
        path = Path(folder) / "tokens.db"
        if not make(path, statements, held):
            event("no table")
            return
        before = path.read_bytes()
        try:
            backend = SQLiteBackend(path)
        except (BackendError, ConfigurationError):
            event("refused")
            assert path.read_bytes() == before
            assert [file.name for file in Path(folder).iterdir()] == ["tokens.db"]
            return
        backend.close()
        event(f"served with {count(path)} rows")
        check_served(lambda: SQLiteBackend(path), lambda: count(path))
