"""Rows that cannot be read, opened or kept, and stores that fail half-way: nothing else is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.copying.support import BulkBackend, in_order, numbered, put, row, rows_of, side
from zoho_tokenstore import BackendTimeoutError, BackendUnavailableError, Keyset
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Row
from zoho_tokenstore.sealing._cipher import AESGCMCipher

ROWS = in_order(map(numbered, range(12)))
LATE = ROWS[7].id


class Narrow(ListBackend):
    """A store that keeps no text of more than 100 characters, once it is `strict`."""

    def write(self, row: Row, *, expect: object) -> object:
        if any(len(text) > 100 for text in row[:10] if isinstance(text, str)):
            raise BackendError(f"Row {row.id!r} has a text that is too long for this store.")
        return super().write(row, expect=expect)


class Broken(ListBackend):
    """A store of which the calls named in `broken` fail from the moment on that the row `at` is reached."""

    def __init__(self, error: BackendError, *broken: str, at: str = "") -> None:
        super().__init__()
        self.error, self.broken, self.at = error, broken, at

    def _fail(self, call: str, row_id: str) -> None:
        if call in self.broken and row_id >= self.at:
            self.at = ""
            raise self.error

    def write(self, row: Row, *, expect: object) -> object:
        self._fail("write", row.id)
        return super().write(row, expect=expect)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        for one in super().scan(after=after, limit=limit):
            self._fail("scan", one.id)
            yield one


def told(done: CopyReport, outcome: Outcome) -> list[str]:
    return [row_id for row_id, _ in done.outcomes[outcome].ids]


def test_what_the_destination_cannot_hold_is_told_and_nothing_else_is_lost(source: ListBackend) -> None:
    """The row is listed with the reason; all others are copied and compared."""
    destination = Narrow()
    long = row("6", "eve", redirect_url="https://" + "x" * 100)
    put(source, [*ROWS, long])
    done = copy_rows(side(source), side(destination))
    assert told(done, Outcome.REFUSED) == ["6"]
    assert "too long for this store" in done.outcomes[Outcome.REFUSED].reason
    assert not done.is_complete
    assert rows_of(destination) == in_order(ROWS)
    assert done.count(Outcome.EQUAL) == len(ROWS)


def test_what_cannot_be_kept_anywhere_is_told(source: ListBackend, destination: ListBackend) -> None:
    """A lone surrogate is no Unicode text. The reason does not show it."""
    source.write(row("1", "a\ud800b"), expect=None)
    source.write(row("2", "bob", access_token="1000.access.\ud800"), expect=None)
    source.write(row("3", "carol"), expect=None)
    for dry_run in (True, False):
        done = copy_rows(side(source), side(destination), dry_run=dry_run)
        assert told(done, Outcome.REFUSED) == ["1", "2"]
        assert done.outcomes[Outcome.REFUSED].reason == (
            "user_name holds a lone surrogate, which is not valid Unicode text."
        )
    assert rows_of(destination) == [row("3", "carol")]


@pytest.mark.parametrize("kind", [ListBackend, BulkBackend])
def test_what_the_destination_must_not_seal_is_told(source: ListBackend, kind: type[ListBackend]) -> None:
    """A token that was read from another sealed store's table: unsealed, it would pass for a sealed one."""
    keys, odd = Keyset.generate(), row("6", "eve", access_token="zts1.abcdefgh.AAAA")
    put(source, [*ROWS, odd], keys)
    destination = kind()
    done = copy_rows(side(source, keys), side(destination))
    assert told(done, Outcome.REFUSED) == ["6"]
    assert "access_token is a sealed value" in done.outcomes[Outcome.REFUSED].reason
    assert rows_of(destination) == in_order(ROWS)


def test_a_store_that_refuses_everything_is_told_of_row_by_row(source: ListBackend) -> None:
    """As long as it can be read, it may be the rows' fault."""
    put(source, ROWS)
    done = copy_rows(side(source), side(Broken(BackendError("It refuses."), "write")))
    assert done.count(Outcome.REFUSED) == len(ROWS)
    assert (done.copied, done.passes) == (0, 1)


def test_a_store_that_is_broken_ends_the_run(source: ListBackend) -> None:
    """If it cannot be read any more, it is no row's fault."""
    put(source, ROWS)
    destination = Broken(BackendError("The table is gone."), "write", "scan", at=LATE)
    seen = CopyReport()
    with pytest.raises(BackendError, match="The table is gone"):
        copy_rows(side(source), side(destination), on_progress=lambda state: vars(seen).update(vars(state)))
    assert (seen.passes, seen.rows, seen.copied) == (1, 7, 7)
    destination.broken = ()
    assert rows_of(destination) == ROWS[:7]


@pytest.mark.parametrize("error", [BackendUnavailableError, BackendTimeoutError])
def test_a_store_that_cannot_be_reached_ends_the_run(source: ListBackend, error: type[BackendError]) -> None:
    """What was copied stays, and run again it goes on there."""
    put(source, ROWS)
    destination = Broken(error("It is away."), "write", at=LATE)
    with pytest.raises(error, match="It is away"):
        copy_rows(side(source), side(destination))
    assert rows_of(destination) == ROWS[:7]
    destination.broken = ()
    done = copy_rows(side(source), side(destination))
    assert (done.copied, done.is_complete) == (5, True)
    assert rows_of(destination) == ROWS


def test_a_source_that_cannot_be_read_completely_ends_the_run(destination: ListBackend) -> None:
    """With its own error; what was copied stays."""
    source = Broken(BackendError("The disk cannot be read."), "scan", at=LATE)
    put(source, ROWS)
    with pytest.raises(BackendError, match="The disk cannot be read"):
        copy_rows(side(source), side(destination))
    assert rows_of(destination) == ROWS[:7]


