"""What a copy is asked to do, and what it reports."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final, NamedTuple

from zoho_tokenstore.records import Row

MAX_SHOWN: Final = 20
"""How many ids are kept for each outcome."""


class OnConflict(StrEnum):
    """Which version stays if the destination has another one of the same user's token."""

    FAIL = "fail"
    SKIP = "skip"
    NEWER = "newer"
    OVERWRITE = "overwrite"


class Outcome(Enum):
    """The outcome of a source row."""

    EQUAL = "the destination has the same"
    COPIED = "it was not there, and was copied"
    OVERWRITTEN = "it has replaced another version"
    ELSEWHERE = "it is in its owner's row in the destination, under another id"
    KEPT_DESTINATION = "the destination's version stays, as requested"
    CONFLICT = "the destination's version stays, because nothing else was requested"
    DELETED = "it was deleted in the destination, and stays deleted"
    REUSED = "it is a later login than the one that was deleted in the destination under its id"
    ID_IN_USE = "its id is another user's in the destination"
    DUPLICATE_OWNER = "it is in the destination, and so is a new row of the same owner"
    VERIFY_FAILED = "the destination has not kept it as it was written, or does not find it"
    REFUSED = "the destination does not take it"
    UNREADABLE = "it cannot be read, or does not open with the source's keys"
    LOCKED = "what the destination has in its place cannot be read, or does not open with its keys"


class Settled(NamedTuple):
    """A row's outcome, what the destination now has of it, and why, if there is a reason."""

    outcome: Outcome
    theirs: Row | None = None
    reason: str = ""


_UNDONE: Final = (
    Outcome.CONFLICT,
    Outcome.REUSED,
    Outcome.ID_IN_USE,
    Outcome.DUPLICATE_OWNER,
    Outcome.VERIFY_FAILED,
    Outcome.REFUSED,
    Outcome.UNREADABLE,
    Outcome.LOCKED,
)


@dataclass
class Tally:
    """How many rows had an outcome.

    `ids` are the first ones, each with its owner's id in the destination,
    if that differs. `reasons` says why, by id, if there is anything to say.
    """

    count: int = 0
    ids: list[tuple[str, str | None]] = field(default_factory=list)
    reasons: dict[str, str] = field(default_factory=dict)

    @property
    def reason(self) -> str:
        """The first reason; empty if there is none."""
        return next(iter(self.reasons.values()), "")

    def add(self, row_id: str, their_id: str | None = None, reason: str = "") -> None:
        """Count a row, and what the destination has of it."""
        self.count += 1
        if len(self.ids) < MAX_SHOWN:
            self.ids.append((row_id, None if their_id == row_id else their_id))
            if reason:
                self.reasons[row_id] = reason


@dataclass
class CopyReport:
    """The progress.

    `copied` and `overwritten` count the rows written in all passes; `retired` the ids that the source
    had deleted and the destination has noted as deleted now, `removed` the rows deleted there because
    the source deleted them while this ran. In a dry run they count what would be done.

    Everything else is about one pass: `rows` are those of the source, `outcomes` their outcomes
    (`VERIFY_FAILED` is kept from pass to pass, as comparing does not find it), `others` the destination's
    rows with other ids, `pending` how many still had to be written or deleted. Of the others, `damaged`
    are those that are not rows: whose they are is unknown. `outlived` are those whose id the source has
    deleted: they may be the logins that were deleted there, or other users' rows.

    The digests are SHA-256 sums over ids and columns, unsealed and in order: of the source's rows, and
    of the destination's rows with the same ids.
    """

    passes: int = 0
    copied: int = 0
    overwritten: int = 0
    retired: int = 0
    removed: int = 0
    rows: int = 0
    others: int = 0
    pending: int = 0
    outcomes: dict[Outcome, Tally] = field(default_factory=dict)
    damaged: Tally = field(default_factory=Tally)
    outlived: Tally = field(default_factory=Tally)
    source_digest: str = ""
    destination_digest: str = ""

    @property
    def is_complete(self) -> bool:
        """Return whether all rows were read, and the destination has all but what was to be left out."""
        return not self.pending and not self.damaged.count and not any(map(self.count, _UNDONE))

    def count(self, outcome: Outcome) -> int:
        """Return how many rows had this outcome."""
        tally = self.outcomes.get(outcome)
        return 0 if tally is None else tally.count

    def tally(self, outcome: Outcome) -> Tally:
        """Return the count of an outcome, to add to."""
        tally = self.outcomes.get(outcome)
        if tally is None:
            tally = self.outcomes[outcome] = Tally()
        return tally

    def begin_pass(self) -> None:
        """Start again with the first row."""
        self.passes += 1
        self.rows = self.others = self.pending = 0
        failed = self.outcomes.get(Outcome.VERIFY_FAILED)
        self.outcomes = {} if failed is None else {Outcome.VERIFY_FAILED: failed}
        self.damaged, self.outlived = Tally(), Tally()
