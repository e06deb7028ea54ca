"""The copy itself.

A pass goes through both stores side by side, in the order of the ids, and holds no more of them
than a page of each. Each row is one compare-and-set, read back after it was written; where the
destination can write many, new rows that nothing stands beside are written and read back together.
Passes are made until one finds nothing to write: so the last one has compared all rows. Whoever
stops this half-way has a destination of whole rows; run again, it goes on with those that are missing.
"""

from __future__ import annotations

import hashlib
import random
import time
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from zoho_tokenstore import matching
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.copying.bulk import Written, in_batches, write_new
from zoho_tokenstore.copying.deletions import Deletions
from zoho_tokenstore.copying.report import Copying, OnConflict, Outcome, Tally
from zoho_tokenstore.copying.sides import (
    Side,
    best_of,
    check,
    content,
    has_key,
    is_same_user,
    is_sound,
    record_of,
    side_by_side,
    times,
)
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
    InvalidTokenError,
    RetiredIdError,
    RowChangedError,
    TokenStoreError,
    forget_values,
)
from zoho_tokenstore.records import Found, Row, UnreadableRow

MOST_PASSES: Final = 5
"""How often both stores are gone through while others go on writing to the source."""

PATIENCE: Final = 10.0
"""For how many seconds a row is tried again while others keep changing it."""

RECENT_MS: Final = 3_600_000
"""For how long before the copy a row of the destination counts as new; clocks may differ."""

OnProgress = Callable[[Copying], object]


def copy(
    source: Side,
    destination: Side,
    *,
    on_conflict: OnConflict = OnConflict.FAIL,
    dry_run: bool = False,
    on_progress: OnProgress = lambda _: None,
    clock: Clock = now_ms,
) -> Copying:
    """Copy every row with its id and its times, and compare all of them in the end.

    It is to be run until `is_complete`. Leases are not copied. What was deleted in the destination
    stays deleted. Ids that were deleted in the source are retired in the destination, too; and a row
    that is deleted in the source while this runs is deleted there as well, if it still is that login.
    Nothing else is deleted.

    A row that cannot be read, or does not open, is told by its id and reason; the others are copied.

    Arguments:
        source: where the rows are. Nothing is written there.
        destination: where they are to be.
        on_conflict: which version stays where there are two. What is saved in the destination while
            this runs is only overwritten by what was saved later in the source.
        dry_run: write nothing, and tell what would be done.
        on_progress: called after every row, with the same object each time.
        clock: the time in milliseconds since the epoch; for tests.

    Raises:
        ConfigurationError: both are one store.
        BackendError: one of them failed. What was copied stays; run it again.
    """
    if source.backend is destination.backend:
        raise ConfigurationError("The source and the destination are one store. Give two.")
    state, since = Copying(), clock() - RECENT_MS
    deletions = Deletions(source, destination, dry_run=dry_run)
    while state.passes < MOST_PASSES:
        state.begin_pass()
        try:
            _Pass(source, destination, on_conflict, dry_run, since, state, deletions).run(on_progress)
        except TokenStoreError as error:
            forget_values(error)  # rows in clear
            raise
        if dry_run or not state.late:
            break
    return state


class _SpoiltError(BackendError):
    """A row that was written came back as another one, or was not found."""


class _Settled(NamedTuple):
    """What has become of a row, what the destination has of it now, and why, if there is a reason."""

    outcome: Outcome
    theirs: Row | None = None
    reason: str = ""


