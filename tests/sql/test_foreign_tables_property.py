"""Whatever table somebody has made on a server: it is served whole, or refused at opening and left as it was."""

# ruff: noqa: E501  # the tables of cases
from __future__ import annotations

import contextlib
import itertools
import logging
from pathlib import Path
from typing import Any, Final

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from tests.sql import support
from tests.sql.test_rules import shape
from tests.support.drawing import one_in
from tests.support.served import check_served
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.errors import BackendError, ConfigurationError
from zoho_tokenstore.records import COLUMNS

TEN: Final = ", ".join(COLUMNS)
PG, MY = support.SERVERS

TYPES: Final = {
    PG: (
        "text", "varchar(3)", "varchar(60)", "char(20)", "integer", "bigint", "numeric(10,2)", "timestamp", "bytea", "uuid",
        "text[]", "jsonb", "name", '"char"', 'varchar(255) COLLATE "en-x-icu"', 'text COLLATE "C"', "boolean", "xml",
    ),
    MY: (
        "text", "varchar(3)", "varchar(60)", "char(20)", "integer", "bigint", "decimal(10,2)", "datetime", "blob", "varbinary(60)",
        "ENUM('1', 'd')", "longtext", "tinytext", "json", "varchar(255) COLLATE utf8mb4_general_ci", "uuid", "inet6", "double",
        "varchar(255) CHARACTER SET latin1", "varchar(90) CHARACTER SET utf16", "varchar(255) COLLATE utf8mb4_nopad_bin",
    ),
}  # fmt: skip

ADDITIONS: Final = (
    "NOT NULL", "NOT NULL DEFAULT 'x'", "DEFAULT 'x'", "UNIQUE", "CHECK (id <> '')", "REFERENCES other (name)",
)  # fmt: skip

KEYS: Final = {
    PG: ("", " UNIQUE", " PRIMARY KEY DEFERRABLE", " PRIMARY KEY DEFAULT '7'", " NOT NULL UNIQUE"),
    MY: ("", " UNIQUE", " PRIMARY KEY DEFAULT '7'", " NOT NULL UNIQUE"),
}

EXTRAS: Final = (
    "n integer", "n integer NOT NULL", "n integer NOT NULL DEFAULT 3", "n integer UNIQUE", "n integer DEFAULT 3 UNIQUE",
    "etag bigint", "etag varchar(20)", "etag bigint NOT NULL DEFAULT 0", "created_at_ms bigint", "updated_at_ms integer",
    "last_used_at_ms varchar(20)", "identified_at_ms bigint NOT NULL",
    "access_token_digest varchar(9)", "changed_at varchar(9)", "short varchar(300) GENERATED ALWAYS AS (user_name) STORED",
    "short varchar(3) GENERATED ALWAYS AS (user_name) STORED",
)  # fmt: skip

OPTIONS: Final = {
    PG: ("WITH (fillfactor = 50)", "PARTITION BY HASH (id)", "WITH (autovacuum_enabled = false)"),
    MY: (
        "ENGINE = MyISAM", "ENGINE = Aria", "ENGINE = MEMORY", "ROW_FORMAT = COMPACT", "ROW_FORMAT = REDUNDANT", "COLLATE utf8mb4_bin",
        "CHARSET latin1", "CHARSET utf8mb3", "ENGINE = CSV", "WITH SYSTEM VERSIONING", "PAGE_COMPRESSED = 1", "ENGINE = BLACKHOLE",
    ),
}  # fmt: skip

