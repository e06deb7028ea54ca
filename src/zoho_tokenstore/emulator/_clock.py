"""The server's clock: movable by a test, and skewed for a single request by a fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

MAX_SECONDS = 1e9
"""How far the clock may be moved; beyond that, times can no longer be written as dates."""

_skew: ContextVar[float] = ContextVar("emulator_clock_skew", default=0.0)


class Clock:
    """Seconds since 1970 as the server sees them.

    Args:
        source: the host's time.
        offset: how many seconds the server is ahead of the host.
    """

    def __init__(self, source: Callable[[], float], offset: float = 0.0) -> None:
        self._source = source
        self._start = self._offset = offset

    def now(self) -> float:
        """Return the server's time in seconds since 1970."""
        return self._source() + self._offset + _skew.get()

    def advance(self, seconds: float) -> None:
        """Advance the clock by `seconds`; a negative number moves it back.

        Raises:
            ValueError: the clock would be off by more than a billion seconds.
        """
        if not abs(self._offset + seconds) <= MAX_SECONDS:
            raise ValueError("The clock can be moved by at most a billion seconds.")
        self._offset += seconds

    def reset(self) -> None:
        """Undo what `advance` did."""
        self._offset = self._start


@contextmanager
def skewed(seconds: float) -> Iterator[None]:
    """Within this block, and in this task only, every clock is off by `seconds`."""
    token = _skew.set(_skew.get() + seconds)
    try:
        yield
    finally:
        _skew.reset(token)
