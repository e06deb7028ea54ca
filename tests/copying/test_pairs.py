"""From every store that needs no server to every other, clear and sealed."""

from __future__ import annotations

import itertools
import tracemalloc
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.copying.conftest import Make
from tests.copying.support import KINDS, in_order, make_backend, numbered, put, row, rows_of, side
from zoho_tokenstore import Keyset, TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.sealing import count_by_key
from zoho_tokenstore.testing import HOSTILE_TEXTS
from zoho_tokenstore.testing._hostile import short_id

PAIRS = list(itertools.product(KINDS, KINDS))
ROWS = in_order(map(numbered, range(60)))


@pytest.mark.clear
@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_everything_is_copied(make: Make, source: str, destination: str) -> None:
    """Ids, all ten columns and the times arrive as they were; the source is left as it is."""
    from_, to = make(source), make(destination)
    put(from_, ROWS)
    before = list(from_.scan())
    done = copy_rows(side(from_), side(to))
    assert (done.rows, done.copied, done.overwritten, done.others) == (60, 60, 0, 0)
    assert done.is_complete
    assert rows_of(to) == ROWS
    assert list(from_.scan()) == before


@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_sealed_rows_are_sealed_anew(
    make: Make, source: str, destination: str, old: Keyset, new: Keyset
) -> None:
    """Each side has its own keys; afterwards the destination's alone open it, and find every row."""
    from_, to = make(source), make(destination)
    put(from_, ROWS, old)
    assert copy_rows(side(from_, old), side(to, new)).is_complete
    assert rows_of(to, new) == ROWS
    stock = count_by_key(to, new)
    assert (stock.rows, dict(stock.by_key), stock.refused) == (60, {new.ids[0]: 60}, [])
    tokens = TokenRepository(to, keys=new)
    for one in ROWS[::7]:
        found = tokens.find(TokenRecord(**_query(one.user_name, one.refresh_token)))
        assert found is not None
        assert found.id == one.id


@pytest.mark.clear
@pytest.mark.parametrize("direction", ["seal", "open"])
def test_one_side_may_be_clear(make: Make, direction: str, new: Keyset) -> None:
    """A clear store is sealed by a copy, a sealed one opened."""
    keys, others = (None, new) if direction == "seal" else (new, None)
    from_, to = make("sqlite"), make("csv")
    put(from_, ROWS, keys)
    assert copy_rows(side(from_, keys), side(to, others)).is_complete
    assert rows_of(to, others) == ROWS


@pytest.mark.clear
@pytest.mark.parametrize(("source", "destination"), PAIRS)
def test_a_second_run_changes_nothing(make: Make, source: str, destination: str) -> None:
    """Rows that are there are not written again: their etags stay, and one pass is enough."""
    from_, to = make(source), make(destination)
    put(from_, ROWS)
    copy_rows(side(from_), side(to))
    before = list(to.scan())
    done = copy_rows(side(from_), side(to))
    assert (done.passes, done.copied, done.overwritten, done.count(Outcome.EQUAL)) == (1, 0, 0, 60)
    assert list(to.scan()) == before


def test_the_last_pass_has_compared_everything(source: ListBackend, destination: ListBackend) -> None:
    """It has found every row equal, and both digests are the same."""
    put(source, ROWS)
    done = copy_rows(side(source), side(destination))
    assert (done.passes, done.pending) == (2, 0)
    assert done.count(Outcome.EQUAL) == 60
    assert done.source_digest == done.destination_digest
    put(source, [numbered(1)._replace(access_token="1000.access.other")])
    other = copy_rows(side(source), side(destination), dry_run=True)
    assert other.source_digest != other.destination_digest == done.destination_digest


def test_rows_with_other_ids_stay(source: ListBackend, destination: ListBackend) -> None:
    """Nothing is deleted in the destination; what it has besides is counted."""
    put(source, ROWS[:2])
    others = [row("0", "zoe"), row("55555", "yan"), row("99999999999", "xu")]
    put(destination, others)
    done = copy_rows(side(source), side(destination))
    assert (done.copied, done.others) == (2, 3)
    assert rows_of(destination) == in_order([*ROWS[:2], *others])


def test_an_empty_source_is_copied_at_once(source: ListBackend, destination: ListBackend) -> None:
    """There is nothing to do, and nothing is wrong."""
    done = copy_rows(side(source), side(destination))
    assert (done.rows, done.passes, done.is_complete) == (0, 1, True)
    assert done.source_digest == done.destination_digest


@pytest.mark.clear
@pytest.mark.parametrize("kind", KINDS)
def test_hostile_texts_arrive(make: Make, kind: str, new: Keyset) -> None:
    """In names, ids and secrets, sealed on the way and opened again."""
    rows = in_order(
        row(short_id(text), text, access_token=text, grant_token=text, redirect_url=text)
        for text in HOSTILE_TEXTS.values()
        if "\0" not in text
    )
    from_, between, to = make(kind), make("list"), make(kind)
    put(from_, rows)
    assert copy_rows(side(from_), side(between, new)).is_complete
    assert copy_rows(side(between, new), side(to)).is_complete
    assert rows_of(to) == rows


def test_missing_and_empty_texts_are_one(source: ListBackend, destination: ListBackend) -> None:
    """Some storages cannot tell them apart; so a row is no other one for that."""
    put(source, [row("1", grant_token="", redirect_url="")])
    put(destination, [row("1")])
    assert copy_rows(side(source), side(destination)).count(Outcome.EQUAL) == 1


def test_times_alone_make_no_conflict(source: ListBackend, destination: ListBackend) -> None:
    """A token that was only used meanwhile is the same one, and the destination's times stay."""
    put(source, [row("1")])
    used = row("1", updated_at_ms=1_790_000_000_000, last_used_at_ms=1_790_000_000_000)
    put(destination, [used])
    for policy in OnConflict:
        done = copy_rows(side(source), side(destination), on_conflict=policy)
        assert done.count(Outcome.EQUAL) == 1
    assert rows_of(destination) == [used]


def test_it_tells_how_far_it_is(source: ListBackend, destination: ListBackend) -> None:
    """After every row of every pass."""
    put(source, ROWS[:3])
    seen: list[tuple[int, int, int]] = []

    def tell(state: CopyReport) -> None:
        seen.append((state.passes, state.rows, state.copied))

    copy_rows(side(source), side(destination), on_progress=tell)
    assert seen == [(1, 1, 1), (1, 2, 2), (1, 3, 3), (2, 1, 3), (2, 2, 3), (2, 3, 3)]


def _query(user: str | None, refresh_token: str | None) -> dict[str, Any]:
    if user is not None:
        return {"user_name": user}
    return {
        "refresh_token": refresh_token,
        "client_id": "1000.ZYLKER",
        "client_secret": "the-secret-of-zylker",
    }


@pytest.mark.long
def test_memory_does_not_grow_with_the_stores(quick_folder: Path, old: Keyset, new: Keyset) -> None:
    """Five times as many rows need the same: a page of each store."""
    peaks = []
    for count in (2000, 8000):
        folders = [quick_folder / f"{name}{count}" for name in ("from", "to")]
        for folder in folders:
            folder.mkdir()
        with (
            closing(make_backend("sqlite", folders[0])) as from_,
            closing(make_backend("sqlite", folders[1])) as to,
        ):
            put(from_, map(numbered, range(count)), old)
            tracemalloc.start()
            try:
                assert copy_rows(side(from_, old), side(to, new)).copied == count
                peaks.append(tracemalloc.get_traced_memory()[1])
            finally:
                tracemalloc.stop()
    assert peaks[1] < 1.5 * peaks[0], peaks
