"""All rows under the newest key: what is changed, what is left alone, and how it goes on after a stop."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sealing.stores import bytes_on_disk, fill, row_of, token_id
from zoho_tokenstore import BackendTimeoutError, ConfigurationError, Keyset, TokenRecord, TokenRepository
from zoho_tokenstore._unrevoked import OWED, RememberedTokens
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import Row
from zoho_tokenstore.sealing import ResealReport, count_by_key, reseal
from zoho_tokenstore.sealing._cipher import AESGCMCipher
from zoho_tokenstore.sealing._resealing import MAX_PASSES
from zoho_tokenstore.sealing._sources import VARIABLE

OLD, NEW = Keyset.generate(), Keyset.generate()
BOTH = Keyset.from_text(NEW.to_text() + OLD.to_text())


class Stop(Exception):
    """Somebody stops the work."""


@pytest.fixture
def backend() -> Iterator[ListBackend]:
    """A store with five users, sealed under the old key."""
    backend = ListBackend()
    for number in range(5):
        backend.write(AESGCMCipher(OLD).seal(row_of(number)), expect=None)
    yield backend
    backend.close()


def test_every_row_is_sealed_anew_and_nothing_else_changes(backend: ListBackend) -> None:
    """Afterwards the new key alone opens all of it; the clear columns and the times are as they were."""
    done = reseal(backend, BOTH)
    assert (done.rows, done.sealed, done.pending, done.refused) == (5, 5, 0, set())
    assert count_by_key(backend, NEW).by_key == {NEW.ids[0]: 5}
    clear = [AESGCMCipher(NEW).open(row)._replace(digests={}, etag=None) for row in backend.scan()]
    assert clear == [row_of(number) for number in range(5)]


def test_rows_are_found_by_every_secret_afterwards(backend: ListBackend) -> None:
    """The look-up digests are those of the new key."""
    reseal(backend, BOTH)
    tokens = TokenRepository(backend, keys=NEW)
    row = row_of(3)
    client = TokenRecord(client_id=row.client_id, client_secret=row.client_secret)
    for query in (
        TokenRecord(access_token=row.access_token),
        client.changed(refresh_token=row.refresh_token),
    ):
        found = tokens.find(query)
        assert found is not None
        assert found.id == row.id


def test_a_second_run_has_nothing_to_do(backend: ListBackend) -> None:
    """Rows under the newest key are not written again."""
    reseal(backend, BOTH)
    before = list(backend.scan())
    done = reseal(backend, BOTH)
    assert (done.passes, done.rows, done.sealed) == (1, 5, 0)
    assert list(backend.scan()) == before


def test_a_stopped_run_goes_on_where_it_stopped(backend: ListBackend) -> None:
    """What was done stays done; meanwhile a ring with both keys reads everything."""

    def stop(state: ResealReport) -> None:
        if state.rows == 2:
            raise Stop

    with pytest.raises(Stop):
        reseal(backend, BOTH, on_progress=stop)
    assert count_by_key(backend).by_key == {NEW.ids[0]: 2, OLD.ids[0]: 3}
    assert count_by_key(backend, BOTH).refused == []
    assert reseal(backend, BOTH).sealed == 3


def test_a_row_that_somebody_saves_meanwhile_keeps_that_save(backend: ListBackend) -> None:
    """The save of another process wins, and is sealed anew as well."""
    other = TokenRepository(backend, keys=OLD)
    saved = False

    class Overtaken(ListBackend):
        def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
            return backend.scan(after=after, limit=limit)

        def load(self, row_id: str) -> Row | None:
            return backend.load(row_id)

        def write(self, row: Row, *, expect: object) -> object:
            nonlocal saved
            if not saved:
                saved = True
                other.save(TokenRecord(id=row.id, access_token="1000.newer"))
            return backend.write(row, expect=expect)

    done = reseal(Overtaken(), BOTH)
    assert (done.sealed, saved) == (5, True)
    found = TokenRepository(backend, keys=NEW).get(token_id(0))
    assert found is not None
    assert found.access_token == "1000.newer"


def test_a_row_that_is_deleted_meanwhile_stays_away(backend: ListBackend) -> None:
    """It is not written back."""

    def delete_the_next(state: ResealReport) -> None:
        if state.rows == 1:
            backend.remove(token_id(1))

    assert reseal(backend, BOTH, on_progress=delete_the_next).refused == set()
    assert backend.load(token_id(1)) is None
    assert count_by_key(backend, NEW).rows == 4


def test_who_goes_on_under_the_old_key_is_told_of(backend: ListBackend) -> None:
    """If others keep writing under an older key, the run ends and says so, instead of chasing them."""

    def write_under_the_old_key(state: ResealReport) -> None:
        stored = backend.load(token_id(0))
        if state.rows == 1 and stored is not None:
            backend.write(AESGCMCipher(OLD).seal(row_of(0)), expect=stored.etag)

    done = reseal(backend, BOTH, on_progress=write_under_the_old_key)
    assert (done.passes, done.pending) == (MAX_PASSES, 1)


def test_rows_that_do_not_open_are_left_as_they_are(backend: ListBackend) -> None:
    """They are listed; the others are sealed anew."""
    row = backend.load(token_id(2))
    assert row is not None
    backend.write(row._replace(access_token="1000.planted"), expect=row.etag)
    planted = backend.load(token_id(2))
    done = reseal(backend, BOTH)
    assert (done.sealed, done.refused) == (4, {token_id(2)})
    assert backend.load(token_id(2)) == planted
    assert count_by_key(backend, BOTH).refused == [token_id(2)]


def test_clear_rows_are_sealed_only_if_the_ring_accepts_them() -> None:
    """A rotation refuses a planted clear row; a conversion takes it for one that is still to be sealed."""
    backend = ListBackend()
    backend.write(row_of(0), expect=None)
    assert reseal(backend, NEW).refused == {token_id(0)}
    assert reseal(backend, NEW.accepting_clear()).sealed == 1
    assert count_by_key(backend, NEW).refused == []


def test_a_digest_of_another_row_is_noticed(backend: ListBackend) -> None:
    """Taking stock compares the digests with the secrets."""
    one, two = backend.load(token_id(1)), backend.load(token_id(2))
    assert one is not None
    assert two is not None
    backend.write(one._replace(digests=two.digests), expect=one.etag)
    assert count_by_key(backend, OLD).refused == [token_id(1)]


def test_a_ring_that_seals_nothing_is_refused(backend: ListBackend) -> None:
    """With "clear" in the first place there is no key to seal with."""
    with pytest.raises(ConfigurationError, match="'clear'"):
        reseal(backend, Keyset.from_text("clear " + NEW.to_text()))


@pytest.fixture
def database(tmp_path: Path) -> Iterator[SQLiteBackend]:
    """A store with leases, where tokens to be revoked are remembered."""
    backend = SQLiteBackend(tmp_path / "tokens.db")
    yield backend
    backend.close()


def remembered_in(backend: SQLiteBackend, keys: Keyset | None) -> RememberedTokens:
    return TokenRepository(backend, keys=keys).remembered


def replace_logins(backend: SQLiteBackend, keys: Keyset | None, count: int) -> list[str]:
    """Log one user in again and again; return the refresh tokens that are to be revoked, the last owed."""
    tokens = TokenRepository(backend, keys=keys)
    refresh_tokens = [f"1000.refresh-{number}" for number in range(count)]
    for refresh_token in refresh_tokens:
        login = tokens.save(TokenRecord(user_name="patricia", client_id="1", refresh_token=refresh_token))
    tokens.remembered.add(OWED, login)
    return [refresh_tokens[-1], *refresh_tokens[:-1]]


@pytest.mark.parametrize("before", [OLD, None], ids=["rotated", "sealed"])
def test_tokens_that_are_to_be_revoked_are_sealed_with_the_rows(
    database: SQLiteBackend, before: Keyset | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Owed ones and replaced ones: afterwards the new key alone opens them, in their order."""
    monkeypatch.delenv(VARIABLE, raising=False)
    kept = replace_logins(database, before, 19)
    done = reseal(database, BOTH.accepting_clear())
    assert (done.rows, done.remembered, done.sealed, done.is_complete) == (1, 19, 20, True)
    remembered = remembered_in(database, NEW)
    assert [remembered.open(entry).refresh_token for entry in remembered.scan_all()] == kept
    usage = count_by_key(database, NEW)
    assert (usage.remembered, usage.by_key, usage.refused) == (19, {NEW.ids[0]: 20}, [])


