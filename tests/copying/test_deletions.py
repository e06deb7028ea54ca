"""What was deleted stays deleted: in the destination at any time, in the source while a copy runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.copying.conftest import Make
from tests.copying.support import (
    in_order,
    make_backend,
    numbered,
    put,
    row,
    rows_of,
    run,
    side,
)
from zoho_tokenstore import Keyset, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.errors import RetiredIdError
from zoho_tokenstore.events import Event, EventKind
from zoho_tokenstore.records import RetiredId, Row, record_from_row

ROWS = in_order(map(numbered, range(10)))
ONE = ROWS[4]
PLACES = ("sqlite", "csv", "list")
EVERY_POLICY = pytest.mark.parametrize("policy", OnConflict)
LATER = 2**42


def without(*rows: Row) -> list[Row]:
    return [one for one in ROWS if one not in rows]


def retired(backend: Backend) -> list[str]:
    return [row_id for row_id, _ in backend.retired.scan()]


def told(done: CopyReport, outcome: Outcome) -> list[str]:
    return [row_id for row_id, _ in done.outcomes[outcome].ids]


def at(passes: int, rows: int, act: Callable[[], object]) -> Callable[[CopyReport], None]:
    """Return what acts once, when so many rows of that pass are done."""

    def use(state: CopyReport) -> None:
        if (state.passes, state.rows) == (passes, rows):
            act()

    return use


# ---- deleted in the destination


@pytest.mark.parametrize("kind", PLACES)
@EVERY_POLICY
def test_a_row_that_was_deleted_there_does_not_come_back(make: Make, kind: str, policy: OnConflict) -> None:
    """However often the copy is run; it is listed, and is no failure. A dry run tells the same."""
    source, destination = make("list"), make(kind)
    put(source, ROWS)
    copy_rows(side(source), side(destination), on_conflict=policy)
    destination.remove(ONE.id)
    for dry_run in (True, False, False):
        done = copy_rows(side(source), side(destination), on_conflict=policy, dry_run=dry_run)
        assert told(done, Outcome.DELETED) == [ONE.id]
        assert (done.copied, done.is_complete) == (0, True)
        assert rows_of(destination) == without(ONE)


@EVERY_POLICY
def test_a_deleted_login_does_not_come_back_in_another_row_of_its_owner(
    source: ListBackend, destination: ListBackend, policy: OnConflict
) -> None:
    """She logs out there and in again: her new login stays as it is, though the old store's is refreshed."""
    put(source, [row("1")])
    copy_rows(side(source), side(destination))
    destination.remove("1")
    tokens = TokenRepository(destination, keys=None)
    login = record_from_row(row("1", refresh_token="1000.refresh.new")).changed(id=None)
    new = tokens.save(login)
    assert new.id != "1"
    put(source, [row("1", access_token="1000.access.later", updated_at_ms=LATER)])
    done = copy_rows(side(source), side(destination), on_conflict=policy)
    assert told(done, Outcome.DELETED) == ["1"]
    assert done.is_complete
    assert [(one.id, one.refresh_token) for one in rows_of(destination)] == [(new.id, "1000.refresh.new")]


@pytest.mark.parametrize("kind", ["sqlite", "memory"])
def test_who_logs_out_there_and_in_again_meanwhile_keeps_the_new_login(make: Make, kind: str) -> None:
    """Also if he does so after this pass has asked what is deleted, and under `overwrite`."""
    source, destination = make("list"), make(kind)
    put(source, [row("1", "aaron"), row("2")])
    copy_rows(side(source), side(destination))
    put(source, [row("1", "aaron"), row("2", access_token="1000.access.refreshed", updated_at_ms=LATER)])
    new = row("9", refresh_token="1000.refresh.new", updated_at_ms=5)

    destination.remove("2")
    put(destination, [new])
    destination.retired.prune(LATER)  # so that the run does not know at its beginning
    at_once = at(1, 1, lambda: destination.retired.add([RetiredId("2", LATER)]))
    done = copy_rows(side(source), side(destination), on_conflict=OnConflict.OVERWRITE, on_progress=at_once)
    assert told(done, Outcome.DELETED) == ["2"]
    assert rows_of(destination) == [row("1", "aaron"), new]


