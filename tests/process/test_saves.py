"""Many processes, one database: what was acknowledged is there, once."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sqlite.conftest import FIXTURE
from tests.sqlite.tokens import holds_a_token, is_sound, query
from tests.support import processes
from tests.support.durability import check_acknowledged
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository


def stored(path: Path) -> list[tuple[str | None, str | None, str | None]]:
    with TokenRepository(SQLiteBackend(path)) as tokens:
        return [(found.id, found.user_name, found.access_token) for found in tokens.scan()]


def beside(path: Path) -> list[Path]:
    return [file for file in path.parent.iterdir() if file != path]


def test_two_hundred_saves_of_eight_processes_are_all_there(tmp_path: Path) -> None:
    """Every owner a row with an id of its own, from the first opening of a new file on."""
    path = tmp_path / "tokens.db"
    saved = [tuple(row) for rows in processes.together(8, "saver", path, 0) for row in rows]
    assert len(saved) == 200
    assert sorted(stored(path)) == sorted(saved)
    assert len({row_id for row_id, _, _ in saved}) == 200
    assert is_sound(path)
    assert beside(path) == []


def test_two_hundred_saves_for_five_owners_leave_five_rows(tmp_path: Path) -> None:
    """Processes that insert and update the same owners at once agree on one row for each."""
    path = tmp_path / "tokens.db"
    saved = [tuple(row) for rows in processes.together(8, "saver", path, 5) for row in rows]
    assert len(saved) == 200
    rows = stored(path)
    assert sorted(str(name) for _, name, _ in rows) == [f"user{number}" for number in range(5)]
    assert set(rows) <= set(saved)
    assert len({(row_id, name) for row_id, name, _ in saved}) == 5
    assert is_sound(path)
    assert beside(path) == []


@pytest.mark.long
@pytest.mark.timeout(180)
def test_what_a_killed_process_acknowledged_is_there(tmp_path: Path) -> None:
    """200 processes are killed at random moments, eight at work at any time.

    Of every owner there is one row, with the newest acknowledged token or a newer one; the
    database is sound, and nothing that holds a token is left beside it after the next opening.
    """
    path = tmp_path / "tokens.db"
    newest = processes.run("tests.support.nursery", f"sqlite:///{path}", 8, 0.3, 200, 20260512)["newest"]
    assert sum(1 for owner in newest if "new" in owner) > 20
    assert len(newest) > 50
    with TokenRepository(SQLiteBackend(path)) as tokens:
        count = check_acknowledged(newest, tokens)
    assert is_sound(path)
    assert processes.together(1, "opener", path) == [count]
    for abandoned in beside(path):  # the first processes were killed while they created the database
        assert not holds_a_token(abandoned)
        os.utime(abandoned, (0, 0))
    assert processes.together(1, "opener", path) == [count + 1]
    assert beside(path) == []


@pytest.mark.parametrize("round_", range(2))
def test_eight_first_openings_at_once_make_one_new_database(tmp_path: Path, round_: int) -> None:
    """Nobody meets a half-made file, and nobody's first token is lost to another one's creation."""
    path = tmp_path / "tokens.db"
    assert max(processes.together(8, "opener", path)) <= 7
    assert len(stored(path)) == 8
    assert query(path, "SELECT * FROM zoho_tokenstore") == [("schema_version", "1")]
    assert is_sound(path)
    assert beside(path) == []


@pytest.mark.clear
@pytest.mark.parametrize("round_", range(2))
def test_eight_first_openings_at_once_migrate_a_published_database_once(tmp_path: Path, round_: int) -> None:
    """All of them find its nine tokens; the columns are added once, and no token is touched."""
    path = tmp_path / "zohooauth.db"
    path.write_bytes(FIXTURE.read_bytes())
    before = query(path, "SELECT * FROM oauthtoken ORDER BY id")
    found = processes.together(8, "opener", path)
    assert all(9 <= count <= 16 for count in found)
    after = query(path, "SELECT * FROM oauthtoken WHERE user_name IS NULL OR user_name NOT LIKE 'worker%'")
    assert sorted(row[:10] for row in after) == before
    assert len(stored(path)) == 17
    assert query(path, "SELECT * FROM zoho_tokenstore") == [("schema_version", "1")]
    assert is_sound(path)
    assert beside(path) == []
