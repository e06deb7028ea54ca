"""The stored form, read without the store: what other programs and later releases rely on."""

from __future__ import annotations

import hashlib
import re
from typing import Any, Final

import pytest
import sqlalchemy as sa

from tests.sql import support
from tests.sql.conftest import Open
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LONGEST_ID, LOOKUPS, Row

_TEXTS: Final = (*COLUMNS[1:], "refresh_token_digest", "access_token_digest", "grant_token_digest")
_NUMBERS: Final = (*BOOKKEEPING, "etag")
_OURS: Final = [*BOOKKEEPING, *_TEXTS[9:12], "etag"]
_KEYS: Final = [f"{name}_key" for name in LOOKUPS]

TYPES: Final = {
    support.POSTGRESQL: {
        "id": 'TEXT COLLATE "C"',
        **dict.fromkeys(_TEXTS, 'TEXT COLLATE "C"'),
        **dict.fromkeys(_NUMBERS, "BIGINT"),
    },
    support.MARIADB: {
        "id": "VARCHAR(255) COLLATE utf8mb4_nopad_bin",
        **dict.fromkeys(_TEXTS, "TEXT COLLATE utf8mb4_nopad_bin"),
        **dict.fromkeys(_NUMBERS, "BIGINT"),
        "changed_at": "TIMESTAMP(6)",
        **dict.fromkeys(_KEYS, "CHAR(64) COLLATE ascii_bin"),
    },
    support.OTHER: {
        "id": "VARCHAR(255)",
        **dict.fromkeys(_TEXTS, "TEXT"),
        **dict.fromkeys(_NUMBERS, "BIGINT"),
        **dict.fromkeys(_KEYS, "VARCHAR(64)"),
    },
}
ORDER: Final = {
    support.POSTGRESQL: [*COLUMNS, *_OURS],
    support.MARIADB: [*COLUMNS, *_OURS, "changed_at", *_KEYS],
    support.OTHER: [*COLUMNS, *_OURS, *_KEYS],
}
INDEXED: Final = {
    support.POSTGRESQL: {
        "user_name": "user_name",
        **{name: f"COALESCE({name}_digest, {name})" for name in LOOKUPS if name != "user_name"},
    },
    support.MARIADB: {name: f"{name}_key" for name in LOOKUPS},
    support.OTHER: {name: f"{name}_key" for name in LOOKUPS},
}

COMPLETE: Final = Row(
    "1",
    "patricia@zylker.example",
    "1000.CLIENT",
    "secret",
    "1000.refresh",
    "1000.access",
    "1000.grant",
    "4102444800123",
    "https://portal.zylker.example/callback",
    "https://www.zohoapis.eu",
    1,
    2**53,
    3,
    4,
)

pytestmark = pytest.mark.parametrize("kind", support.KINDS)


def described(inspector: sa.Inspector, connection: sa.Connection) -> dict[str, str]:
    """Return the declared type of each column of the tokens, with its collation."""
    columns = inspector.get_columns("oauthtoken")
    shown = {column["name"]: column["type"].compile(connection.dialect) for column in columns}
    return {name: re.sub(r"CHARACTER SET \w+ |(?<=BIGINT)\(\d+\)", "", text) for name, text in shown.items()}


def blake2(text: str) -> str:
    return hashlib.blake2b(text.encode(), digest_size=32).hexdigest()


def test_columns_and_their_types(kind: str, url: str, open_: Open) -> None:
    """The ten published columns come first, in order; ours follow; texts are long, and compared exactly."""
    open_()
    with support.driver(url) as connection:
        found = described(sa.inspect(connection), connection)
    assert list(found) == ORDER[kind]
    assert found == TYPES[kind]


def test_indexes(kind: str, url: str, open_: Open) -> None:
    """The id is the primary key; each look-up has an index on exactly what it compares."""
    open_()
    with support.driver(url) as connection:
        inspector = sa.inspect(connection)
        key = inspector.get_pk_constraint("oauthtoken")["constrained_columns"]
        indexes = inspector.get_indexes("oauthtoken")
    assert key == ["id"]
    assert {
        str(index["name"]).removeprefix("oauthtoken_by_"): next(
            iter(index.get("expressions") or index["column_names"])
        )
        for index in indexes
    } == INDEXED[kind]


