"""The copy itself.

A pass goes through both stores side by side, in the order of the ids, holding at most one page of
each. Each row is one compare-and-set, read back after it was written; if the destination can write
many, new rows that nothing else matches are written and read back together. Passes are made until one
finds nothing to write, so the last one has compared all rows, and a second run writes nothing. If this
stops partway, the destination has whole rows; run again, it continues with the missing ones.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from typing import Final

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.copying._bulk import Batch, Written, in_batches, write_ahead, write_new
from zoho_tokenstore.copying._deletions import Deletions
from zoho_tokenstore.copying._endpoints import (
    CONFLICT_TIMEOUT,
    Endpoint,
    KnownVersions,
    best_of,
    bytes_of,
    check,
    content,
    has_key,
    is_same_user,
    is_sound,
    read_ahead,
    record_of,
    side_by_side,
    times,
)
from zoho_tokenstore.copying._report import CopyReport, OnConflict, Outcome, Settled
from zoho_tokenstore.copying._reporting import reporting
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    InvalidTokenError,
    RetiredIdError,
    RowChangedError,
    TokenStoreError,
    forget_values,
)
from zoho_tokenstore.events import OnEvent
from zoho_tokenstore.records import Found, Row, UnreadableRow

MAX_PASSES: Final = 5
"""How many passes are made while others continue writing to the source."""

RECENT_MS: Final = 3_600_000
"""For how long before the copy a row of the destination counts as new; clocks may differ."""

OnProgress = Callable[[CopyReport], object]


def copy_rows(
    source: Endpoint,
    destination: Endpoint,
    *,
    on_conflict: OnConflict = OnConflict.FAIL,
    dry_run: bool = False,
    on_progress: OnProgress = lambda _: None,
    on_event: OnEvent | None = None,
    clock: Clock = now_ms,
) -> CopyReport:
    """Copy every row with its id and its times, and compare all of them at the end.

    Run it until `is_complete`. Leases are not copied. What was deleted in the destination stays deleted.
    Ids that were deleted in the source are also retired in the destination, and a row deleted in the
    source while this runs is deleted there as well, if it is still that login. Nothing else is deleted.

    A row that cannot be read, or does not open, is reported by its id and reason; the others are copied.

    The arguments and errors are those of `copying.copy`, with both stores open.
    """
    state, since, known = CopyReport(), clock() - RECENT_MS, KnownVersions()
    with reporting(source, destination, state, on_event, is_real=not dry_run) as on_removed:
        deletions = Deletions(source, destination, on_removed, dry_run=dry_run)
        while state.passes < MAX_PASSES:
            state.begin_pass()
            try:
                one = _Pass(source, destination, on_conflict, dry_run, since, state, deletions, known)
                one.run(on_progress)
            except TokenStoreError as error:
                forget_values(error)  # unsealed rows
                raise
            if dry_run or not state.pending:
                break
    return state


class _VerificationError(BackendError):
    """A row that was written came back different, or was not found."""


class _Pass:
    def __init__(
        self,
        source: Endpoint,
        destination: Endpoint,
        on_conflict: OnConflict,
        dry_run: bool,
        since: int,
        state: CopyReport,
        deletions: Deletions,
        known: KnownVersions,
    ) -> None:
        self._source = source
        self._destination = destination
        self._on_conflict = on_conflict
        self._dry_run = dry_run
        self._since = since
        self._state = state
        self._deletions = deletions
        self._known = known
        self._elsewhere: set[str] = set()  # ids that got a row of another id, perhaps after they were read
        self._digests = hashlib.sha256(), hashlib.sha256()
        self._bytes = b""

    def run(self, on_progress: OnProgress) -> None:
        state = self._state
        self._deletions.begin_pass()
        pairs = side_by_side(*(read_ahead(side.backend.scan()) for side in (self._source, self._destination)))
        batches = in_batches((self._opened(found), theirs) for found, theirs in pairs)
        for batch, written in write_ahead(batches, self._write_new):
            for row, theirs in batch:
                if isinstance(theirs, Row) and state.passes == 1:
                    self._known.add(theirs.id, theirs.etag)
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
        state.pending += changes.removed

    def _opened(self, found: Found | None) -> Found | None:
        return None if found is None else self._source.open(found)

    def _write_new(self, batch: Batch) -> Mapping[str, Written]:
        """Write together those rows of a batch that the destination does not know."""
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
            self._note(row, Settled(Outcome.UNREADABLE, reason=row.reason))
            return
        self._bytes = bytes_of(row)
        self._digests[0].update(self._bytes)
        try:
            settled = self._settle(row, theirs) if written is None else self._copied(row, written)
        except RetiredIdError:  # since this pass began
            settled = Settled(Outcome.DELETED)
        except (BackendUnavailableError, BackendTimeoutError):
            raise
        except _VerificationError as error:
            settled = Settled(Outcome.VERIFY_FAILED, reason=str(error))
        except (BackendError, InvalidTokenError) as error:
            # Is it only this row? If the destination cannot be read either, that error ends the run.
            next(iter(self._destination.backend.scan(limit=1)), None)
            settled = Settled(Outcome.REFUSED, reason=str(error))
        self._note(row, settled, was_seen=theirs is not None)

    def _settle(self, row: Row, found: Found | None) -> Settled:
        """Settle a row, repeatedly while others change what the destination has of it."""
        check(row)
        theirs = None if found is None else self._destination.open(found)
        # A scan may be out of order; a write would notice.
        is_unsure = theirs is None and (self._dry_run or self._deletions.outcome_of(row) is not None)
        if is_unsure or row.id in self._elsewhere:
            theirs = self._destination.load(row.id)
        policy, deadline = self._policy(), Deadline(CONFLICT_TIMEOUT)
        while not isinstance(theirs, UnreadableRow):
            try:
                return self._try_to_settle(row, theirs, policy)
            except RowChangedError as change:
                if not deadline.delay():
                    raise BackendError(
                        f"Others kept changing row {row.id!r} in the destination. Run it again."
                    ) from change
            theirs, policy = self._destination.load(row.id), self._policy(is_disturbed=True)
        return Settled(Outcome.LOCKED, reason=theirs.reason)

    def _policy(self, *, is_disturbed: bool = False) -> OnConflict:
        """Return which version stays: one perhaps saved since this began is not just overwritten."""
        if self._on_conflict is OnConflict.OVERWRITE and (is_disturbed or self._state.passes > 1):
            return OnConflict.NEWER
        return self._on_conflict

    def _try_to_settle(self, row: Row, theirs: Row | None, policy: OnConflict) -> Settled:
        if theirs is not None:
            if content(theirs) == content(row):
                return Settled(Outcome.EQUAL, theirs)
            if is_same_user(row, theirs):
                return self._resolve(row, theirs, policy)
        elif (deleted := self._deletions.outcome_of(row)) is not None:
            return Settled(deleted)  # nor into another row of its owner: that is a later login
        owned = self._destination.rows_of_owner(record_of(row))
        others = self._others(row, owned.rows)
        if others:
            same = (other for other in others if content(other) == content(row._replace(id=other.id)))
            return self._resolve(row, next(same, None) or best_of(row, others), policy)
        if owned.unreadable:  # perhaps the same login, and its second row would be found instead
            first = owned.unreadable[0]
            return Settled(Outcome.LOCKED, reason=f"row {first.id!r} there: {first.reason}")
        if theirs is not None:
            return Settled(
                Outcome.KEPT_DESTINATION if policy is OnConflict.SKIP else Outcome.ID_IN_USE, theirs
            )
        return self._copied(row, self._write(row, None))

    def _copied(self, row: Row, written: Written | None) -> Settled:
        kept = None if written is None else self._kept(row, written)
        self._state.copied += 1
        return Settled(Outcome.COPIED, kept)

    def _resolve(self, row: Row, theirs: Row, policy: OnConflict) -> Settled:
        """Settle a row whose owner has another version in the destination, perhaps under another id."""
        if policy is OnConflict.SKIP:
            return Settled(Outcome.KEPT_DESTINATION, theirs)
        if policy is OnConflict.FAIL:
            return Settled(Outcome.CONFLICT, theirs)
        wanted, now = row._replace(id=theirs.id), theirs
        if content(wanted) != content(theirs):
            stays = self._stays(row, theirs, policy)
            if stays is not None:
                return Settled(stays, theirs)
            if theirs.id != row.id and not self._dry_run:
                self._destination.refuse_retired(row)  # the owner may have logged out and in again
            written = self._write(wanted, theirs.etag)
            if theirs.id != row.id:
                self._elsewhere.add(theirs.id)
            now = (None if written is None else self._kept(wanted, written)) or theirs
            self._state.overwritten += 1
        return Settled(Outcome.OVERWRITTEN if theirs.id == row.id else Outcome.ELSEWHERE, now)

    def _stays(self, row: Row, theirs: Row, policy: OnConflict) -> Outcome | None:
        """Return why the destination's version stays, or `None` if the source's replaces it."""
        if theirs.id != row.id:
            ours = self._source.rows_of_owner(record_of(theirs)).rows
            if best_of(theirs, ours).id != row.id:
                return Outcome.KEPT_DESTINATION
        if policy is not OnConflict.NEWER or self._may_overwrite(theirs):
            return None
        if row.updated_at_ms is None or theirs.updated_at_ms is None:
            return Outcome.CONFLICT
        return Outcome.KEPT_DESTINATION if row.updated_at_ms <= theirs.updated_at_ms else None

    def _may_overwrite(self, theirs: Row) -> bool:
        """Return whether a row is to be overwritten, and nobody else has saved it since this began.

        Else a later pass would leave what the first pass of a second run overwrites.
        """
        return self._on_conflict is OnConflict.OVERWRITE and theirs in self._known

    def _others(self, row: Row, rows: list[Row]) -> list[Row]:
        """Return an owner's rows in the destination other than this one.

        Not those settled with the source's row of the same id, as they belong to its user.
        """
        return [other for other in rows if other.id != row.id and not self._is_settled_by_id(other)]

    def _is_settled_by_id(self, theirs: Row) -> bool:
        ours = self._source.load(theirs.id)
        return isinstance(ours, Row) and is_same_user(ours, theirs)

    def _look_at_other(self, found: Found) -> None:
        """Note what to report about a destination row whose id no source row has."""
        if isinstance(found, UnreadableRow):
            self._state.damaged.add(found.id, reason=found.reason)
            return
        if self._deletions.saw(found.id):
            self._state.outlived.add(found.id)
        theirs = self._destination.open(found) if (found.created_at_ms or 0) >= self._since else None
        if isinstance(theirs, Row):
            self._look_for_duplicate(theirs)

    def _look_for_duplicate(self, theirs: Row) -> None:
        """Note if the owner of a new destination row also has the source's row there.

        That happens to a user who logs in there at the very moment their row is copied.
        """
        for row in self._source.rows_of_owner(record_of(theirs)).rows:
            duplicate = self._destination.load(row.id)
            if isinstance(duplicate, Row) and matching.same_owner(record_of(duplicate), record_of(theirs)):
                self._note(row, Settled(Outcome.DUPLICATE_OWNER, theirs))

    def _write(self, row: Row, expect: object) -> Written | None:
        """Write a row and look it up, unless this is a dry run."""
        if self._dry_run:
            return None
        etag = self._destination.write(row, expect)
        rows = self._destination.rows_of_owner(record_of(row)).rows
        return Written(etag, next((other for other in rows if other.id == row.id), None))

    def _kept(self, row: Row, written: Written) -> Row | None:
        """Return what is stored of a row that was written, or raise a `_VerificationError`."""
        etag, found = written
        self._known.add(row.id, etag)
        now = found or self._destination.load(row.id)
        if isinstance(now, UnreadableRow):
            raise _verification_error(row)
        # With another etag, its owner has changed it since.
        if now is not None and now.etag == etag:
            is_found = found is not None or not has_key(row)
            if not is_found or (content(now), times(now)) != (content(row), times(row)):
                raise _verification_error(row)
        self._state.pending += 1
        return now

    def _note(self, row: Found, settled: Settled, *, was_seen: bool = True) -> None:
        outcome, theirs, reason = settled
        if isinstance(row, Row) and theirs is not None and theirs.id == row.id:
            self._digests[1].update(self._bytes if content(theirs) == content(row) else bytes_of(theirs))
            self._deletions.settled(row, theirs)
            self._state.others -= not was_seen and outcome is not Outcome.COPIED
        their_id = None if theirs is None else theirs.id
        self._state.tally(outcome).add(row.id, their_id, reason)


def _verification_error(row: Row) -> _VerificationError:
    return _VerificationError(
        f"The destination has not kept row {row.id!r} as it was written, or does not find it. "
        "Delete it there, and check what is wrong with that store."
    )
