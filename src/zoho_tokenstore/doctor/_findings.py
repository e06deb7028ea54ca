"""What an examination returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

MOST_IDS: Final = 20
"""How many of the rows that a finding is about are listed."""


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Logins fail or can get lost, or secrets are open to others: act now."""

    WARNING = "warning"
    """It will become an error, or concerns single logins."""

    NOTE = "note"
    """It works; you may want to know."""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is wrong.

    Arguments:
        check: the name of the check, which has a section in docs/reference/doctor.md.
        severity: how bad it is.
        summary: what is wrong, and what harm it does. No secret is in it, but stored names may be.
        remedy: the command that mends it, or what to do.
        ids: the first rows that it is about, each with a few words on what is wrong with it, or none.
        count: how many rows it is about; 0 if it is about no rows.
    """

    check: str
    severity: Severity
    summary: str
    remedy: str = ""
    ids: tuple[tuple[str, str], ...] = ()
    count: int = 0


@dataclass(frozen=True, kw_only=True)
class Report:
    """The result of an examination.

    Arguments:
        location: where the store is, without a password; the URL's scheme if it cannot be read.
        findings: what is wrong, the worst first.
        healthy: the names of the checks that found nothing.
        not_checked: the names of the checks that could not be made, with the reason: none of them is healthy.
        rows: how many rows were read.
        is_sample: whether there are more, which were not read.
        seconds: how long it took.
    """

    location: str
    findings: tuple[Finding, ...] = ()
    healthy: tuple[str, ...] = ()
    not_checked: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    is_sample: bool = False
    seconds: float = 0.0

    @property
    def is_healthy(self) -> bool:
        """Return whether every check was made and found no error; there may be warnings and notes."""
        return not self.not_checked and all(found.severity is not Severity.ERROR for found in self.findings)
