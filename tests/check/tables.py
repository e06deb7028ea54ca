"""The tables of docs/reference/checked-stores.md."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from string import ascii_uppercase
from typing import Any, Final, NamedTuple

from zoho_tokenstore.testing import Clause, Severity, TokenStoreContract, catalogue

_MARKS: Final = {"passed": "✓", "failed": "**✗**", "skipped": "–"}
_NOT_ASKED: Final = ""


class Subject(NamedTuple):
    """A store, and the environment whose SDK it runs with.

    Arguments:
        abilities: what the store is said to be able to do.
        only: the clauses that it is asked for, by number; all if none.
    """

    name: str
    sdk: str
    factory: str
    python: Path
    abilities: str = "persistent,shared,files"
    only: tuple[str, ...] = ()


@dataclass(frozen=True)
class Checked:
    """A store with what became of each clause, by its number."""

    subject: Subject
    results: dict[str, dict[str, Any]]

    @property
    def holding(self) -> int:
        """How many clauses hold."""
        return self._count("passed")

    @property
    def counted(self) -> int:
        """How many clauses hold or fail."""
        return self.holding + self._count("failed")

    def failing(self, severity: str) -> list[str]:
        """Return the numbers of the failing clauses of a severity."""
        return [
            number
            for number, result in self.results.items()
            if (result["outcome"], result["severity"]) == ("failed", severity)
        ]

    def mark(self, clause: Clause) -> str:
        """Return the sign for a clause."""
        result = self.results.get(clause.number)
        return _NOT_ASKED if result is None else _MARKS[result["outcome"]]

    def _count(self, outcome: str) -> int:
        return sum(result["outcome"] == outcome for result in self.results.values())


def tables(theirs: Sequence[Checked], own: Sequence[Checked]) -> Iterator[str]:
    """Yield the lines of all tables."""
    yield from _summary(theirs, own)
    for severity in Severity:
        yield from _matrix(severity, theirs, own)


def _summary(theirs: Sequence[Checked], own: Sequence[Checked]) -> Iterator[str]:
    yield f"| | store | SDK | clauses that hold | {' | '.join(Severity)} |"
    yield f"| --- | --- | --- | --- | {' | '.join('---' for _ in Severity)} |"
    for letter, one in zip(ascii_uppercase, theirs, strict=False):
        yield _summary_row(letter, one)
    for one in own:
        yield _summary_row("ours", one)


def _summary_row(letter: str, one: Checked) -> str:
    failing = [str(len(one.failing(severity)) or "–") for severity in Severity]
    cells = [letter, one.subject.name, one.subject.sdk, f"{one.holding} of {one.counted}", *failing]
    return f"| {' | '.join(cells)} |"


def _matrix(severity: Severity, theirs: Sequence[Checked], own: Sequence[Checked]) -> Iterator[str]:
    known = [clause for clause in catalogue(TokenStoreContract) if clause.severity == severity]
    rows = [row for clause in known if (row := _row(clause, theirs, own))]
    if not rows:
        return
    letters = " | ".join(ascii_uppercase[: len(theirs)])
    yield from ("", f"### {severity.capitalize()}", "")
    yield f"| | clause | {letters} | ours | rests on |"
    yield f"| --- | --- | {' | '.join('---' for _ in theirs)} | --- | --- |"
    yield from rows


def _row(clause: Clause, theirs: Sequence[Checked], own: Sequence[Checked]) -> str | None:
    marks = [one.mark(clause) for one in theirs]
    mine = {one.mark(clause) for one in own}
    if _MARKS["failed"] not in {*marks, *mine}:
        return None
    worst = next(mark for mark in (_MARKS["failed"], _MARKS["passed"], _MARKS["skipped"]) if mark in mine)
    return f"| {clause.number} | `{clause.name}` | {' | '.join(marks)} | {worst} | {clause.basis} |"
