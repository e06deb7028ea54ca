"""How long something may take, and how long it waits before a retry."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


class Deadline:
    """A time limit for a loop of tries, with a growing, jittered delay between them.

    Arguments:
        seconds: how long it may take.
        first_delay: the longest first delay, in seconds; each is at least half of that, and doubles.
        longest_delay: the longest delay, in seconds.
    """

    __slots__ = ("_delay", "_ends", "longest_delay")

    def __init__(self, seconds: float, *, first_delay: float = 0.001, longest_delay: float = 0.05) -> None:
        self._ends = time.monotonic() + seconds
        self._delay = first_delay
        self.longest_delay = longest_delay

    def left(self) -> float:
        """Return how many seconds are left; 0 if none are."""
        return max(0.0, self._ends - time.monotonic())

    def half(self) -> Deadline:
        """Return a deadline that leaves half of the time for what follows."""
        return Deadline(self.left() / 2, first_delay=self._delay, longest_delay=self.longest_delay)

    def has_passed(self) -> bool:
        """Return whether nothing more may begin."""
        return time.monotonic() > self._ends

    def delay(self) -> bool:
        """Wait before another try; return whether there is time for one. If not, it does not wait."""
        if time.monotonic() + self._delay > self._ends:
            return False
        # Jitter against lockstep, not a secret.
        time.sleep(self._delay * random.uniform(0.5, 1.0))  # noqa: S311
        self._delay = min(self._delay * 2, self.longest_delay)
        return True


def in_thread(work: Callable[[], T], name: str) -> Future[T]:
    """Do something that may hang in its own thread, which nobody has to wait for, not even at the exit."""
    outcome: Future[T] = Future()

    def run() -> None:
        try:
            outcome.set_result(work())
        except BaseException as error:  # noqa: BLE001  # raised where the result is asked for
            outcome.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return outcome
