"""Durations as people write them, and in the unit of all times."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Final

_SECONDS: Final = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86_400.0, "w": 604_800.0}
_DURATION: Final = re.compile(r"([0-9]{1,9}(?:\.[0-9]{1,9})?)([smhdw]?)")


def duration_of(text: str) -> timedelta | None:
    """Return the duration that a string gives, or `None` if it gives none."""
    match = _DURATION.fullmatch(text)
    try:
        return None if match is None else timedelta(seconds=float(match[1]) * _SECONDS[match[2]])
    except OverflowError:
        return None


def age_of(text: str) -> timedelta | None:
    """Return the same, but `None` without a unit: too much might be deleted."""
    return None if text[-1:].isdigit() else duration_of(text)


def ms(duration: timedelta) -> int:
    """Return a duration in milliseconds."""
    return int(duration.total_seconds() * 1000)
