"""Times of the store as Django's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS: Final = 2**43


def moment(ms: int | None) -> datetime | None:
    """Return a time in epoch milliseconds; `None` for none, and for one that a date cannot be meant by."""
    return None if ms is None or not 0 < ms < _LATEST_MS else _EPOCH + timedelta(milliseconds=ms)