def test_the_other_tables(kind: str, url: str, open_: Open) -> None:
    """Beside the tokens there are retired ids, audit trails, leases, and notes on each table of tokens."""
    open_()
    open_(table="other_tokens")
    with support.driver(url) as connection:
        inspector = sa.inspect(connection)
        assert set(inspector.get_table_names()) == {
            "oauthtoken",
            "oauthtoken_audit",
            "oauthtoken_retired",
            "other_tokens",
            "other_tokens_audit",
            "other_tokens_retired",
            "zoho_tokenstore",
            "zoho_tokenstore_lease",
        }
        columns = [column["name"] for column in inspector.get_columns("zoho_tokenstore_lease")]
        retired = [column["name"] for column in inspector.get_columns("oauthtoken_retired")]
        audit = [column["name"] for column in inspector.get_columns("oauthtoken_audit")]
    assert columns == ["name", "text", "until_ms"]
    assert retired == ["id", "at_ms"]
    assert audit == ["number", "at_ms", "token_id", "text", "hash", "mac"]
    assert support.query(url, "SELECT name, value FROM zoho_tokenstore ORDER BY name") == [
        ("cleared_ms:oauthtoken", "0"),
        ("cleared_ms:other_tokens", "0"),
        ("schema_version:oauthtoken", "1"),
        ("schema_version:other_tokens", "1"),
    ]


def test_a_row_is_stored_as_texts_under_the_published_names(kind: str, url: str, open_: Open) -> None:
    """The ten values as they are, the times as numbers, no digest where there is none."""
    backend = open_()
    etag = backend.write(COMPLETE, expect=None)
    ((*values, stored_etag),) = support.query(url, f"SELECT {', '.join([*COLUMNS, *_OURS])} FROM oauthtoken")
    assert tuple(values) == (*COMPLETE[:14], None, None, None)
    assert str(stored_etag) == str(etag)
    assert 0 <= int(str(etag)) < 2**63


def test_a_missing_value_is_null(url: str, open_: Open) -> None:
    """Neither an empty text nor the word None."""
    open_().write(Row("1"), expect=None)
    ((row_id, *others),) = support.query(url, f"SELECT {', '.join(COLUMNS)} FROM oauthtoken")
    assert row_id == "1"
    assert others == [None] * 9


def test_an_id_of_every_length_is_stored_as_it_is(url: str, open_: Open) -> None:
    """The longest id, of wide characters and control characters, is the very text in its column."""
    row_id = "\x01\x02" + "\U0001f393" * (LONGEST_ID - 2)
    open_().write(Row(row_id), expect=None)
    assert support.query(url, "SELECT id FROM oauthtoken") == [(row_id,)]


def test_what_the_indexes_are_on(kind: str, url: str, open_: Open) -> None:
    """Texts of any length are found: by hash indexes, or by a hash of the digest, or else of the column."""
    open_().write(COMPLETE._replace(digests={"access_token": "digest"}, grant_token=None), expect=None)
    if kind == support.POSTGRESQL:
        named = "schemaname = current_schema() AND indexname LIKE 'oauthtoken_by%%'"
        found = support.query(url, f"SELECT indexdef FROM pg_indexes WHERE {named}")
        assert [" USING hash " in definition for (definition,) in found] == [True] * 4
        return
    hashed = blake2 if kind == support.OTHER else lambda text: hashlib.sha256(text.encode()).hexdigest()
    found_by = [COMPLETE.user_name, COMPLETE.refresh_token, "digest", None]
    assert support.query(url, f"SELECT {', '.join(_KEYS)} FROM oauthtoken") == [
        tuple(text and hashed(text) for text in found_by)
    ]


def test_look_ups_use_their_indexes(kind: str, url: str, open_: Open) -> None:
    """None of them reads the whole table."""
    backend = open_()
    with support.driver(url) as connection:
        if kind == support.POSTGRESQL:
            connection.exec_driver_sql("SET enable_seqscan = off")
        for index in LOOKUPS:
            for keys in (["a"], ["a", "b"]):
                names = {f"key_{number}": key for number, key in enumerate(keys)}
                statement = backend._find(index, len(keys)).statement.params(**names)
                plan = explained(kind, connection, statement)
                assert f"oauthtoken_by_{index}" in plan, plan
        plan = explained(kind, connection, backend._load.statement.params(row_id="1"))
        assert re.search("oauthtoken_pkey|const|sqlite_autoindex", plan), plan


def explained(kind: str, connection: sa.Connection, statement: Any) -> str:
    """Return how the database would carry out a statement."""
    words = {support.OTHER: "EXPLAIN QUERY PLAN"}.get(kind, "EXPLAIN")
    options = {"literal_binds": True, "render_postcompile": True}
    text = statement.compile(dialect=connection.dialect, compile_kwargs=options)
    return "\n".join(str(tuple(row)) for row in connection.exec_driver_sql(f"{words} {text}"))


def test_a_newer_schema_is_refused(url: str, open_: Open) -> None:
    """A database of a later release is left as it is."""
    open_().close()
    support.query(url, "UPDATE zoho_tokenstore SET value = '2' WHERE name LIKE 'schema%%'")
    with pytest.raises(BackendError, match="has schema 2; this release knows 1"):
        open_()