def test_a_token_to_be_revoked_that_does_not_open_is_told_of(database: SQLiteBackend) -> None:
    """It is left as it was, and counts under its key."""
    lost = Keyset.generate()
    entry = RememberedTokens(database.leases, AESGCMCipher(lost)).add(OWED, TokenRecord(refresh_token="1"))
    done = reseal(database, BOTH)
    assert (done.is_complete, done.refused) == (False, {entry.row.id})
    usage = count_by_key(database, BOTH)
    assert (usage.by_key, usage.refused) == ({lost.ids[0]: 1}, [entry.row.id])


def test_nothing_of_the_past_is_left_in_a_sqlite_file(tmp_path: Path) -> None:
    """Neither in the database, in its free pages, nor in its log, while it is still open: not even what
    Zoho's published code has deleted, which overwrites nothing."""
    path = tmp_path / "tokens.db"
    fill(path, 200, None)
    with contextlib.closing(sqlite3.connect(path)) as published, published:
        published.execute("DELETE FROM oauthtoken WHERE CAST(id AS INTEGER) % 2")
    with contextlib.closing(SQLiteBackend(path)) as backend:
        assert backend.load(token_id(0)) == row_of(0)._replace(etag=0)
        assert b"1000.refresh." in bytes_on_disk(tmp_path)
        reseal(backend, NEW.accepting_clear())
        left = bytes_on_disk(tmp_path)
        assert len(left) > 10_000
        for secret in (b"1000.refresh.", b"1000.access.", b"the-secret-of-zylker"):
            assert secret not in left
        assert count_by_key(backend, NEW).by_key == {NEW.ids[0]: 100}


def test_a_reader_that_never_ends_delays_scrubbing_to_a_bound(tmp_path: Path) -> None:
    """The log cannot be emptied while somebody reads it: that is an error, after the store's time-out."""
    path = tmp_path / "tokens.db"
    fill(path, 3, None)
    with (
        contextlib.closing(SQLiteBackend(path, timeout=0.2)) as backend,
        contextlib.closing(sqlite3.connect(path, isolation_level=None)) as reader,
    ):
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM oauthtoken").fetchone()
        with pytest.raises(BackendTimeoutError):
            reseal(backend, NEW.accepting_clear())
        reader.execute("COMMIT")
        reseal(backend, NEW.accepting_clear())
        assert b"1000.refresh." not in bytes_on_disk(tmp_path)
