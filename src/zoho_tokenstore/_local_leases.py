"""Leases for the threads of one process, for storages that keep none."""

from __future__ import annotations

import random
import threading
from typing import Final

from zoho_tokenstore._util import forks
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore.backend import LeaseState

_FORGETS_ONE_IN: Final = 64


class LocalLeases:
    """What is kept for one process's threads. After a fork, the child starts with the same texts."""

    def __init__(self, clock: Clock = now_ms) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, int]] = {}
        forks.reset_in_child(self)

    def read(self, name: str) -> LeaseState:
        return LeaseState(self._text(name), self._clock())

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        with self._lock:
            if self._text(name) not in (was, text):
                return False
            now = self._clock()
            if not was and forgets_now():
                self._kept = {name: kept for name, kept in self._kept.items() if kept[1] >= now}
            self._kept[name] = text, now + keep_ms
            return True

    def reset(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it

    def _text(self, name: str) -> str:
        return self._kept.get(name, ("", 0))[0]


def forgets_now() -> bool:
    """Return whether storing a new name should delete what need not be kept any more.

    It is random, because a process may be too short-lived to count.
    """
    return random.randrange(_FORGETS_ONE_IN) == 0  # noqa: S311  # not a secret
