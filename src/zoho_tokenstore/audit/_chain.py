"""Whether a trail is whole: every entry as it was written, in its place, and after the one before it."""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from zoho_tokenstore.audit._entries import FIRST, AuditEntry, DamagedEntryError, read
from zoho_tokenstore.audit._signing import Signer
from zoho_tokenstore.backend import AuditRow
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.events import EventKind

_ANCHOR: Final = re.compile(r"([1-9][0-9]{0,18}):([0-9a-f]{64})")


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """What `AuditTrail.verify` found.

    `broken_at` is the number of the first entry that is not as it was written, or missing, and `reason` says
    why. `first` and `last` are the first and the last entry before that. `missed` is how many entries
    processes reported that they could not write. `unsigned` is how many entries at the end no key
    given here authenticates; `are_signed` says whether that must not be. `has_anchor` says whether the
    anchor is in the trail; it is `None` if there was none to look for.
    """

    entries: int = 0
    first: AuditEntry | None = None
    last: AuditEntry | None = None
    missed: int = 0
    unsigned: int = 0
    are_signed: bool = False
    broken_at: int | None = None
    reason: str | None = None
    has_anchor: bool | None = None

    @property
    def head(self) -> str | None:
        """The anchor of the last entry, ``NUMBER:HASH``: keep it where nobody who writes the store can."""
        return None if self.last is None else f"{self.last.number}:{self.last.hash}"

    @property
    def is_intact(self) -> bool:
        """Whether nothing is wrong with the trail."""
        is_known = not (self.are_signed and self.unsigned)
        return bool(self.entries) and self.reason is None and is_known and self.has_anchor is not False


def parse_anchor(text: str) -> tuple[int, str]:
    """Return the number and the hash in an anchor."""
    found = _ANCHOR.fullmatch(text.strip())
    if found is None:
        raise ConfigurationError(
            "An anchor is the number and the hash of an entry, as a verification printed it: 1042:9f86d0…"
        )
    return int(found[1]), found[2]


class Chain:
    """Goes through a trail, entry by entry; it holds only the first and the last of them."""

    def __init__(self, signer: Signer, anchor: tuple[int, str] | None) -> None:
        self._signer = signer
        self._anchor = anchor
        self._first: AuditEntry | None = None
        self._last: AuditEntry | None = None
        self._pruned: AuditEntry | None = None
        self._has_anchor = None if anchor is None else False
        self._entries = self._missed = self._unsigned = 0

    def follow(self, rows: Iterable[AuditRow]) -> AuditReport:
        """Return what is found in the rows, up to the first that is broken."""
        for row in rows:
            try:
                self._take(row, read(row))
            except DamagedEntryError as damage:
                return self._report(damage.number or row.number, str(damage))
        return self._report(*self._break_at_start())

    def _take(self, row: AuditRow, entry: AuditEntry) -> None:
        last = self._last
        if last is not None and entry.number != last.number + 1:
            raise DamagedEntryError(
                f"it is missing: after {last.number} comes {entry.number}", last.number + 1
            )
        if last is not None and entry.previous != last.hash:
            raise DamagedEntryError(f"it does not follow entry {last.number} as that is now")
        self._check_mac(row, entry)
        self._first = self._first or entry
        self._last = entry
        self._entries += 1
        self._missed += entry.missed
        if entry.what == EventKind.AUDIT_PRUNED:
            self._pruned = entry
        if self._anchor in ((entry.number, entry.hash), (entry.number - 1, entry.previous)):
            self._has_anchor = True

    def _check_mac(self, row: AuditRow, entry: AuditEntry) -> None:
        """Count the entries since the last one that a key given here signed: it vouches for all before."""
        mac = None if entry.key is None else self._signer.sign(entry.key, entry.hash)
        if mac is None:
            self._unsigned += 1
        elif not isinstance(row.mac, str) or not hmac.compare_digest(mac.encode(), row.mac.encode()):
            raise DamagedEntryError(f"the key {entry.key} did not sign it")
        else:
            self._unsigned = 0

    def _break_at_start(self) -> tuple[int | None, str | None]:
        """Return what is missing from the start, unless a later entry says that it was pruned."""
        first, pruned = self._first, self._pruned
        if first is None or (first.number, first.previous) == (1, FIRST):
            return None, None
        if pruned is None or pruned.pruned_number is None or pruned.pruned_number < first.number - 1:
            return (
                1,
                f"entries up to {first.number - 1} are missing, and no later one says that they were pruned",
            )
        if pruned.pruned_number == first.number - 1 and pruned.pruned_hash != first.previous:
            return first.number, f"it does not follow the last pruned entry, {pruned.pruned_number}"
        return None, None

    def _report(self, broken_at: int | None, reason: str | None) -> AuditReport:
        return AuditReport(
            entries=self._entries,
            first=self._first,
            last=self._last,
            missed=self._missed,
            unsigned=self._unsigned,
            are_signed=not self._signer.accepts_unsigned,
            broken_at=broken_at,
            reason=reason,
            has_anchor=self._has_anchor,
        )