@EVERY_POLICY
@pytest.mark.parametrize("time", ["created_at_ms", "identified_at_ms"])
def test_a_later_login_under_a_deleted_id_is_a_failure(
    source: ListBackend, destination: ListBackend, policy: OnConflict, time: str
) -> None:
    """It is not the login that was deleted, and it cannot be copied: the run says so, and ends incomplete."""
    put(destination, [row("1")])
    destination.remove("1")
    later: dict[str, Any] = {time: LATER}
    put(source, [row("1", **later), row("2", "bob")])
    done = copy_rows(side(source), side(destination), on_conflict=policy)
    assert told(done, Outcome.REUSED) == ["1"]
    assert not done.is_complete
    assert rows_of(destination) == [row("2", "bob")]


def test_a_cleared_destination_stays_clear(make: Make) -> None:
    """Everything that was deleted there at once stays deleted; new rows are copied."""
    source, destination = make("list"), make("sqlite")
    put(source, ROWS)
    copy_rows(side(source), side(destination))
    destination.clear()
    put(source, [row("new", "zoe")])
    done = copy_rows(side(source), side(destination))
    assert (done.count(Outcome.DELETED), done.copied, done.is_complete) == (10, 1, True)
    assert rows_of(destination) == [row("new", "zoe")]


# ---- deleted in the source


@pytest.mark.parametrize("kind", PLACES)
def test_ids_that_the_source_has_deleted_are_retired_there(make: Make, kind: str) -> None:
    """With their times; so nobody gets one of them there either. A second run adds none."""
    source, destination = make(kind), make(kind)
    put(source, [*ROWS, row("7gone", "gone"), row("8gone", "gone too")])
    source.remove("7gone")
    source.remove("8gone")
    known = sorted(source.retired.scan())
    done = copy_rows(side(source), side(destination), dry_run=True)
    assert (done.retired, retired(destination)) == (2, [])
    done = copy_rows(side(source), side(destination))
    assert (done.retired, done.removed, done.is_complete) == (2, 0, True)
    assert sorted(destination.retired.scan()) == known
    with pytest.raises(RetiredIdError):
        destination.write(row("7gone", "mallory"), expect=None)
    assert copy_rows(side(source), side(destination)).retired == 0


@pytest.mark.parametrize("kind", PLACES)
@pytest.mark.parametrize("rows", [1, 9])
@pytest.mark.parametrize("passes", [1, 2])
def test_who_logs_out_at_the_source_while_it_is_copied_is_logged_out_there(
    make: Make, kind: str, passes: int, rows: int, new: Keyset
) -> None:
    """Whether his row was copied by then or not. His id is retired there too."""
    source, destination = make(kind), make(kind)
    put(source, ROWS)
    done = copy_rows(
        side(source),
        side(destination, new),
        on_progress=at(passes, rows, lambda: source.remove(ONE.id)),
    )
    assert rows_of(destination, new) == without(ONE)
    assert ONE.id in retired(destination)
    assert done.is_complete
    assert done.removed <= 1


def test_who_logs_out_between_two_passes_too(source: ListBackend, destination: ListBackend) -> None:
    """The end of the first pass has looked; the end of the second one looks again."""
    put(source, ROWS)
    scans = 0

    class Watched(ListBackend):
        def scan(self, **limits: Any) -> Any:
            nonlocal scans
            scans += 1
            if scans == 2:
                source.remove(ONE.id)
            return super().scan(**limits)

    watched = Watched()
    done = copy_rows(side(source), side(watched))
    assert rows_of(watched) == without(ONE)
    assert (done.removed, done.is_complete) == (1, True)