_FUNCTION: Final = "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {} END $$"
_TRIGGER: Final = "CREATE TRIGGER t {} ON oauthtoken FOR EACH ROW EXECUTE FUNCTION f()"
BESIDE: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    PG: (
        ("CREATE INDEX i ON oauthtoken (client_id)",),
        ("CREATE UNIQUE INDEX i ON oauthtoken (access_token)",),
        ("CREATE UNIQUE INDEX i ON oauthtoken (user_name) WHERE user_name = 'planted'",),
        ("CREATE INDEX i ON oauthtoken ((user_name::integer))",),
        ("CREATE RULE r AS ON INSERT TO oauthtoken DO INSTEAD NOTHING",),
        ("CREATE RULE r AS ON UPDATE TO oauthtoken DO INSTEAD NOTHING",),
        ("CREATE RULE r AS ON DELETE TO oauthtoken DO INSTEAD NOTHING",),
        ("CREATE RULE r AS ON INSERT TO oauthtoken DO ALSO INSERT INTO other VALUES (NEW.id)",),
        ("CREATE RULE r AS ON INSERT TO oauthtoken DO ALSO DELETE FROM oauthtoken WHERE id <> NEW.id",),
        ("ALTER TABLE oauthtoken ENABLE ROW LEVEL SECURITY", "ALTER TABLE oauthtoken FORCE ROW LEVEL SECURITY"),
        (_FUNCTION.format("RETURN NULL;"), _TRIGGER.format("BEFORE INSERT")),
        (_FUNCTION.format("RETURN NULL;"), _TRIGGER.format("BEFORE DELETE")),
        (_FUNCTION.format("NEW.user_name := lower(NEW.user_name); RETURN NEW;"), _TRIGGER.format("BEFORE UPDATE")),
        (_FUNCTION.format("RAISE EXCEPTION 'no'; RETURN NEW;"), _TRIGGER.format("AFTER UPDATE")),
        (_FUNCTION.format("DELETE FROM oauthtoken WHERE id <> NEW.id; RETURN NEW;"), _TRIGGER.format("AFTER INSERT")),
        ("CREATE VIEW v AS SELECT * FROM oauthtoken",),
        ("CREATE VIEW v AS SELECT access_token FROM oauthtoken",),
        ("CREATE TABLE zoho_tokenstore (name text, value text)",),
        ("CREATE TABLE oauthtoken_retired (id varchar(9))",),
        ("CREATE TABLE heirs () INHERITS (oauthtoken)",),
    ),
    MY: (
        ("CREATE INDEX i ON oauthtoken (client_id(20))",),
        ("CREATE UNIQUE INDEX i ON oauthtoken (access_token(20))",),
        ("CREATE FULLTEXT INDEX i ON oauthtoken (user_name)",),
        ("CREATE TRIGGER t BEFORE INSERT ON oauthtoken FOR EACH ROW SET NEW.user_name = lower(NEW.user_name)",),
        ("CREATE TRIGGER t BEFORE UPDATE ON oauthtoken FOR EACH ROW SET NEW.access_token = NULL",),
        ("CREATE TRIGGER t BEFORE DELETE ON oauthtoken FOR EACH ROW SIGNAL SQLSTATE '45000' SET MESSAGE_TEXT = 'no'",),
        ("CREATE TRIGGER t AFTER INSERT ON oauthtoken FOR EACH ROW INSERT INTO other VALUES (NEW.id)",),
        ("CREATE TRIGGER t AFTER INSERT ON oauthtoken FOR EACH ROW INSERT INTO nowhere VALUES (NEW.id)",),
        ("CREATE VIEW v AS SELECT * FROM oauthtoken",),
        ("CREATE TABLE zoho_tokenstore (name text, value text)",),
        ("CREATE TABLE oauthtoken_retired (id varchar(9))",),
    ),
}  # fmt: skip

VALUES: Final = st.sampled_from(
    [None, "", "x", "X", "x ", "1", "007", "1700000000000", "é", "1700-01-01", "{}"]
)


