"""A copy does not bring back what was deleted in either store.

Both stores keep the ids of deleted rows (`backend.RetiredIds`), so a run knows what was ever deleted
in the destination, and in the source. An id alone does not say whose row it was: stores of Zoho's own
code number their rows from 1. So a row of the destination is deleted only if this very run saw its
login in both stores before the source deleted it.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable
from typing import NamedTuple

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.copying._endpoints import CONFLICT_TIMEOUT, Endpoint, is_same_user
from zoho_tokenstore.copying._report import Outcome
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Found, RetiredId, Row


class Changes(NamedTuple):
    """What the end of a pass carried over: how many ids were retired, and rows deleted."""

    retired: int
    removed: int


class Deletions:
    """What is known about deleted rows: all ids that were retired, and eight bytes for every copied row."""

    def __init__(
        self, source: Endpoint, destination: Endpoint, on_removed: Callable[[Row], None], *, dry_run: bool
    ) -> None:
        self._source = source
        self._destination = destination
        self._on_removed = on_removed
        self._dry_run = dry_run
        self._copies = array("q")
        self._ours = _retired_in(source)
        self._theirs: dict[str, int] = {}
        self._living: set[str] = set()

    def begin_pass(self) -> None:
        """Read what has been deleted in the destination so far."""
        self._theirs = _retired_in(self._destination)
        self._living.clear()

    def outcome_of(self, row: Row) -> Outcome | None:
        """Return why a row missing in the destination is not written there, or `None`."""
        deleted_ms = self._theirs.get(row.id)
        if deleted_ms is None:
            return None
        began_ms = max(row.created_at_ms or 0, row.identified_at_ms or 0)
        return Outcome.REUSED if began_ms > deleted_ms else Outcome.DELETED

    def saw(self, row_id: str) -> bool:
        """Note that a row with this id lives; return whether the source had deleted it before this pass."""
        is_deleted = row_id in self._ours
        if is_deleted:
            self._living.add(row_id)
        return is_deleted

    def settled(self, row: Row, theirs: Row) -> None:
        """Note what the destination has under the id of a row, if that is the very same login."""
        if is_same_user(row, theirs) and _login_of(row) == _login_of(theirs):
            self._copies.append(_mark_of(theirs))

    def end_pass(self) -> Changes:
        """Delete the copies of rows that the source has deleted since, and retire all ids that it retired."""
        now = _retired_in(self._source)
        new = {row_id for row_id in now.keys() - self._ours.keys() if self._source.load(row_id) is None}
        copies = [] if self._dry_run else self._copies_with(new)
        removed = {row.id for row in copies if self._remove(row)}
        gone = [
            RetiredId(row_id, at_ms)
            for row_id, at_ms in now.items()
            if row_id not in self._theirs and row_id not in removed and self._is_gone(row_id, new)
        ]
        self._ours = now
        if not self._dry_run and gone:
            return Changes(self._destination.backend.retired.add(gone), len(removed))
        return Changes(len(gone), len(removed))

    def _is_gone(self, row_id: str, new: set[str]) -> bool:
        """Return whether neither store has a row with this id: a living row keeps its id."""
        if row_id in self._ours:
            return row_id not in self._living
        return row_id in new and self._destination.load(row_id) is None

    def _copies_with(self, ids: set[str]) -> list[Row]:
        """Return the rows under the ids that still hold the login that was copied."""
        rows = map(self._destination.load, sorted(ids))
        marks = {_mark_of(row): row for row in rows if isinstance(row, Row)}
        return [marks[mark] for mark in set(marks).intersection(self._copies)] if marks else []

    def _remove(self, row: Row) -> bool:
        """Delete a copy, also if it is renewed meanwhile; another login of that user stays."""
        mark, deadline = _mark_of(row), Deadline(CONFLICT_TIMEOUT)
        found: Found | None = row
        while isinstance(found, Row) and _mark_of(found) == mark:
            if self._destination.backend.remove(found.id, expect=found.etag):
                self._on_removed(found)
                return True
            if not deadline.delay():
                raise BackendError(f"Others kept changing row {row.id!r} in the destination. Run it again.")
            found = self._destination.load(row.id)
        return False


def _retired_in(side: Endpoint) -> dict[str, int]:
    return dict(side.backend.retired.scan())


def _login_of(row: Row) -> object:
    """Return what remains of a login when it is refreshed."""
    return row.refresh_token or (row.grant_token or None, row.access_token or None)


def _mark_of(row: Row) -> int:
    """Return a number for a login in its row, in this process.

    A refresh does not change it, another login does.

    Users who log in again may keep their refresh token, but then Zoho has named them again.
    """
    return hash((row.id, row.user_name, row.client_id, row.api_domain, _login_of(row), row.identified_at_ms))
