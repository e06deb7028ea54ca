"""New rows that are written together are as safe as rows that are written one by one."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence

import pytest

from tests.copying.support import BulkBackend, columns_of, in_order, numbered, put, row, rows_of, side
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying import Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.records import Found, Row


class Counting(BulkBackend):
    """Counts its calls."""

    def __init__(self) -> None:
        super().__init__()
        self.calls = {"write": 0, "write_many": 0, "find": 0, "load": 0}

    def find(self, index: str, *keys: str) -> list[Row]:
        self.calls["find"] += 1
        return super().find(index, *keys)

    def load(self, row_id: str) -> Row | None:
        self.calls["load"] += 1
        return super().load(row_id)

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        self.calls["write_many"] += 1
        return super().write_many(rows)


def filled(*rows: Row) -> ListBackend:
    backend = ListBackend()
    put(backend, rows)
    return backend


def test_rows_are_written_by_the_hundred() -> None:
    """A thousand new rows are two writes, and some look-ups by many keys each."""
    destination = Counting()
    done = copy_rows(side(filled(*(row(str(n), f"user{n}") for n in range(1000)))), side(destination))
    assert (done.is_complete, done.copied, done.passes) == (True, 1000, 2)
    assert destination.calls["write_many"] == 2
    assert destination.calls["find"] < 20
    assert destination.calls["load"] == 0


def test_what_one_by_one_copies_is_copied_together() -> None:
    """Rows of all kinds, also of owners who have several, come out alike, with the same report."""
    rows = [*map(numbered, range(700)), row("900001", "user1@zylker.example:600001"), row("900002", None)]
    one_by_one, together = ListBackend(), BulkBackend()
    reports = [copy_rows(side(filled(*rows)), side(to)) for to in (one_by_one, together)]
    assert reports[0] == reports[1]
    assert in_order(rows_of(one_by_one)) == in_order(rows_of(together)) == in_order(rows)


class Hesitant(BulkBackend):
    """Writes a single row only after a while, in which another thread may look for its owner."""

    def __init__(self) -> None:
        super().__init__()
        self._owner = threading.get_ident()
        self._is_overtaken = threading.Event()

    def find(self, index: str, *keys: str) -> list[Row]:
        found = super().find(index, *keys)
        if threading.get_ident() != self._owner:
            self._is_overtaken.set()
        return found

    def write(self, row: Row, *, expect: object) -> object:
        if row.user_name == "alice":
            self._is_overtaken.clear()
            self._is_overtaken.wait(0.3)
        return super().write(row, expect=expect)


def test_a_batch_is_not_written_before_an_owner_of_the_last_one_is_settled() -> None:
    """An owner with two rows in one batch and a third in the next gets the same rows as one by one."""
    rows = [*map(numbered, range(998)), *(row(row_id, "alice") for row_id in ("00", "01", "99999"))]
    one_by_one, together = ListBackend(), Hesitant()
    reports = [copy_rows(side(filled(*rows)), side(to)) for to in (one_by_one, together)]
    assert reports[0] == reports[1]
    assert in_order(rows_of(one_by_one)) == in_order(rows_of(together))


def test_an_owner_who_is_there_gets_no_second_row() -> None:
    """Who has a row in the destination under another id is settled as ever, beside all others."""
    destination = BulkBackend()
    put(
        destination, [row("9", "alice", access_token="1000.access.other", refresh_token="1000.refresh.other")]
    )
    done = copy_rows(side(filled(row("1", "alice"), row("2", "bob"))), side(destination))
    assert done.count(Outcome.CONFLICT) == 1
    assert [one.id for one in rows_of(destination)] == ["2", "9"]


def test_a_deleted_id_stays_deleted() -> None:
    """An id that was deleted in the destination is not written with the others."""
    destination = BulkBackend()
    put(destination, [row("2", "bob")])
    destination.remove("2")
    done = copy_rows(side(filled(row("1", "alice"), row("2", "bob"))), side(destination))
    assert done.count(Outcome.DELETED) == 1
    assert [one.id for one in rows_of(destination)] == ["1"]


class Careless(BulkBackend):
    """Changes a token of one row that it is given."""

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        return super().write_many(
            [one._replace(access_token="1000.access.x") if one.id == "2" else one for one in rows]
        )


class Forgetful(BulkBackend):
    """Does not find what it has written, but by its id."""

    def find(self, index: str, *keys: str) -> list[Row]:
        return [one for one in super().find(index, *keys) if one.id != "2"]


@pytest.mark.parametrize("kind", [Careless, Forgetful])
def test_rows_that_are_not_kept_are_told(kind: type[BulkBackend]) -> None:
    """What is written is looked up by its keys, and compared; one that differs harms no other."""
    destination = kind()
    done = copy_rows(side(filled(row("1", "alice"), row("2", "bob"), row("3", "carol"))), side(destination))
    assert not done.is_complete
    assert [row_id for row_id, _ in done.outcomes[Outcome.VERIFY_FAILED].ids] == ["2"]
    assert columns_of(one for one in rows_of(destination) if one.id != "2") == columns_of(
        [row("1", "alice"), row("3", "carol")]
    )


class Choosy(BulkBackend):
    """Writes one of the rows, and fails."""

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        super().write_many(rows[1:2])
        raise BackendUnavailableError("The disk is full.")


def test_a_write_that_fails_is_done_one_by_one() -> None:
    """Rows that cannot be written together are tried alone; what had been written counts as being there."""
    destination = Choosy()
    done = copy_rows(side(filled(row("1", "alice"), row("2", "bob"), row("3", "carol"))), side(destination))
    assert done.is_complete
    assert (done.copied, done.rows) == (2, 3)
    assert [one.id for one in in_order(rows_of(destination))] == ["1", "2", "3"]


class Broken(ListBackend):
    """Cannot be read to the end."""

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:  # type: ignore[override]
        yield from super().scan(after=after, limit=2)
        raise BackendUnavailableError("gone")


def test_what_was_read_before_a_failure_is_copied() -> None:
    """The rows before it are in the destination when the error is raised."""
    source, destination = Broken(), BulkBackend()
    put(source, [row("1", "alice"), row("2", "bob"), row("3", "carol")])
    with pytest.raises(BackendUnavailableError, match="gone"):
        copy_rows(side(source), side(destination))
    assert [one.id for one in rows_of(destination)] == ["1", "2"]
