"""A mutex per key: threads of a process that change one row take turns.

They would not harm each other, but get in each other's way: each change takes several requests,
and one that comes too late must undo what it began.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from zoho_tokenstore._util import forks
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws.calls import AWSCalls

_LOCKS: Final = 64


class KeyedMutex:
    """One mutex per key of a backend. Different keys may share one, which only costs time."""

    def __init__(self, calls: AWSCalls) -> None:
        self._calls = calls
        self._locks = _new_locks()
        forks.reset_in_child(self)

    @contextmanager
    def hold(self, key: str, deadline: Deadline) -> Iterator[None]:
        """Let no other thread hold this key during the block.

        Raises:
            BackendTimeoutError: another thread held it until the deadline.
        """
        lock = self._locks[hash(key) % _LOCKS]
        if not lock.acquire(timeout=deadline.left()):
            raise self._calls.timeout_error()
        try:
            yield
        finally:
            lock.release()

    def reset(self) -> None:
        """In a child, nobody holds a key."""
        self._locks = _new_locks()


def _new_locks() -> list[threading.Lock]:
    return [threading.Lock() for _ in range(_LOCKS)]
