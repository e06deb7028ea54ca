"""Threads of a process that change one row take turns.

They would not harm each other, but stand in each other's way: each change takes several requests,
and one that comes too late has to take back what it has begun.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline
from zoho_tokenstore.leases import begin_anew_after_fork

_LOCKS: Final = 64


class Turns:
    """The turns of the threads that share one backend."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._locks = _locks()
        begin_anew_after_fork(self)

    @contextmanager
    def of(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Let no other thread change the row with this key in the block.

        Raises:
            BackendTimeoutError: another one was at it until the deadline.
        """
        lock = self._locks[hash(key) % _LOCKS]
        if not lock.acquire(timeout=deadline.left()):
            raise self._calls.timed_out()
        try:
            yield
        finally:
            lock.release()

    def begin_anew(self) -> None:
        """In a child nobody has a turn."""
        self._locks = _locks()


def _locks() -> list[threading.Lock]:
    return [threading.Lock() for _ in range(_LOCKS)]
