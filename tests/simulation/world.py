"""Time and chance: a clock that moves from event to event, and one random source that decides everything."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Callable
from typing import Final

_MOST_EVENTS: Final = 20_000

START_MS: Final = 1_800_000_000_000


class Violation(AssertionError):
    """Something happened that must not."""


class World:
    """A clock, a random source, and what is to happen.

    Arguments:
        seed: decides everything.
        tells: whether a `story` is written.
    """

    def __init__(self, seed: int, *, tells: bool = False) -> None:
        self.random: Final = random.Random(seed)
        self.now = START_MS
        self.events = 0
        self.story: list[str] | None = [] if tells else None
        self._due: list[tuple[int, int, Callable[[], object]]] = []
        self._numbers = itertools.count()

    def after(self, delay_ms: int, do: Callable[[], object]) -> None:
        """Have something happen in so many milliseconds."""
        heapq.heappush(self._due, (self.now + delay_ms, next(self._numbers), do))

    def run(self) -> None:
        """Let everything happen, until nothing is left to happen."""
        while self._due:
            self.now, _, do = heapq.heappop(self._due)
            self.events += 1
            if self.events > _MOST_EVENTS:
                raise Violation("it does not come to an end")
            do()

    def number(self) -> int:
        """Return another number each time."""
        return next(self._numbers)

    def seconds(self) -> float:
        """Return the time of a clock that is never set."""
        return self.now / 1000

    def tell(self, text: str) -> None:
        """Go on with the story."""
        if self.story is not None:
            self.story.append(f"{(self.now - START_MS) / 1000:9.3f}  {text}")
