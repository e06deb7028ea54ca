"""The list of all checks, and how one is written.

A check is a function with a name. Those about the store as a whole take a `Subject` and yield findings.
Those about rows are given one `Login` after the other: a function that returns what is wrong with it, or
a class that compares logins with each other.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Protocol

from zoho_tokenstore.doctor._findings import MOST_IDS, Finding, Severity
from zoho_tokenstore.doctor._subject import Login, Subject


class Stage(Enum):
    """What a check needs: the files of a store, its keys, that it has been asked, or has answered.

    One that is `PARTIAL` finds something without an answer, but is healthy only with one.
    """

    FILES = "files"
    KEYS = "keys"
    ASKED = "asked"
    PARTIAL = "partial"
    ANSWERED = "answered"
    ROWS = "rows"


class Judge(Protocol):
    """Looks at the rows of one store."""

    def see(self, login: Login) -> None:
        """Look at one of them."""

    def findings(self) -> Iterable[Finding]:
        """Return what was found in those seen so far."""


@dataclass(frozen=True)
class Check:
    """One check: its name, what it needs, and how it is done.

    `run` is of a check of the store as a whole; `judge` makes what looks at its rows.
    """

    name: str
    stage: Stage
    run: Callable[[Subject], Iterable[Finding]] = lambda _: ()
    judge: Callable[[Subject], Judge] | None = None


CHECKS: Final[dict[str, Check]] = {}
"""All checks by name. A name is never given to another check: programs know them."""

Run = Callable[[Subject], Iterable[Finding]]
Why = Callable[[Login, Subject], str | None]


def check(name: str, stage: Stage) -> Callable[[Run], Run]:
    """Register a function as the check of this name."""

    def register(run: Run) -> Run:
        CHECKS[name] = Check(name, stage, run=run)
        return run

    return register


def row_check(name: str, severity: Severity, summary: str, remedy: str) -> Callable[[Why], Why]:
    """Register a function that returns what is wrong with a row, in a few words, or `None`.

    In the summary, ``{rows}`` stands for "3 rows".
    """

    def register(why: Why) -> Why:
        def judge(subject: Subject) -> Judge:
            return _EachRow(
                why, subject, Finding(check=name, severity=severity, summary=summary, remedy=remedy)
            )

        CHECKS[name] = Check(name, Stage.ROWS, judge=judge)
        return why

    return register


def compares_rows(name: str) -> Callable[[Callable[[Subject], Judge]], Callable[[Subject], Judge]]:
    """Register a class that looks at all rows as the check of this name."""

    def register(judge: Callable[[Subject], Judge]) -> Callable[[Subject], Judge]:
        CHECKS[name] = Check(name, Stage.ROWS, judge=judge)
        return judge

    return register


class Tally:
    """The rows that a finding is about: how many, and the first few."""

    def __init__(self) -> None:
        self.count = 0
        self.ids: list[tuple[str, str]] = []

    def add(self, row_id: str, why: str = "") -> None:
        """Count a row."""
        self.count += 1
        if len(self.ids) < MOST_IDS:
            self.ids.append((row_id, why))

    def about(self, finding: Finding) -> Iterator[Finding]:
        """Yield a finding about these rows, if there are any."""
        if self.count:
            rows = f"{self.count:,} {'row' if self.count == 1 else 'rows'}"
            summary = finding.summary.format(rows=rows)
            yield replace(finding, summary=summary, ids=tuple(self.ids), count=self.count)


class _EachRow:
    def __init__(self, why: Why, subject: Subject, finding: Finding) -> None:
        self._why = why
        self._subject = subject
        self._finding = finding
        self._tally = Tally()

    def see(self, login: Login) -> None:
        why = self._why(login, self._subject)
        if why is not None:
            self._tally.add(login.id, why)

    def findings(self) -> Iterable[Finding]:
        return self._tally.about(self._finding)


def error(summary: str, remedy: str = "") -> Finding:
    """Return a finding of severity error; the examination names its check."""
    return Finding(check="", severity=Severity.ERROR, summary=summary, remedy=remedy)


def warning(summary: str, remedy: str = "") -> Finding:
    """Return a finding of severity warning."""
    return Finding(check="", severity=Severity.WARNING, summary=summary, remedy=remedy)


def note(summary: str, remedy: str = "") -> Finding:
    """Return a finding of severity note."""
    return Finding(check="", severity=Severity.NOTE, summary=summary, remedy=remedy)
