"""What is asked of a copy, and what it tells."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, StrEnum
from typing import Final

from zoho_tokenstore.records import Row

MOST_SHOWN: Final = 20
"""How many ids are kept for each outcome."""


class OnConflict(StrEnum):
    """Which version stays where the destination has another one of the same user's token."""

    FAIL = "fail"
    SKIP = "skip"
    NEWER = "newer"
    OVERWRITE = "overwrite"


class Outcome(Enum):
    """What has become of a row of the source."""

    EQUAL = "the destination has the same"
    COPIED = "it was not there, and was copied"
    OVERWRITTEN = "it has taken the place of another version"
    ELSEWHERE = "it is in the row that its owner has in the destination, under another id"
    LEFT = "the destination's version stays, as was asked for"
    CONFLICT = "the destination's version stays, because nothing else was asked for"
    TAKEN = "its id is another user's in the destination"
    TWICE = "it is in the destination, and so is a new row of the same owner"
    SPOILT = "the destination has not kept it as it was written, or does not find it"
    REFUSED = "the destination does not take it"
    UNREADABLE = "it does not open with the source's keys"
    LOCKED = "what the destination has in its place does not open with the destination's keys"


_UNDONE: Final = (
    Outcome.CONFLICT,
    Outcome.TAKEN,
    Outcome.TWICE,
    Outcome.SPOILT,
    Outcome.REFUSED,
    Outcome.UNREADABLE,
    Outcome.LOCKED,
)


@dataclass
class Tally:
    """How many rows had an outcome.

    `ids` are those of the first ones, each with the other id that its owner has in the destination,
    if it is another one. `reason` is the first error, where there was one.
    """

    count: int = 0
    ids: list[tuple[str, str | None]] = field(default_factory=list)
    reason: str = ""

    def add(self, row: Row, theirs: Row | None) -> None:
        """Count a row of the source, and what the destination has of it."""
        self.count += 1
        if len(self.ids) < MOST_SHOWN:
            self.ids.append((row.id, None if theirs is None or theirs.id == row.id else theirs.id))


@dataclass
class Copying:
    """How far it has come.

    `copied` and `overwritten` count the rows written in all passes; in a dry run, those that would
    be. All else is about one pass: `rows` are those of the source, `outcomes` what has become of
    them (`SPOILT` stays from pass to pass, as comparing does not find it), `others` the
    destination's rows with other ids, `late` how many still had to be written. The digests are
    SHA-256 sums over ids and columns, in clear and in order: of the source's rows, and of the
    destination's rows with the same ids.
    """

    passes: int = 0
    copied: int = 0
    overwritten: int = 0
    rows: int = 0
    others: int = 0
    late: int = 0
    outcomes: dict[Outcome, Tally] = field(default_factory=dict)
    source_digest: str = ""
    destination_digest: str = ""

    @property
    def is_complete(self) -> bool:
        """Tell whether the destination has everything but what was to be left out."""
        return not self.late and not any(map(self.count, _UNDONE))

    def count(self, outcome: Outcome) -> int:
        """Return how many rows had this outcome."""
        tally = self.outcomes.get(outcome)
        return 0 if tally is None else tally.count

    def begin_pass(self) -> None:
        """Start again with the first row."""
        self.passes += 1
        self.rows = self.others = self.late = 0
        spoilt = self.outcomes.get(Outcome.SPOILT)
        self.outcomes = {} if spoilt is None else {Outcome.SPOILT: spoilt}
