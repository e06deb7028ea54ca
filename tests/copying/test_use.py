"""Both stores are in use while they are copied: nothing that is saved meanwhile is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.copying.support import CLIENT, in_order, numbered, put, row, rows_of, side
from zoho_tokenstore import TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome
from zoho_tokenstore.copying._passes import MAX_PASSES, RECENT_MS, copy_rows
from zoho_tokenstore.records import Row

ROWS = in_order(map(numbered, range(10)))
FAIL, SKIP, NEWER, OVERWRITE = OnConflict


class Overtaken(ListBackend):
    """A store in which somebody else does something just before, or just after, the first write of a row."""

    def __init__(
        self,
        row_id: str,
        before: Callable[[], object] = lambda: None,
        after: Callable[[], object] = lambda: None,
    ) -> None:
        super().__init__()
        self._row_id, self._before, self._after = row_id, before, after
        self.overtaken = False

    def write(self, row: Row, *, expect: object) -> object:
        if self.overtaken or row.id != self._row_id:
            return super().write(row, expect=expect)
        self.overtaken = True
        self._before()
        etag = super().write(row, expect=expect)
        self._after()
        return etag


def save(backend: ListBackend, **fields: Any) -> Callable[[], object]:
    """Return what a process does that has a new token."""
    return lambda: TokenRepository(backend, keys=None).save(TokenRecord(**{**CLIENT, **fields}))


@pytest.fixture(autouse=True)
def _clear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)


# ---- the destination


@pytest.mark.parametrize("policy", [NEWER, OVERWRITE])
def test_a_save_between_reading_and_writing_stays(source: ListBackend, policy: OnConflict) -> None:
    """The later save at the destination wins, under `overwrite` too: it was made while this ran."""
    put(source, [row("1", updated_at_ms=5)])
    destination = Overtaken("none")
    put(destination, [row("1", access_token="1000.access.early", updated_at_ms=1)])
    destination._row_id = "1"
    destination._before = save(destination, id="1", access_token="1000.access.saved")
    done = copy_rows(side(source), side(destination), on_conflict=policy)
    assert destination.overtaken
    (kept,) = rows_of(destination)
    assert kept.access_token == "1000.access.saved"
    assert done.count(Outcome.KEPT_DESTINATION) == 1


@pytest.mark.parametrize(("policy", "outcome"), [(FAIL, Outcome.CONFLICT), (SKIP, Outcome.KEPT_DESTINATION)])
def test_a_row_that_appears_before_it_is_copied_stays(
    source: ListBackend, policy: OnConflict, outcome: Outcome
) -> None:
    """Somebody inserts another version under that id just then: it is a conflict like any other."""
    put(source, [row("1")])
    destination = Overtaken("1")
    theirs = row("1", access_token="1000.access.theirs")
    destination._before = lambda: put(destination, [theirs])
    done = copy_rows(side(source), side(destination), on_conflict=policy)
    assert rows_of(destination) == [theirs]
    assert done.count(outcome) == 1


def test_two_copies_at_once_are_one(source: ListBackend) -> None:
    """Another run has copied the row just before: then it is there."""
    put(source, ROWS)
    destination = Overtaken(ROWS[3].id)
    destination._before = lambda: put(destination, [ROWS[3]])
    done = copy_rows(side(source), side(destination))
    assert (done.copied, done.is_complete) == (9, True)
    assert rows_of(destination) == ROWS


def test_a_refresh_right_after_the_copy_of_a_row_stays(source: ListBackend) -> None:
    """It is not taken for a row that was not kept, and the next pass leaves it."""
    put(source, ROWS)
    destination = Overtaken(ROWS[3].id)
    destination._after = save(destination, id=ROWS[3].id, access_token="1000.access.saved")
    done = copy_rows(side(source), side(destination), on_conflict=NEWER)
    kept = destination.load(ROWS[3].id)
    assert kept is not None
    assert kept.access_token == "1000.access.saved"
    assert done.is_complete
    assert done.count(Outcome.EQUAL) == 9


@pytest.mark.parametrize("policy", [NEWER, OVERWRITE])
def test_a_refresh_between_two_passes_stays(
    source: ListBackend, destination: ListBackend, policy: OnConflict
) -> None:
    """Later passes overwrite nothing that is newer, whatever the policy."""
    put(source, ROWS)
    put(destination, [ROWS[0]._replace(access_token="1000.access.early", updated_at_ms=2**53)])

    def use(state: CopyReport) -> None:
        if state.passes == 1 and state.rows == len(ROWS):
            save(destination, id=ROWS[0].id, access_token="1000.access.saved")()

    copy_rows(side(source), side(destination), on_conflict=policy, on_progress=use)
    kept = destination.load(ROWS[0].id)
    assert kept is not None
    assert kept.access_token == "1000.access.saved"


def test_a_removal_right_after_the_copy_of_a_row_is_no_failure(source: ListBackend) -> None:
    """A user may log out there at once. He stays logged out, and that is told."""
    put(source, ROWS)
    destination = Overtaken(ROWS[3].id)
    destination._after = lambda: destination.remove(ROWS[3].id)
    done = copy_rows(side(source), side(destination))
    assert (done.copied, done.is_complete) == (10, True)
    assert done.outcomes[Outcome.DELETED].ids == [(ROWS[3].id, None)]
    assert rows_of(destination) == [one for one in ROWS if one is not ROWS[3]]


def test_a_login_in_the_same_moment_is_told_of(source: ListBackend) -> None:
    """The user logs in there just when the row is copied: there are two rows, and the user's own is found.

    As long as both are there, every run tells.
    """
    put(source, ROWS)
    one = ROWS[2]
    destination = Overtaken(one.id)
    login = one._asdict() | {"access_token": "1000.access.login"}
    fields = {name: login[name] for name in ("user_name", "client_id", "api_domain", "access_token")}
    destination._before = save(destination, **fields)
    for _ in range(2):
        done = copy_rows(side(source), side(destination), on_conflict=NEWER)
        assert not done.is_complete
        ((row_id, other),) = done.outcomes[Outcome.DUPLICATE_OWNER].ids
        assert row_id == one.id
        assert done.others == 1
    found = TokenRepository(destination).find(TokenRecord(user_name=one.user_name))
    assert found is not None
    assert (found.id, found.access_token) == (other, "1000.access.login")
    destination.remove(one.id)
    assert copy_rows(side(source), side(destination), on_conflict=NEWER).is_complete


def test_only_new_rows_are_looked_at_for_that(source: ListBackend, destination: ListBackend) -> None:
    """Rows of one owner that have been there for long are the destination's own affair."""
    put(source, [row("1")])
    put(destination, [row("1"), row("9", created_at_ms=5_000_000), row("8", created_at_ms=4_999_999)])
    done = copy_rows(side(source), side(destination), clock=lambda: 5_000_000 + RECENT_MS)
    assert done.outcomes[Outcome.DUPLICATE_OWNER].ids == [("1", "9")]
    assert copy_rows(side(source), side(destination)).is_complete


