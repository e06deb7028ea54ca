"""How far off this host's clock is, by the time in each of Zoho's answers."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.events import EventKind, Tell
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._answers import TokenResponse

_TOLERANCE_MS: Final = 2_000
"""Smaller differences, in milliseconds, are ignored: Zoho sends whole seconds, and answers take a while."""

_REPORTED_FROM_MS: Final = 30_000


class ClockSkew:
    """The difference between Zoho's clock and this host's: `offset_ms` is to be added to the latter."""

    def __init__(self, tell: Tell) -> None:
        self.offset_ms = 0
        self._told_ms = 0
        self._tell = tell

    def learn(self, grant: TokenResponse) -> None:
        """Take an answer's time; a difference of more than half a minute is an event, once."""
        if grant.date_ms is None:
            return
        offset = grant.date_ms + 500 - grant.sent_ms
        self.offset_ms = offset if abs(offset) > _TOLERANCE_MS else 0
        if abs(offset) > _REPORTED_FROM_MS and abs(offset - self._told_ms) > _REPORTED_FROM_MS:
            self._told_ms = offset
            direction = "behind" if offset > 0 else "ahead of"
            self._tell(
                EventKind.CLOCK_SKEW,
                TokenRecord(),
                reason=f"this host's clock is {abs(offset) // 1000} s {direction} Zoho's",
            )
