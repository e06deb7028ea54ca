"""How often something may happen in a sliding window."""

from __future__ import annotations

from collections import deque
from datetime import timedelta


class WindowLimit:
    """At most `limit` events per key in any `window`; `None` allows everything."""

    def __init__(self, limit: int | None, window: timedelta) -> None:
        self._limit = limit
        self._window = window.total_seconds()
        self._events: dict[str, deque[float]] = {}

    def take(self, key: str, now: float) -> bool:
        """Count an event at `now` (seconds), unless it would exceed the limit.

        Returns:
            Whether the event is allowed. A refused one is not counted.
        """
        if self._limit is None:
            return True
        events = self._recent(key, now)
        if len(events) >= self._limit:
            return False
        events.append(now)
        return True

    def forget(self, key: str) -> None:
        """Forget `key`."""
        self._events.pop(key, None)

    def _recent(self, key: str, now: float) -> deque[float]:
        events = self._events.setdefault(key, deque())
        while events and events[0] <= now - self._window:
            events.popleft()
        return events
