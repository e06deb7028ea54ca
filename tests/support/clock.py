"""A clock that passes as a test wants."""

from __future__ import annotations

import time


class Clock:
    """The host's clock, and what a test lets pass."""

    def __init__(self) -> None:
        self.passed_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self.passed_ms

    def pass_(self, seconds: float) -> None:
        self.passed_ms += int(seconds * 1000)