def test_each_login_that_a_copy_removes_is_reported(tmp_path: Path) -> None:
    """To the observer, and in the destination's audit trail: whose it was, and why it went."""
    source, destination = ListBackend(), make_backend("sqlite", tmp_path)
    put(source, ROWS)
    events: list[Event] = []
    act = at(1, 9, lambda: source.remove(ONE.id))
    with closing(TokenRepository(destination, keys=None, audit=True)) as repository:
        done = copy_rows(side(source), side(destination), on_progress=act, on_event=events.append)
        assert repository.audit is not None
        (entry,) = repository.audit.entries(what=["deleted"])
    assert (done.removed, done.is_complete) == (1, True)
    (removed,) = [event for event in events if event.kind is EventKind.DELETED]
    whose = (removed.location, removed.token_id, removed.user_name)
    assert whose == (destination.location, ONE.id, ONE.user_name)
    assert (entry.token_id, entry.user_name, entry.reason) == (ONE.id, ONE.user_name, "its source deleted it")


def test_a_login_that_was_refreshed_there_meanwhile_goes_too(
    source: ListBackend, destination: ListBackend
) -> None:
    """It is the same login, by its refresh token: a refresh does not bring a deleted one back."""
    put(source, ROWS)

    def use() -> None:
        refreshed = record_from_row(ONE).changed(access_token="1000.access.refreshed")
        TokenRepository(destination, keys=None).save(refreshed)
        source.remove(ONE.id)

    done = copy_rows(side(source), side(destination), on_progress=at(1, 9, use))
    assert (done.removed, done.is_complete) == (1, True)
    assert rows_of(destination) == without(ONE)


@pytest.mark.parametrize(
    "login",
    [
        {"refresh_token": "1000.refresh.other", "access_token": "1000.access.other"},
        {"access_token": "1000.access.other", "identified_at_ms": LATER},
    ],
    ids=["another refresh token", "named by Zoho anew"],
)
def test_who_has_logged_in_there_again_stays_logged_in(
    source: ListBackend, destination: ListBackend, login: dict[str, Any]
) -> None:
    """That is another login in his row, and not what the source has deleted. The row is told of."""
    put(source, ROWS)

    def use() -> None:
        put(destination, [ONE._replace(updated_at_ms=LATER, **login)])
        source.remove(ONE.id)

    done = copy_rows(side(source), side(destination), on_progress=at(1, 9, use))
    assert (done.removed, done.is_complete) == (0, True)
    assert done.outcomes.get(Outcome.DELETED) is None
    (kept,) = (one for one in rows_of(destination) if one.id == ONE.id)
    assert kept.access_token == "1000.access.other"
    assert copy_rows(side(source), side(destination)).outlived.ids == [(ONE.id, None)]


@pytest.mark.parametrize(
    "other", [row(ONE.id, "somebody"), row(ONE.id, None, refresh_token="1000.refresh.x")]
)
def test_a_row_of_somebody_else_under_that_id_stays(
    source: ListBackend, destination: ListBackend, other: Row
) -> None:
    """Zoho's own code numbers rows in each store from 1: an id alone proves nothing."""
    put(source, ROWS)
    put(destination, [other])
    done = copy_rows(side(source), side(destination), on_progress=at(1, 9, lambda: source.remove(ONE.id)))
    assert done.removed == 0
    assert rows_of(destination) == in_order([*without(ONE), other])


def test_a_row_that_the_source_deleted_before_is_told_and_stays(
    source: ListBackend, destination: ListBackend
) -> None:
    """Between two runs nobody can tell whose it is. It is listed, by every run, and is no failure."""
    put(source, ROWS)
    copy_rows(side(source), side(destination))
    source.remove(ONE.id)
    for _ in range(2):
        done = copy_rows(side(source), side(destination))
        assert (done.outlived.ids, done.removed, done.is_complete) == ([(ONE.id, None)], 0, True)
    assert ONE.id not in retired(destination)
    destination.remove(ONE.id)
    assert not copy_rows(side(source), side(destination)).outlived.count


