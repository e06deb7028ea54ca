"""The stored form, read with plain sqlite3: what other programs and later releases rely on."""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

import pytest

from tests.sqlite import published
from tests.sqlite.conftest import Open
from tests.sqlite.tokens import is_sound, query
from zoho_tokenstore.backends._rows import STORED
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.backends.sqlite._table import INSERT
from zoho_tokenstore.records import COLUMNS, TokenRecord, row_from_record

SCHEMA_1 = {
    "oauthtoken": (
        "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
        "client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), "
        "grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), "
        "api_domain varchar(255), created_at_ms INTEGER, updated_at_ms INTEGER, last_used_at_ms INTEGER, "
        "identified_at_ms INTEGER, refresh_token_digest TEXT, access_token_digest TEXT, "
        "grant_token_digest TEXT, etag INTEGER, PRIMARY KEY (id))"
    ),
    "zoho_tokenstore": "CREATE TABLE zoho_tokenstore (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "zoho_tokenstore_retired": (
        "CREATE TABLE zoho_tokenstore_retired (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "oauthtoken_by_user_name": "CREATE INDEX oauthtoken_by_user_name ON oauthtoken (user_name)",
    "oauthtoken_by_refresh_token": (
        "CREATE INDEX oauthtoken_by_refresh_token ON oauthtoken "
        "(coalesce(refresh_token_digest, refresh_token))"
    ),
    "oauthtoken_by_access_token": (
        "CREATE INDEX oauthtoken_by_access_token ON oauthtoken (coalesce(access_token_digest, access_token))"
    ),
    "oauthtoken_by_grant_token": (
        "CREATE INDEX oauthtoken_by_grant_token ON oauthtoken (coalesce(grant_token_digest, grant_token))"
    ),
}
"""Tables and indexes of schema version 1. A change here is a new version, with a migration."""

COMPLETE = TokenRecord(
    user_name="patricia@zylker.example",
    client_id="1000.CLIENT",
    client_secret="secret",
    refresh_token="1000.refresh",
    access_token="1000.access",
    grant_token="1000.grant",
    expires_at_ms=4102444800123,
    redirect_url="https://portal.zylker.example/callback",
    api_domain="https://www.zohoapis.eu",
)


def normalised(statement: str) -> str:
    """One form for what `CREATE TABLE` and `ALTER TABLE ADD COLUMN` leave in the schema."""
    flat = re.sub(r"\s+", " ", statement)
    parts = re.fullmatch(r"(CREATE TABLE \S+ \()(.*?), ?PRIMARY KEY \(id\)(.*)\)", flat, re.IGNORECASE)
    return f"{parts[1]}{parts[2]}{parts[3]}, PRIMARY KEY (id))" if parts else flat


@pytest.mark.parametrize("made_by", ["us", "the published code"])
def test_schema_version_1_is_pinned(tmp_path: Path, open_tokens: Open, made_by: str) -> None:
    """Tables, columns in their order and indexes are exactly these, new or adopted."""
    path = tmp_path / "tokens.db"
    if made_by == "the published code":
        published.create(path)
    open_tokens(path).close()
    found = query(path, "SELECT name, sql FROM sqlite_master WHERE type <> 'trigger' AND sql IS NOT NULL")
    assert {name: normalised(sql) for name, sql in found if name in SCHEMA_1} == SCHEMA_1
    assert {name for name, _ in found} - SCHEMA_1.keys() == {"zoho_tokenstore_lease", "zoho_tokenstore_audit"}
    triggers = query(path, "SELECT name FROM sqlite_master WHERE type = 'trigger' ORDER BY name")
    assert [name for (name,) in triggers] == [
        "oauthtoken_deleted",
        "oauthtoken_inserted",
        "oauthtoken_updated",
        "zoho_tokenstore_audit_unchanged",
    ]
    assert query(path, "SELECT * FROM zoho_tokenstore") == [("schema_version", "1")]


def test_a_new_and_an_adopted_database_have_the_same_columns(
    tmp_path: Path, legacy: Path, open_tokens: Open
) -> None:
    """Names, order and types do not depend on who created the table."""
    open_tokens(tmp_path / "new.db").close()
    open_tokens(legacy).close()
    columns = "SELECT name, type, \"notnull\", pk FROM pragma_table_info('oauthtoken')"
    assert query(legacy, columns) == query(tmp_path / "new.db", columns)


