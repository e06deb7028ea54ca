"""Where a saved token goes: which row it updates or which id it gets, and what it must not replace."""

from __future__ import annotations

import contextlib
import random
import secrets
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, NamedTuple

from zoho_tokenstore import matching
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.clock import Clock
from zoho_tokenstore.crypto.sealing import Sealing, check_store
from zoho_tokenstore.errors import (
    ConflictError,
    InvalidTokenError,
    RetiredIdError,
    RowChangedError,
    SealingError,
    UnreadableRowError,
)
from zoho_tokenstore.events import EventKind, Tell
from zoho_tokenstore.matching import SpentCodes
from zoho_tokenstore.reading import Reader, Stored
from zoho_tokenstore.records import TokenRecord, row_from_record

CONFLICT_PATIENCE: Final = timedelta(seconds=10)
"""For how long a save is tried again when others keep changing its row."""

_HOUR_MS: Final = 3_600_000


class Fence(NamedTuple):
    """What a save is made after: it does not replace what came later.

    `access_token` and `refresh_token` are those that were stored when a refresh began. `saved_ms` is
    when a late save was first tried, and `cleared_ms` when the store had last been cleared by then,
    both in epoch milliseconds; `free_id` is the id that it would have got then for a new row. Where
    they are not known, they are `None`.
    """

    access_token: str | None = None
    refresh_token: str | None = None
    saved_ms: int | None = None
    cleared_ms: int | None = None
    free_id: str | None = None

    def __repr__(self) -> str:
        return f"Fence(saved_ms={self.saved_ms}, cleared_ms={self.cleared_ms})"


class Target(NamedTuple):
    """The id of a row, and whether it is there."""

    row_id: str
    exists: bool