def test_a_row_that_never_rests_is_left(source: ListBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a bounded time the run goes on with the others, and tells."""
    monkeypatch.setattr("zoho_tokenstore.copying._passes.CONFLICT_TIMEOUT", 0.1)

    class Restless(ListBackend):
        def write(self, row: Row, *, expect: object) -> object:
            if row.id == ROWS[3].id and row.updated_at_ms != 1:
                stored = self.load(row.id)
                again = ROWS[3]._replace(access_token="1000.access.x", updated_at_ms=1)
                self.write(again, expect=None if stored is None else stored.etag)
            return super().write(row, expect=expect)

    put(source, ROWS)
    destination = Restless()
    done = copy_rows(side(source), side(destination), on_conflict=NEWER)
    assert [row_id for row_id, _ in done.outcomes[Outcome.REFUSED].ids] == [ROWS[3].id]
    assert "kept changing" in done.outcomes[Outcome.REFUSED].reason
    assert done.count(Outcome.EQUAL) == 9


# ---- the source


def test_what_is_saved_in_the_source_meanwhile_is_copied_too(
    source: ListBackend, destination: ListBackend
) -> None:
    """New rows behind the place that was reached, and before it; and a refresh, where newer ones win."""
    put(source, ROWS)

    def use(state: CopyReport) -> None:
        if (state.passes, state.rows) == (1, 5):
            put(source, [row("0", "new"), row("99999999999", "newer")])
            save(source, id=ROWS[1].id, access_token="1000.access.saved")()

    done = copy_rows(side(source), side(destination), on_conflict=NEWER, on_progress=use)
    assert done.is_complete
    assert done.passes == 3
    assert (done.copied, done.overwritten) == (12, 1)
    assert rows_of(destination) == rows_of(source)


def test_a_refresh_in_the_source_is_a_conflict_where_nothing_else_is_said(
    source: ListBackend, destination: ListBackend
) -> None:
    """It differs from what has been copied; the run tells, and ends incomplete."""
    put(source, ROWS)

    def use(state: CopyReport) -> None:
        if (state.passes, state.rows) == (1, 5):
            save(source, id=ROWS[1].id, access_token="1000.access.saved")()

    done = copy_rows(side(source), side(destination), on_progress=use)
    assert [row_id for row_id, _ in done.outcomes[Outcome.CONFLICT].ids] == [ROWS[1].id]
    assert done.source_digest != done.destination_digest


def test_a_source_that_is_always_written_is_told_of(source: ListBackend, destination: ListBackend) -> None:
    """It ends after a number of passes, incomplete; another run finishes it."""
    put(source, ROWS)
    count = 0

    def use(state: CopyReport) -> None:
        nonlocal count
        if state.rows == len(ROWS):
            count += 1
            stored = source.load(ROWS[0].id)
            assert stored is not None
            later = stored._replace(access_token=f"1000.access.later-{count}", updated_at_ms=2**50 + count)
            source.write(later, expect=stored.etag)

    done = copy_rows(side(source), side(destination), on_conflict=NEWER, on_progress=use)
    assert (done.passes, done.pending, done.is_complete) == (MAX_PASSES, 1, False)
    assert copy_rows(side(source), side(destination), on_conflict=NEWER).is_complete
    assert rows_of(destination) == rows_of(source)
