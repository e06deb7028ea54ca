"""Times of the store as Django's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_LATEST_MS: Final = 2**43


def moment(ms: object) -> datetime | None:
    """Return a time in epoch milliseconds; `None` for none, and for what no date can be meant by."""
    return _EPOCH + timedelta(milliseconds=ms) if isinstance(ms, int) and 0 < ms < _LATEST_MS else None
