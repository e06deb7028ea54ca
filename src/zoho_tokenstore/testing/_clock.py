"""The time, as the contracts compare it."""

from time import time_ns
from typing import Final

SKEW_MS: Final = 600_000
"""How far the clock of a storage's server may be from ours, in milliseconds."""


def now_ms() -> int:
    """Return the wall-clock time in milliseconds since the epoch."""
    return time_ns() // 1_000_000