@st.composite
def scripts(draw: st.DrawFn, kind: str) -> list[str]:
    """Statements that make the table, and what is beside it; some of them the server itself refuses."""
    lines = []
    for name in COLUMNS:
        declared = draw(st.sampled_from(TYPES[kind])) if draw(one_in(25)) else "varchar(255)"
        if name == "id":
            declared += draw(st.sampled_from(KEYS[kind])) if draw(one_in(8)) else " PRIMARY KEY"
        elif draw(one_in(40)):
            declared += f" {draw(st.sampled_from(ADDITIONS))}"
        lines.append(f"{name} {declared}")
    if draw(one_in(3)):
        lines += draw(st.lists(st.sampled_from(EXTRAS), max_size=2, unique_by=lambda text: text.split()[0]))
    if draw(one_in(4)):
        lines = draw(st.permutations(lines))
    options = draw(st.sampled_from(OPTIONS[kind])) if draw(one_in(5)) else ""
    beside = draw(st.sampled_from(BESIDE[kind])) if draw(one_in(3)) else ()
    return [f"CREATE TABLE oauthtoken ({', '.join(lines)}) {options}", *beside]


@st.composite
def rows(draw: st.DrawFn) -> list[tuple[str | None, ...]]:
    """Rows as the published code writes them, and some with odd values."""
    made = []
    for number in range(1, 1 + draw(st.integers(0, 3))):
        row = [
            str(number),
            f"u{number}",
            "c",
            "s",
            f"r{number}",
            f"a{number}",
            None,
            "1700000000000",
            None,
            "d",
        ]
        for place in draw(st.lists(st.integers(0, 9), max_size=2)) if draw(one_in(2)) else ():
            row[place] = draw(VALUES)
        if row[0] != "":  # an empty text means a missing one, in an id too
            made.append(tuple(row))
    return made


def make(url: str, statements: list[str], held: list[tuple[str | None, ...]]) -> bool:
    """Make the table; return whether there is one. What the server refuses beside it, is not there."""
    with support.driver(url) as connection:
        connection.exec_driver_sql("CREATE TABLE other (name varchar(255) PRIMARY KEY)")
        for number, statement in enumerate(statements):
            try:
                connection.exec_driver_sql(statement)
            except sa.exc.DBAPIError:
                if number == 0:
                    return False
        for row in held:
            with contextlib.suppress(sa.exc.DBAPIError):
                marks = ", ".join(["%s"] * len(COLUMNS))
                connection.exec_driver_sql(f"INSERT INTO oauthtoken ({TEN}) VALUES ({marks})", row)
    return True


def held_in(url: str) -> list[str]:
    return sorted(map(repr, support.query(url, f"SELECT {TEN} FROM oauthtoken")))


def check(url: str, statements: list[str], held: list[tuple[str | None, ...]]) -> None:
    if not make(url, statements, held):
        event("no table")
        return
    before: Any = shape(url), held_in(url)
    try:
        SQLBackend(url).close()
    except (BackendError, ConfigurationError):
        event("refused")
        # MariaDB cannot undo the columns of ours that were added before a token was tried out.
        assert (before[0] if url.startswith("mariadb") else shape(url), held_in(url)) == before
        return
    event("served")
    assert len(held_in(url)) == len(before[1])
    check_served(lambda: SQLBackend(url), lambda: len(held_in(url)))


@pytest.fixture
def urls(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> Any:
    """Makes a new, empty database whenever it is called with its kind."""
    caplog.set_level(logging.CRITICAL, "zoho_tokenstore")
    numbers = itertools.count()
    return lambda kind: support.url(kind, tmp_path / str(next(numbers)))


few = settings(
    max_examples=20,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.long
@pytest.mark.clear
@few
@given(statements=scripts(PG), held=rows())
def test_a_table_on_postgresql(urls: Any, statements: list[str], held: list[tuple[str | None, ...]]) -> None:
    """Refused: table and rows are as before. Served: each row is a token or told, and logins are kept."""
    check(urls(PG), statements, held)


@pytest.mark.long
@pytest.mark.clear
@few
@given(statements=scripts(MY), held=rows())
def test_a_table_on_mariadb(urls: Any, statements: list[str], held: list[tuple[str | None, ...]]) -> None:
    """Refused: table and rows are as before. Served: each row is a token or told, and logins are kept."""
    check(urls(MY), statements, held)
