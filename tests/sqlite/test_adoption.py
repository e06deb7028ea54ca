"""A database of the published sample is opened in place, and both go on working on it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.sqlite import published
from tests.sqlite.conftest import Open
from tests.sqlite.tokens import by_name, is_sound, query, token
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.errors import RetiredIdError, RowChangedError
from zoho_tokenstore.records import COLUMNS, TokenRecord

TEN = f"SELECT {published.TEN_COLUMNS} FROM oauthtoken ORDER BY id"


def ten_fields(found: TokenRecord | None) -> tuple[str | None, ...] | None:
    if found is None:
        return None
    expiry = None if found.expires_at_ms is None else str(found.expires_at_ms)
    return tuple(expiry if name == "expiry_time" else getattr(found, name) for name in COLUMNS)


def keys_of(row: tuple[str | None, ...]) -> dict[str, TokenRecord]:
    """Each query that must find this row, by the name of its key."""
    stored = dict(zip(COLUMNS, row, strict=True))
    client = TokenRecord(client_id=stored["client_id"], client_secret=stored["client_secret"])
    queries = {
        "id": TokenRecord(id=stored["id"]),
        "user_name": TokenRecord(user_name=stored["user_name"]),
        "access_token": TokenRecord(access_token=stored["access_token"]),
        "refresh_token": replace(client, refresh_token=stored["refresh_token"]),
        "grant_token": replace(client, grant_token=stored["grant_token"]),
    }
    return {name: asked for name, asked in queries.items() if stored[name] is not None}


def test_every_token_is_found_by_every_key_that_it_has(legacy: Path, open_tokens: Open) -> None:
    """All nine tokens, with all fields as they were, by id, name, access, refresh and grant token."""
    rows = query(legacy, TEN)
    assert len(rows) == 9
    tokens = open_tokens(legacy)
    asked = [(row, name, wanted) for row in rows for name, wanted in keys_of(row).items()]
    assert len(asked) == 9 * 3 + 8 + 3
    for row, name, wanted in asked:
        assert ten_fields(tokens.find(wanted)) == row, name


def test_the_ten_columns_stay_first_and_as_they_were(legacy: Path, open_tokens: Open) -> None:
    """Names, order, types and values of the published columns do not change; ours come after them."""
    columns = query(legacy, "SELECT name, type, \"notnull\", pk FROM pragma_table_info('oauthtoken')")
    rows = query(legacy, TEN)
    open_tokens(legacy).close()
    after = query(legacy, "SELECT name, type, \"notnull\", pk FROM pragma_table_info('oauthtoken')")
    assert [name for name, *_ in columns] == list(COLUMNS)
    assert after[:10] == columns
    assert len(after) > 10
    assert query(legacy, TEN) == rows
    assert is_sound(legacy)


def test_a_second_opening_changes_nothing(legacy: Path, open_tokens: Open) -> None:
    """The migration is done once: the whole content is the same after another opening."""
    open_tokens(legacy).close()
    before = query(legacy, "SELECT * FROM oauthtoken"), query(legacy, "SELECT * FROM sqlite_master")
    open_tokens(legacy).close()
    assert (query(legacy, "SELECT * FROM oauthtoken"), query(legacy, "SELECT * FROM sqlite_master")) == before


def test_an_adopted_token_keeps_its_id_when_it_is_saved(legacy: Path, open_tokens: Open) -> None:
    """A refreshed token of a known user updates that user's row, and no other."""
    rows = query(legacy, TEN)
    tokens = open_tokens(legacy)
    held = tokens.get("2")
    assert held is not None
    tokens.save(TokenRecord(**{**held.__dict__, "id": None, "access_token": "renewed"}))
    expected = [(*row[:5], "renewed", *row[6:]) if row[0] == "2" else row for row in rows]
    assert query(legacy, TEN) == expected


def test_what_the_published_code_adds_is_found_at_once(legacy: Path, open_tokens: Open) -> None:
    """A row that it inserts beside an open store is found by the next look-up, by every key."""
    tokens = open_tokens(legacy)
    tokens.save(token("ours"))
    for number in range(30):
        name = f"user{number}"
        assert tokens.find(by_name(name)) is None
        row_id = published.insert(legacy, name, tokens=name)
        row = published.find_by_id(legacy, row_id)
        assert row is not None
        for key, wanted in keys_of(row).items():
            assert ten_fields(tokens.find(wanted)) == row, key


def test_what_the_published_code_changes_is_seen_at_once(legacy: Path, open_tokens: Open) -> None:
    """A hot look-up by id returns what it committed a moment ago; the old access token finds nothing."""
    tokens = open_tokens(legacy)
    saved = tokens.save(token("ours"))
    assert saved.id is not None
    for number in range(100):
        before = tokens.get(saved.id)
        published.update(legacy, "ours", access_token=f"theirs-{number}")
        found = tokens.get(saved.id)
        assert before is not None
        assert found is not None
        assert found.access_token == f"theirs-{number}"
        assert tokens.find(TokenRecord(access_token=before.access_token)) is None
        assert tokens.find(TokenRecord(access_token=found.access_token)) == found