@pytest.mark.clear
def test_a_token_is_stored_as_texts_under_the_published_names(tmp_path: Path) -> None:
    """The ten values are texts, the expiry in decimal milliseconds; the bookkeeping is integers."""
    path = tmp_path / "tokens.db"
    row = row_from_record(COMPLETE, "9000000001")._replace(
        created_at_ms=1, updated_at_ms=2, identified_at_ms=4
    )
    backend = SQLiteBackend(path)
    etag = backend.write(row, expect=None)
    backend.close()
    assert query(path, "SELECT * FROM oauthtoken") == [
        (
            "9000000001",
            "patricia@zylker.example",
            "1000.CLIENT",
            "secret",
            "1000.refresh",
            "1000.access",
            "1000.grant",
            "4102444800123",
            "https://portal.zylker.example/callback",
            "https://www.zohoapis.eu",
            *(1, 2, None, 4),
            *(None, None, None),
            etag,
        )
    ]
    types = query(path, f"SELECT {', '.join(f'typeof({name})' for name in COLUMNS)} FROM oauthtoken")
    assert types == [("text",) * 10]
    assert isinstance(etag, int)


@pytest.mark.clear
def test_a_missing_value_is_null(tmp_path: Path, open_tokens: Open) -> None:
    """Neither an empty text nor the word None."""
    path = tmp_path / "tokens.db"
    open_tokens(path).save(TokenRecord(access_token="1000.access"))
    (row,) = query(path, f"SELECT {', '.join(COLUMNS)} FROM oauthtoken")
    stored = {name for name, value in zip(COLUMNS, row, strict=True) if value is not None}
    assert stored == {"id", "access_token"}


def test_the_file_is_in_write_ahead_mode_and_sound(tmp_path: Path, open_tokens: Open) -> None:
    """Also for whoever opens it next; and nothing but the file is left when it is closed."""
    path = tmp_path / "tokens.db"
    tokens = open_tokens(path)
    tokens.save(COMPLETE)
    tokens.close()
    assert [file.name for file in tmp_path.iterdir()] == ["tokens.db"]
    assert query(path, "PRAGMA journal_mode") == [("wal",)]
    assert is_sound(path)


@pytest.mark.clear
def test_a_deleted_secret_is_not_left_in_the_file(tmp_path: Path, open_tokens: Open) -> None:
    """What was deleted, cleared or replaced is overwritten in the file once it is closed.

    A refresh token that a new login has replaced may be alive at Zoho: it is there until its login goes.
    """
    path = tmp_path / "tokens.db"
    tokens = open_tokens(path)
    first = tokens.save(COMPLETE)
    assert first.id is not None
    replaced = stored_tokens(path)
    tokens.save(TokenRecord(id=first.id, access_token="1000.second", refresh_token="1000.third"))
    tokens.close()
    deleted = stored_tokens(path)
    assert len(replaced | deleted) == 4
    content = path.read_bytes()
    assert all(text in content for text in deleted)
    assert sum(text in content for text in replaced) == 1
    tokens = open_tokens(path)
    tokens.delete(first.id)
    tokens.close()
    content = path.read_bytes()
    assert not any(text in content for text in replaced | deleted)


def stored_tokens(path: Path) -> set[bytes]:
    """The texts that stand for the access and refresh tokens, clear or sealed."""
    rows = query(path, "SELECT access_token, refresh_token FROM oauthtoken")
    return {text.encode() for row in rows for text in row}


def test_a_new_row_is_one_statement(tmp_path: Path) -> None:
    """No parameter has a number, which Python 3.12.0 to 3.12.3 warn of; the row is counted as inserted."""
    assert not re.search(r"\?\d", INSERT)
    path = tmp_path / "tokens.db"
    SQLiteBackend(path).close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        values = ("1", *[None] * (len(STORED) - 2), 5)
        assert [other.execute(INSERT, values).rowcount for _ in range(2)] == [1, 0]
