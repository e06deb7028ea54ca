"""The time, as the contracts compare it."""

from time import time_ns


def now_ms() -> int:
    """Return the wall-clock time in milliseconds since the epoch."""
    return time_ns() // 1_000_000
