"""Old entries are pruned, and the trail stays verifiable: an entry says up to where, with the last hash."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.audit.support import ALICE, entries_of, execute, opened, rewritten, table_of, trail_of
from zoho_tokenstore import BackendError, ConfigurationError, on_behalf_of

DAY_MS = 86_400_000


class Days:
    """A clock that stands still, at midnight of a day."""

    def __init__(self) -> None:
        self.day = 1

    def __call__(self) -> int:
        return self.day * DAY_MS


@pytest.fixture
def days() -> Days:
    return Days()


def begin(case: str, folder: Path, days: Days, **options: Any) -> str:
    """Make a trail with an entry on each of ten days; return its head on the fifth."""
    with opened(case, folder, clock=days, **options) as repository:
        head = ""
        for days.day in range(2, 11):
            repository.save(ALICE.changed(user_name=f"user{days.day}", refresh_token=f"{days.day}"))
            head = (trail_of(repository).verify().head or "") if days.day == 5 else head
        return head


def test_old_entries_are_pruned(case: str, tmp_path: Path, days: Days) -> None:
    """Those before that time are gone, who pruned them is an entry, and what remains is whole."""
    head = begin(case, tmp_path, days)
    with opened(case, tmp_path, clock=days) as repository:
        trail = trail_of(repository)
        with on_behalf_of("nightly"):
            assert trail.prune(timedelta(days=4)) == 5
            assert trail.prune(timedelta(days=4)) == 0
        entries = entries_of(repository)
        assert [entry.number for entry in entries] == [6, 7, 8, 9, 10, 11]
        assert (entries[-1].what, entries[-1].actor, entries[-1].count) == ("audit_pruned", "nightly", 5)
        assert (entries[-1].pruned_number, entries[-1].pruned_hash) == (5, entries[0].previous)
        report = trail.verify(head)
        assert (report.is_intact, report.has_anchor, report.first) == (True, True, entries[0])


def test_pruned_again_and_again(case: str, tmp_path: Path, days: Days) -> None:
    """Each pruning vouches for the one before it, even when all entries are old."""
    begin(case, tmp_path, days)
    with opened(case, tmp_path, clock=days) as repository:
        trail = trail_of(repository)
        for days.day in (11, 12, 30):
            trail.prune(timedelta(days=6))
            assert trail.verify().is_intact
        assert [entry.what for entry in entries_of(repository)] == ["audit_pruned"]
        repository.save(ALICE)
        assert trail.verify().is_intact


def test_a_pruning_that_was_killed(case: str, tmp_path: Path, days: Days) -> None:
    """What it announced and did not delete, or deleted in part, is whole; the next pruning does the rest."""
    begin(case, tmp_path, days)
    with opened(case, tmp_path, clock=days) as repository:
        trail = trail_of(repository)
        log = trail._log
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(log, "prune", lambda _: 0)
            trail.prune(timedelta(days=4))
        assert trail.verify().is_intact
        log.prune(2)
        assert trail.verify().is_intact
        assert trail.prune(timedelta(days=4)) == 3
        assert trail.verify().is_intact


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM {t} WHERE number <= 6",
        "DELETE FROM {t} WHERE number <= 10",
        "DELETE FROM {t} WHERE number >= 11",
    ],
)
def test_more_than_was_pruned_shows(case: str, tmp_path: Path, days: Days, change: str) -> None:
    """Only what the entry says may be missing, and only while that entry is there."""
    begin(case, tmp_path, days)
    with opened(case, tmp_path, clock=days) as repository:
        trail_of(repository).prune(timedelta(days=4))
    execute(case, tmp_path, change.format(t=table_of(case)))
    with opened(case, tmp_path, clock=days) as repository:
        report = trail_of(repository).verify()
        assert (report.is_intact, report.broken_at) == (False, 1)


def test_another_start_put_after_what_was_pruned(tmp_path: Path, days: Days) -> None:
    """The first entry that is left must follow the last one that was pruned."""
    begin("sqlite", tmp_path, days)
    with opened("sqlite", tmp_path, clock=days) as repository:
        trail = trail_of(repository)
        while trail.prune(timedelta(days=4)) == 0:
            days.day += 1
        trail._log.prune(10)  # so that one entry is left, whose hash no other has
        pruned = entries_of(repository)[-1]
        (row,) = trail._log.scan()
    assert pruned.pruned_number == 5
    forged = rewritten(row, pruned_number=10, previous="0" * 64)
    execute("sqlite", tmp_path, forged)
    with opened("sqlite", tmp_path, clock=days) as repository:
        report = trail_of(repository).verify()
        assert (report.broken_at, report.reason) == (11, "it does not follow the last pruned entry, 10")


def test_a_broken_start_is_not_pruned(case: str, tmp_path: Path, days: Days) -> None:
    """It would hide what was done to it."""
    begin(case, tmp_path, days)
    execute(case, tmp_path, f"UPDATE {table_of(case)} SET hash = 'x' WHERE number = 3")
    with opened(case, tmp_path, clock=days) as repository:
        with pytest.raises(BackendError, match="Entry 3 "):
            trail_of(repository).prune(timedelta(days=4))
        assert trail_of(repository)._log.last() is not None
        assert next(iter(trail_of(repository)._log.scan())).number == 1


def test_signed_trails_are_pruned(case: str, tmp_path: Path, days: Days) -> None:
    """With keys it is the same, and the pruning is signed."""
    from zoho_tokenstore import Keyset

    keys = Keyset.generate()
    begin(case, tmp_path, days, keys=keys)
    with opened(case, tmp_path, clock=days, keys=keys) as repository:
        trail_of(repository).prune(timedelta(days=4))
        report = trail_of(repository).verify()
        assert (report.is_intact, report.are_signed, report.unsigned) == (True, True, 0)


@pytest.mark.parametrize("older_than", [None, 30, timedelta(days=-1), "30d"])
def test_what_is_no_age(tmp_path: Path, older_than: Any) -> None:
    """It is refused, and nothing is pruned."""
    with opened("sqlite", tmp_path) as repository, pytest.raises(ConfigurationError, match="timedelta"):
        trail_of(repository).prune(older_than)
