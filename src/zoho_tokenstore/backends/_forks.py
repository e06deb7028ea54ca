"""What must rest while the process forks.

A fork copies locks and open SQLite files in whatever state they are in, and in the child nobody
is left to finish. So everything registered here is brought to rest before the fork, and goes on
in the parent and in the child.
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol


class Restable(Protocol):
    """Something that can be brought to rest for the moment of a fork."""

    def rest(self) -> None:
        """Finish what is under way, and hold everything that others could start."""

    def resume(self) -> None:
        """Let everybody go on; called in the parent and in the child, by the thread that forked."""


_restables: weakref.WeakSet[Restable] = weakref.WeakSet()
_resting: list[Restable] = []
_lock = threading.Lock()


def register(restable: Restable) -> None:
    """Bring `restable` to rest around every fork, for as long as it lives."""
    with _lock:
        _restables.add(restable)


@contextlib.contextmanager
def held_off() -> Iterator[None]:
    """Let no fork happen in the block: for work with SQLite that nothing registered does."""
    with _lock:
        yield


def _rest() -> None:
    _lock.acquire()
    _resting.extend(_restables)
    for restable in _resting:
        restable.rest()


def _resume() -> None:
    for restable in reversed(_resting):
        restable.resume()
    _resting.clear()
    _lock.release()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(before=_rest, after_in_parent=_resume, after_in_child=_resume)