class _Pass:
    def __init__(
        self,
        source: Side,
        destination: Side,
        on_conflict: OnConflict,
        dry_run: bool,
        since: int,
        state: Copying,
        deletions: Deletions,
    ) -> None:
        self._source = source
        self._destination = destination
        self._on_conflict = on_conflict
        self._dry_run = dry_run
        self._since = since
        self._state = state
        self._deletions = deletions
        self._digests = hashlib.sha256(), hashlib.sha256()

    def run(self, on_progress: OnProgress) -> None:
        state = self._state
        self._deletions.begin_pass()
        pairs = side_by_side(self._source.backend.scan(), self._destination.backend.scan())
        for batch in in_batches((self._opened(found), theirs) for found, theirs in pairs):
            written = self._write_new(batch)
            for row, theirs in batch:
                if row is not None:
                    state.rows += 1
                    self._deletions.saw(row.id)
                    self._go_on(row, theirs, written.get(row.id))
                    on_progress(state)
                elif theirs is not None:
                    state.others += 1
                    self._look_at_other(theirs)
        state.source_digest, state.destination_digest = (digest.hexdigest() for digest in self._digests)
        changes = self._deletions.end_pass()
        state.retired += changes.retired
        state.removed += changes.removed
        state.late += changes.removed

    def _opened(self, found: Found | None) -> Found | None:
        return None if found is None else self._source.open(found)

    def _write_new(self, batch: list[tuple[Found | None, Found | None]]) -> Mapping[str, Written]:
        """Write those rows of a batch together that the destination knows nothing of."""
        if self._dry_run or not self._destination.writes_many:
            return {}
        rows = [
            row
            for row, theirs in batch
            if theirs is None and isinstance(row, Row) and self._deletions.outcome_of(row) is None
        ]
        return write_new(self._destination, [row for row in rows if is_sound(row)])

    def _go_on(self, row: Found, theirs: Found | None, written: Written | None) -> None:
        if isinstance(row, UnreadableRow):
            self._note(row, _Settled(Outcome.UNREADABLE, reason=row.reason))
            return
        self._digests[0].update(_bytes(row))
        try:
            settled = self._settle(row, theirs) if written is None else self._copied(row, written)
        except RetiredIdError:  # since this pass began
            settled = _Settled(Outcome.DELETED)
        except (BackendUnavailableError, BackendTimeoutError):
            raise
        except _SpoiltError as error:
            settled = _Settled(Outcome.SPOILT, reason=str(error))
        except (BackendError, InvalidTokenError) as error:
            # Only this row's fault? If the destination cannot be read either, that error ends the run.
            next(iter(self._destination.backend.scan(limit=1)), None)
            settled = _Settled(Outcome.REFUSED, reason=str(error))
        self._note(row, settled, was_seen=theirs is not None)

    def _settle(self, row: Row, found: Found | None) -> _Settled:
        """Settle a row, again and again while others change what the destination has of it."""
        check(row)
        theirs = None if found is None else self._destination.open(found)
        # A scan may be out of order. A write would find out.
        if theirs is None and (self._dry_run or self._deletions.outcome_of(row) is not None):
            theirs = self._destination.load(row.id)
        policy, deadline = self._policy(), time.monotonic() + PATIENCE
        while not isinstance(theirs, UnreadableRow):
            try:
                return self._try_to_settle(row, theirs, policy)
            except RowChangedError as change:
                if time.monotonic() > deadline:
                    raise BackendError(
                        f"Others kept changing row {row.id!r} in the destination. Run it again."
                    ) from change
            # Jitter against lockstep, not a secret.
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311
            theirs, policy = self._destination.load(row.id), self._policy(is_disturbed=True)
        return _Settled(Outcome.LOCKED, reason=theirs.reason)

    def _policy(self, *, is_disturbed: bool = False) -> OnConflict:
        """Return which version stays: none is simply overwritten that was saved since this began."""
        if self._on_conflict is OnConflict.OVERWRITE and (is_disturbed or self._state.passes > 1):
            return OnConflict.NEWER
        return self._on_conflict

    def _try_to_settle(self, row: Row, theirs: Row | None, policy: OnConflict) -> _Settled:
        if theirs is not None:
            if content(theirs) == content(row):
                return _Settled(Outcome.EQUAL, theirs)
            if is_same_user(row, theirs):
                return self._resolve(row, theirs, policy)
        elif (deleted := self._deletions.outcome_of(row)) is not None:
            return _Settled(deleted)  # not into another row of its owner either: that is a later login
        owned = self._destination.rows_of_owner(record_of(row))
        others = self._others(row, owned.rows)
        if others:
            same = (other for other in others if content(other) == content(row._replace(id=other.id)))
            return self._resolve(row, next(same, None) or best_of(row, others), policy)
        if owned.unreadable:  # perhaps the same login, and a second row of it would be found instead
            first = owned.unreadable[0]
            return _Settled(Outcome.LOCKED, reason=f"row {first.id!r} there: {first.reason}")
        if theirs is not None:
            return _Settled(Outcome.LEFT if policy is OnConflict.SKIP else Outcome.TAKEN, theirs)
        return self._copied(row, self._write(row, None))

    def _copied(self, row: Row, written: Written | None) -> _Settled:
        kept = None if written is None else self._kept(row, written)
        self._state.copied += 1
        return _Settled(Outcome.COPIED, kept)

    def _resolve(self, row: Row, theirs: Row, policy: OnConflict) -> _Settled:
        """Settle a row whose owner has another version in the destination, perhaps under another id."""
        if policy is OnConflict.SKIP:
            return _Settled(Outcome.LEFT, theirs)
        if policy is OnConflict.FAIL:
            return _Settled(Outcome.CONFLICT, theirs)
        wanted, now = row._replace(id=theirs.id), theirs
        if content(wanted) != content(theirs):
            stays = self._stays(row, theirs, policy)
            if stays is not None:
                return _Settled(stays, theirs)
            if theirs.id != row.id and not self._dry_run:
                self._destination.refuse_retired(row)  # as the owner may have logged out, and in anew
            written = self._write(wanted, theirs.etag)
            now = (None if written is None else self._kept(wanted, written)) or theirs
            self._state.overwritten += 1
        return _Settled(Outcome.OVERWRITTEN if theirs.id == row.id else Outcome.ELSEWHERE, now)

    def _stays(self, row: Row, theirs: Row, policy: OnConflict) -> Outcome | None:
        """Return why the destination's version stays, or `None` if the source's takes its place."""
        if theirs.id != row.id:
            ours = self._source.rows_of_owner(record_of(theirs)).rows
            if best_of(theirs, ours).id != row.id:
                return Outcome.LEFT
        if policy is not OnConflict.NEWER:
            return None
        if row.updated_at_ms is None or theirs.updated_at_ms is None:
            return Outcome.CONFLICT
        return Outcome.LEFT if row.updated_at_ms <= theirs.updated_at_ms else None

    def _others(self, row: Row, rows: list[Row]) -> list[Row]:
        """Return those of an owner's rows in the destination that are another one than this.

        Not those that are settled with the source's row of the same id, as they are its person's.
        """
        return [other for other in rows if other.id != row.id and not self._is_settled_by_id(other)]

    def _is_settled_by_id(self, theirs: Row) -> bool:
        ours = self._source.load(theirs.id)
        return isinstance(ours, Row) and is_same_user(ours, theirs)

    def _look_at_other(self, found: Found) -> None:
        """Note what is to be told of a row of the destination whose id no row of the source has."""
        if isinstance(found, UnreadableRow):
            self._state.damaged.add(found.id, reason=found.reason)
            return
        if self._deletions.saw(found.id):
            self._state.outlived.add(found.id)
        theirs = self._destination.open(found) if (found.created_at_ms or 0) >= self._since else None
        if isinstance(theirs, Row):
            self._look_for_twin(theirs)

    def _look_for_twin(self, theirs: Row) -> None:
        """Note if the owner of a new row in the destination has the source's row there as well.

        That happens to a user who logs in there in the very moment in which his row is copied.
        """
        for row in self._source.rows_of_owner(record_of(theirs)).rows:
            twin = self._destination.load(row.id)
            if isinstance(twin, Row) and matching.same_owner(record_of(twin), record_of(theirs)):
                self._note(row, _Settled(Outcome.TWICE, theirs))

    def _write(self, row: Row, expect: object) -> Written | None:
        """Write a row and look it up, if this is no dry run."""
        if self._dry_run:
            return None
        etag = self._destination.write(row, expect)
        rows = self._destination.rows_of_owner(record_of(row)).rows
        return Written(etag, next((other for other in rows if other.id == row.id), None))

    def _kept(self, row: Row, written: Written) -> Row | None:
        """Return what is there of a row that was written.

        Raises:
            _SpoiltError: the storage has not kept what was written, or does not find it.
        """
        etag, found = written
        now = found or self._destination.load(row.id)
        if isinstance(now, UnreadableRow):
            raise _spoilt(row)
        # With another etag it has been changed since, by its owner.
        if now is not None and now.etag == etag:
            is_found = found is not None or not has_key(row)
            if not is_found or (content(now), times(now)) != (content(row), times(row)):
                raise _spoilt(row)
        self._state.late += 1
        return now

    def _note(self, row: Found, settled: _Settled, *, was_seen: bool = True) -> None:
        outcome, theirs, reason = settled
        if isinstance(row, Row) and theirs is not None and theirs.id == row.id:
            self._digests[1].update(_bytes(theirs))
            self._deletions.settled(row, theirs)
            self._state.others -= not was_seen and outcome is not Outcome.COPIED
        their_id = None if theirs is None else theirs.id
        self._state.outcomes.setdefault(outcome, Tally()).add(row.id, their_id, reason)


def _spoilt(row: Row) -> _SpoiltError:
    return _SpoiltError(
        f"The destination has not kept row {row.id!r} as it was written, or does not find it. "
        "Delete it there, and look for what is wrong with that store."
    )


def _bytes(row: Row) -> bytes:
    return repr(content(row)).encode()  # with quotes around texts: no two rows have the same