class Saver:
    """Saves tokens as rows of a backend; `TokenRepository` says what its calls do.

    Arguments:
        backend: where the rows are.
        sealing: how their secrets are kept.
        reader: reads them.
        tell: tells of what happened.
        spent_codes: which one-time codes are kept after they were exchanged.
        clock: the time in milliseconds since the epoch.
    """

    def __init__(
        self,
        backend: Backend,
        sealing: Sealing,
        reader: Reader,
        tell: Tell,
        *,
        spent_codes: SpentCodes,
        clock: Clock,
    ) -> None:
        self._backend = backend
        self._sealing = sealing
        self._reader = reader
        self._tell = tell
        self._spent_codes = spent_codes
        self._clock = clock

    def save(
        self, record: TokenRecord, fence: Fence | None, identified: bool, known: Stored | None = None
    ) -> TokenRecord:
        if record.access_token is None and record.refresh_token is None and record.grant_token is None:
            raise InvalidTokenError("There is no access, refresh or grant token to save.")
        if known is not None and known.row.id == record.id:
            with contextlib.suppress(RowChangedError):
                merged = matching.merge(record, known.record, identified=identified)
                return self._write(merged, known, identified)
        return _until_settled(lambda: self._try_to_save(record, fence, identified))

    def _try_to_save(self, record: TokenRecord, fence: Fence | None, identified: bool) -> TokenRecord:
        stored = self.stored_for(record)
        if stored is None:
            return self._insert(record, fence, identified)
        if fence is not None and matching.is_outrun(record, stored.record, fence, self._clock()):
            record, identified = matching.yielding(record, stored.record), False
            self._tell(EventKind.FENCED, stored.record, reason="another refresh was saved meanwhile")
        merged = matching.merge(record, stored.record, identified=identified)
        return self._write(merged, stored, identified)

    def stored_for(self, record: TokenRecord) -> Stored | None:
        """Return what saving `record` updates."""
        if record.id is not None:
            return self._of_own_id(record, record.id)
        for key in matching.keys_to_save(record):
            candidates = {stored.row.id: stored for stored in self._reader.under(key).stored}
            found = matching.choose_to_update(record, key, (stored.record for stored in candidates.values()))
            if found is not None and found.id is not None:
                return candidates[found.id]
        return None

    def _of_own_id(self, record: TokenRecord, token_id: str) -> Stored | None:
        stored = self._reader.load(token_id)
        if stored is None:
            return None
        if not matching.same_person(record, stored.record):
            raise ConflictError(
                f"The id {token_id!r} is that of another user or client, whose token was left as it is. "
                "Save this token without an id, or delete that one first."
            )
        return stored

    def _insert(self, record: TokenRecord, fence: Fence | None, identified: bool) -> TokenRecord:
        check_store(self._backend, self._sealing)
        if fence is not None and fence.cleared_ms not in (None, self._backend.retired.cleared_ms()):
            raise RetiredIdError(
                "All tokens have been deleted since this one was first to be saved. Log in again."
            )
        if record.id is not None:
            return self._write(record, None, identified)
        if fence is not None and fence.free_id is not None and not self._is_taken(fence.free_id, record):
            return self._write(record.changed(id=fence.free_id), None, identified)
        for token_id in self._candidates(record):
            if not self._is_taken(token_id, record):
                with contextlib.suppress(RetiredIdError):
                    return self._write(record.changed(id=token_id), None, identified)
        raise AssertionError("the ids that a row may take have no end")

    def free_id(self, record: TokenRecord) -> str:
        """Return the id that a new row for `record` would get now.

        For a late save: if it has been retired by then, its owner has logged in meanwhile (perhaps by
        a copy of this very token, in a forked process) and out again.
        """
        retired = {retired.id for retired in self._backend.retired.scan()}
        free = (row_id for row_id in self._candidates(record) if row_id not in retired)
        return next(row_id for row_id in free if not self._is_taken(row_id, record))

    def _candidates(self, record: TokenRecord) -> Iterator[str]:
        return matching.candidate_ids(record, self._clock() // _HOUR_MS)

    def _is_taken(self, row_id: str, record: TokenRecord) -> bool:
        try:
            stored = self._reader.load(row_id)
        except (SealingError, UnreadableRowError):
            return True
        if stored is None:
            return False
        if any(
            matching.choose_to_update(record, key, [stored.record]) for key in matching.keys_to_save(record)
        ):
            # Another id now would be a second row of one owner.
            raise RowChangedError(f"Row {row_id!r} was inserted since its owner was looked for.")
        return True

    def _write(self, record: TokenRecord, replaced: Stored | None, identified: bool) -> TokenRecord:
        now = self._clock()
        row, known = replaced or (None, None)
        row_id = row.id if row is not None else record.id or ""
        saved = matching.without_spent_code(record, self._spent_codes).changed(
            id=row_id,
            created_at_ms=now if known is None else known.created_at_ms,
            updated_at_ms=now,
            last_used_at_ms=None if known is None else known.last_used_at_ms,
            identified_at_ms=now if identified else matching.still_identified_at_ms(record, known),
        )
        sealed = self._sealing.seal(row_from_record(saved, row_id))
        self._backend.write(sealed, expect=None if row is None else row.etag)
        self._tell(EventKind.CREATED if row is None else EventKind.UPDATED, saved)
        return saved

    def prove_writable(self, record: TokenRecord) -> Stored | None:
        """Do all of a save for `record` that can fail for want of a right or a fitting table.

        Returns:
            the row that it would update.
        """
        stored = self.stored_for(record)
        rehearse = getattr(self._backend, "rehearse", None)
        if rehearse is None:
            return stored
        with contextlib.suppress(RowChangedError, RetiredIdError):  # races: they say nothing of rights
            if stored is not None:
                rehearse(stored.row, expect=stored.row.etag)
            else:
                free = f"9{secrets.randbelow(10**8):08}"
                rehearse(self._sealing.seal(row_from_record(record, free)), expect=None)
        return stored


def _until_settled(attempt: Callable[[], TokenRecord]) -> TokenRecord:
    """Call `attempt` again, after a random pause, while others change the row under it."""
    deadline = time.monotonic() + CONFLICT_PATIENCE.total_seconds()
    pause = 0.001
    while True:
        try:
            return attempt()
        except RowChangedError as conflict:
            if time.monotonic() + pause > deadline:
                raise ConflictError(
                    f"The token could not be saved: its row was changed by others for "
                    f"{CONFLICT_PATIENCE.total_seconds():.0f} s. Nothing was overwritten; save it again."
                ) from conflict
            # Jitter against lockstep, not a secret.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, 0.05)