# ---- sealed rows


def test_rows_that_do_not_open_at_the_source_are_told(
    source: ListBackend, destination: ListBackend, old: Keyset, new: Keyset
) -> None:
    """One under another key, one that was moved, and a clear one; the others are copied."""
    put(source, ROWS, old)
    foreign, moved, clear = row("a", "a"), row("b", "b"), row("c", "c")
    put(source, [foreign], Keyset.generate())
    source.write(AESGCMCipher(old).seal(moved)._replace(id="b2"), expect=None)
    put(source, [clear])
    done = copy_rows(side(source, old), side(destination, new))
    assert told(done, Outcome.UNREADABLE) == ["a", "b2", "c"]
    assert not done.is_complete
    assert rows_of(destination, new) == ROWS


@pytest.mark.parametrize("policy", OnConflict)
def test_rows_that_do_not_open_at_the_destination_are_left(
    source: ListBackend, destination: ListBackend, new: Keyset, policy: OnConflict
) -> None:
    """Under every policy: what cannot be read is not overwritten. The others are copied."""
    put(source, ROWS)
    put(destination, [ROWS[3]._replace(access_token="1000.access.other")], Keyset.generate())
    locked = destination.load(ROWS[3].id)
    done = copy_rows(side(source), side(destination, new), on_conflict=policy)
    assert told(done, Outcome.LOCKED) == [ROWS[3].id]
    assert not done.is_complete
    assert destination.load(ROWS[3].id) == locked
    destination.remove(ROWS[3].id)
    assert rows_of(destination, new) == [one for one in ROWS if one is not ROWS[3]]


def test_an_owners_row_that_does_not_open_is_left(
    source: ListBackend, destination: ListBackend, new: Keyset
) -> None:
    """Whether it is the same login cannot be known, so none is made beside it."""
    put(source, [row("1")])
    put(destination, [row("9")], Keyset.generate())
    done = copy_rows(side(source), side(destination, new), on_conflict=OnConflict.OVERWRITE)
    assert told(done, Outcome.LOCKED) == ["1"]
    assert [stored.id for stored in destination.scan()] == ["9"]


def test_sealed_text_in_a_clear_source_is_not_copied(
    source: ListBackend, destination: ListBackend, old: Keyset
) -> None:
    """A clear side takes no sealed row for clear, to seal it twice or to give it away as a token."""
    put(source, [row("1")], old)
    put(source, [row("2", "bob")])
    for keys in (None, Keyset.generate()):
        assert told(copy_rows(side(source), side(destination, keys)), Outcome.UNREADABLE) == ["1"]
        destination.clear()


# ---- reading back


class Forgetful(ListBackend):
    """A store that does not keep some rows as they are written."""

    def write(self, row: Row, *, expect: object) -> object:
        spoilt = {"2": {"expiry_time": None}, "3": {"updated_at_ms": 1}, "4": {"grant_token": "other"}}
        return super().write(row._replace(**spoilt.get(row.id, {})), expect=expect)  # type: ignore[arg-type]


class Deaf(ListBackend):
    """A store that does not find a row by the name of its user."""

    def find(self, index: str, *keys: str) -> list[Row]:
        return [found for found in super().find(index, *keys) if found.id != "2"]


@pytest.mark.parametrize("policy", OnConflict)
def test_rows_that_are_not_kept_as_written_are_told(source: ListBackend, policy: OnConflict) -> None:
    """A column, a time, a secret: whatever comes back differently, with what to do about it."""
    put(source, [row(str(number), f"user{number}") for number in range(1, 6)])
    done = copy_rows(side(source), side(Forgetful()), on_conflict=policy)
    assert sorted(set(told(done, Outcome.VERIFY_FAILED))) == ["2", "3", "4"]
    assert "has not kept row '2' as it was written" in done.outcomes[Outcome.VERIFY_FAILED].reason
    assert done.copied == 2
    assert not done.is_complete


def test_rows_that_are_not_found_are_told(source: ListBackend) -> None:
    """A row that is there by its id alone would be a user who is asked to log in again."""
    put(source, [row("1"), row("2", "bob")])
    done = copy_rows(side(source), side(Deaf()))
    assert told(done, Outcome.VERIFY_FAILED) == ["2"]
    assert not done.is_complete


def test_a_row_that_only_its_id_finds_is_read_back_by_that(
    source: ListBackend, destination: ListBackend
) -> None:
    """Without user, client and tokens there is nothing else."""
    put(source, [Row("1"), Row("2", client_id="1000.ZYLKER")])
    assert copy_rows(side(source), side(destination)).is_complete
    assert rows_of(destination) == [Row("1"), Row("2", client_id="1000.ZYLKER")]


class Unordered(ListBackend):
    """A store whose scan has an order of its own, as SQL databases have for very long ids."""

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        return iter(list(super().scan(after=after, limit=limit))[::-1])


def test_an_order_of_its_own_costs_no_row(source: ListBackend) -> None:
    """Everything is copied once, found again, and counted right, in a dry run too."""
    destination = Unordered()
    put(source, ROWS)
    put(destination, [row("0", "zoe"), row("77", "yan")])
    for dry_run, copied in ((True, 12), (False, 12), (True, 0), (False, 0)):
        done = copy_rows(side(source), side(destination), dry_run=dry_run)
        assert (done.copied, done.others, done.is_complete) == (copied, 2, True)
    assert done.source_digest == done.destination_digest
