"""Points in time: in words for people, and as RFC 3339 for programs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNITS: Final = (("day", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1000))


def rfc3339(ms: int | None) -> str | None:
    """Return a time in epoch milliseconds as `2026-11-30T05:38:26.123Z`; `None` for none that a date has."""
    if ms is None:
        return None
    try:
        return (_EPOCH + timedelta(milliseconds=ms)).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except OverflowError:
        return None


def ms_of(text: str) -> int:
    """Return the epoch milliseconds of such a string, in any time zone, or raise a `ValueError`."""
    at = datetime.fromisoformat(text)
    if at.tzinfo is None:
        raise ValueError
    return (at - _EPOCH) // timedelta(milliseconds=1)


def in_words(ms: int | None, now_ms: int) -> str:
    """Return how far from now a time is: `in 43 min`, `2 days ago`; `-` for none."""
    if ms is None:
        return "-"
    distance = abs(ms - now_ms)
    unit, length = next((each for each in _UNITS if distance >= each[1]), _UNITS[-1])
    count = (distance + length // 2) // length
    words = f"{count:,} {unit}{'s' if unit == 'day' and count != 1 else ''}"
    return f"in {words}" if ms > now_ms else f"{words} ago"
