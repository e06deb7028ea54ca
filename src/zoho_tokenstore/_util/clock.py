"""The time, as one injectable function."""

from collections.abc import Callable
from time import time_ns

Clock = Callable[[], int]
"""A function that returns the time as whole milliseconds since the epoch."""


def now_ms() -> int:
    """Return the wall-clock time in milliseconds since the epoch."""
    return time_ns() // 1_000_000