def test_what_the_published_code_deletes_is_gone_at_once(legacy: Path, open_tokens: Open) -> None:
    """A row that was looked up a moment ago is not found after it has deleted it."""
    tokens = open_tokens(legacy)
    assert tokens.get("3") is not None
    published.delete(legacy, "3")
    assert tokens.get("3") is None
    assert tokens.get("4") is not None


def test_compare_and_set_sees_writes_of_the_published_code(legacy: Path) -> None:
    """Whoever read a row before it was changed, or deleted and added again, may not overwrite it."""
    backend = SQLiteBackend(legacy)
    read = backend.load("2")
    assert read is not None
    published.update(legacy, "coordinator2@zylker.example:601234502", access_token="theirs")
    with pytest.raises(RowChangedError):
        backend.write(read._replace(access_token="ours"), expect=read.etag)
    assert query(legacy, "SELECT access_token FROM oauthtoken WHERE id = '2'") == [("theirs",)]

    read = backend.load("9")
    assert read is not None
    published.delete(legacy, "9")
    with pytest.raises(RowChangedError):
        backend.write(read._replace(access_token="ours"), expect=read.etag)
    assert published.insert(legacy, "somebody else", tokens="new") == "9"
    with pytest.raises(RowChangedError):
        backend.write(read._replace(access_token="ours"), expect=read.etag)
    found = backend.load("9")
    assert found is not None
    assert found.user_name == "somebody else"
    backend.close()


def test_what_the_published_code_deletes_stays_deleted(legacy: Path) -> None:
    """Its deletions retire ids as ours do; its next id, which it has used before, is served all the same."""
    backend = SQLiteBackend(legacy)
    kept = backend.load("9")
    assert kept is not None
    published.delete(legacy, "9")
    with pytest.raises(RetiredIdError):
        backend.write(kept, expect=None)
    assert published.insert(legacy, "somebody else", tokens="new") == "9"
    found = backend.load("9")
    assert found is not None
    backend.write(found._replace(access_token="renewed"), expect=found.etag)
    with published.connection(legacy) as connection:
        connection.execute("INSERT OR REPLACE INTO oauthtoken (id, user_name) VALUES ('8', 'replaced')")
        connection.execute("DELETE FROM oauthtoken WHERE id < '3'")
    assert [retired.id for retired in backend.retired.scan()] == ["1", "2", "9"]
    assert backend.retired.cleared_ms() == 0
    backend.close()


def test_the_published_code_finds_what_the_store_saves(legacy: Path, open_tokens: Open) -> None:
    """New and changed tokens are seen by its own statements, in the ten columns that it knows."""
    tokens = open_tokens(legacy)
    saved = tokens.save(token("new user"))
    assert saved.id is not None
    assert published.find_by_name(legacy, "new user") == ten_fields(saved)
    changed = tokens.save(token("new user", "access-2"))
    assert published.find_by_id(legacy, saved.id) == ten_fields(changed)
    tokens.delete(saved.id)
    assert published.find_by_name(legacy, "new user") is None


def test_the_published_numbering_gets_past_ten_tokens_beside_ours(legacy: Path, open_tokens: Open) -> None:
    """Alone it fails at the eleventh token, as it takes '9' for the greatest id; ours are greater."""
    tokens = open_tokens(legacy)
    tokens.save(token("ours"))
    ids = [published.insert(legacy, f"user{number}", tokens=str(number)) for number in range(20)]
    assert len(set(ids)) == 20
    assert all(len(row_id) == 9 for row_id in ids)
    tokens.save(token("ours too"))
    assert tokens.count() == 9 + 2 + 20


def test_an_empty_published_database_is_taken_over(tmp_path: Path, open_tokens: Open) -> None:
    """The table without rows, as the published code leaves it before the first login."""
    path = tmp_path / "zohooauth.db"
    published.create(path)
    tokens = open_tokens(path)
    assert tokens.count() == 0
    assert tokens.save(token("first")) == tokens.find(by_name("first"))


def test_adoption_takes_rights_from_others_and_leaves_them_to_the_group(
    legacy: Path, open_tokens: Open
) -> None:
    """0664 becomes 0660, before the journals are made, which get the same."""
    legacy.chmod(0o664)
    tokens = open_tokens(legacy)
    tokens.save(token("ours"))
    modes = {file.name: file.stat().st_mode & 0o777 for file in legacy.parent.iterdir()}
    assert modes == dict.fromkeys(("zohooauth.db", "zohooauth.db-wal", "zohooauth.db-shm"), 0o660)
