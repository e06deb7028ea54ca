"""What happens to locks, threads and connections when the process forks.

A fork copies locks and open SQLite files in whatever state they are in, and in the child nobody
is left to finish. So an object either pauses around the fork and continues in parent and child
(`pause_around_fork`), or drops in the child what belongs to its parent (`reset_in_child`).
"""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator
from typing import Protocol

from zoho_tokenstore.errors import ConfigurationError


class Pausable(Protocol):
    """Something that can pause for the moment of a fork."""

    def pause(self) -> None:
        """Finish what is in progress, and hold everything that others could start."""

    def resume(self) -> None:
        """Let everybody continue; called in the parent and in the child, by the thread that forked."""


class Resettable(Protocol):
    """Something that holds locks, or what belongs to one process alone."""

    def reset(self) -> None:
        """Drop what belongs to the parent, and make its own locks."""


_pausables: weakref.WeakSet[Pausable] = weakref.WeakSet()
_resettables: weakref.WeakSet[Resettable] = weakref.WeakSet()
_paused: list[Pausable] = []
_lock = threading.Lock()


def pause_around_fork(pausable: Pausable) -> None:
    """Pause it around every fork, for as long as it lives."""
    with _lock:
        _pausables.add(pausable)


def reset_in_child(resettable: Resettable) -> None:
    """Reset it in every child, for as long as it lives."""
    _resettables.add(resettable)


class Owner:
    """The process that a connection belongs to, also after a fork that Python was not told of, as uWSGI's.

    Nothing was paused or reset there: parent and children would read each other's answers on one socket.

    Arguments:
        location: the store's name, for messages.
    """

    def __init__(self, location: str) -> None:
        self._location = location
        self.reset()
        reset_in_child(self)

    def reset(self) -> None:
        """In a child: belong to it."""
        self._process = os.getpid()

    def check(self) -> None:
        """Raise a `ConfigurationError` in any other process."""
        if os.getpid() != self._process:
            raise ConfigurationError(
                f"The store on {self._location} was opened before this process was forked, and Python was "
                "not told of the fork. Open it in this process: under uWSGI, set lazy-apps = true."
            )


@contextlib.contextmanager
def no_forks() -> Iterator[None]:
    """Prevent forks in the block: for work with SQLite outside registered objects."""
    with _lock:
        yield


def _pause() -> None:
    _lock.acquire()
    _paused.extend(_pausables)
    for pausable in _paused:
        pausable.pause()


def _resume() -> None:
    for pausable in reversed(_paused):
        pausable.resume()
    _paused.clear()
    _lock.release()


def _reset() -> None:
    if not _lock.locked():  # uWSGI's py-call-osafterfork: nothing was paused, so nothing can continue
        return
    _resume()
    for resettable in list(_resettables):
        resettable.reset()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_reset)