def test_a_retired_id_whose_row_lives_is_copied_and_not_retired(
    source: ListBackend, destination: ListBackend
) -> None:
    """So a storage without transactions looks in the middle of a deletion; the row is there until its end."""
    put(source, ROWS)
    source.retired.add([RetiredId(ONE.id, 1)])
    done = copy_rows(side(source), side(destination))
    assert (done.is_complete, done.retired, done.removed) == (True, 0, 0)
    assert rows_of(destination) == ROWS
    assert retired(destination) == []


def test_clearing_the_source_while_it_is_copied_clears_the_copies(
    source: ListBackend, destination: ListBackend
) -> None:
    """And nothing but the copies."""
    put(source, ROWS)
    put(destination, [row("0", "zoe")])
    done = copy_rows(side(source), side(destination), on_progress=at(1, 6, source.clear))
    assert rows_of(destination) == [row("0", "zoe")]
    assert done.removed > 0
    assert set(retired(destination)) == {one.id for one in ROWS}


# ---- the command


def filled(kind: str, folder: Path, rows: Iterable[Row], *deleted: str) -> str:
    folder.mkdir()
    with closing(make_backend(kind, folder)) as backend:
        put(backend, rows)
        for row_id in deleted:
            backend.remove(row_id)
    return f"{kind}:///{folder / ('tokens.db' if kind == 'sqlite' else 'tokens.csv')}"


@pytest.mark.clear
def test_the_command_says_what_was_deleted_where(tmp_path: Path) -> None:
    """How many ids the destination has noted, which rows were not copied, and which ones to look at."""
    there = [row("1"), row("2", "bob"), row("3", "carol")]
    source = filled("sqlite", tmp_path / "from", [*there, row("4", "dave")], "3", "4")
    destination = filled("csv", tmp_path / "to", there, "1")
    told = run(source, destination, "--dry-run")
    assert told.exit_code == 0
    assert "1 ids of tokens that the source has deleted would be noted as deleted there" in told.output
    told = run(source, destination)
    assert told.exit_code == 0, told.output
    assert "1 ids of tokens that the source has deleted are now noted as deleted there" in told.output
    assert "were deleted in the destination, and stay deleted: 1." in told.output
    assert "has deleted these ids before, and the destination has rows of them: 3." in told.output


@pytest.mark.clear
def test_the_command_ends_with_1_for_a_later_login(tmp_path: Path) -> None:
    """Its user is not logged in at the destination."""
    source = filled("sqlite", tmp_path / "from", [row("1", created_at_ms=LATER)])
    destination = filled("sqlite", tmp_path / "to", [row("1")], "1")
    told = run(source, destination)
    assert told.exit_code == 1
    assert "deleted id is never used again: 1. Let these users log in there." in told.output


class Visited(ListBackend):
    """A destination in which somebody does something just before a row is deleted."""

    def __init__(self, visit: Callable[[Backend], object]) -> None:
        super().__init__()
        self._visits = [visit]

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        for visit in self._visits[:1]:
            self._visits.clear()
            visit(self)
        return super().remove(row_id, expect=expect)


@pytest.mark.parametrize(
    ("changes", "removed"), [({"refresh_token": "another-login"}, 0), ({"access_token": "renewed"}, 1)]
)
def test_a_login_saved_just_before_a_copy_is_deleted_stays(changes: dict[str, Any], removed: int) -> None:
    """Only the copied login is deleted in the destination, also if it has been renewed meanwhile."""

    def change(store: Backend) -> None:
        stored = store.load(ONE.id)
        assert isinstance(stored, Row)
        store.write(stored._replace(**changes), expect=stored.etag)

    source, destination = ListBackend(), Visited(change)
    put(source, [ONE])
    done = copy_rows(side(source), side(destination), on_progress=at(1, 1, lambda: source.remove(ONE.id)))
    assert done.removed == removed
    assert (destination.load(ONE.id) is None) == bool(removed)
    assert (ONE.id in retired(destination)) == bool(removed)
