"""Small jobs that nobody waits for, done one after the other in a thread."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Hashable
from typing import Final

from zoho_tokenstore._util import forks

_log = logging.getLogger("zoho_tokenstore")

_MOST: Final = 10_000
"""How many jobs may wait. Whoever leaves one here can do without it for a while."""


class Errands:
    """Jobs of a process, each key once at a time. The thread ends when nothing is left.

    After a fork, the child begins without any: its parent does them. A job that fails is logged, and the
    next one is done.
    """

    def __init__(self) -> None:
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Forget everything."""
        self._changed = threading.Condition()
        self._jobs: dict[Hashable, Callable[[], None]] = {}
        self._is_running = False

    def leave(self, key: Hashable, job: Callable[[], None]) -> None:
        """Leave a job, unless one with this key is waiting, or too many are."""
        with self._changed:
            if key in self._jobs or len(self._jobs) >= _MOST:
                return
            self._jobs[key] = job
            if not self._is_running:
                self._is_running = self._started()

    def wait(self, seconds: float) -> bool:
        """Wait until all are done, for at most this many seconds; return whether they are."""
        ends = time.monotonic() + seconds
        with self._changed:
            return self._changed.wait_for(lambda: not self._is_running, max(0.0, ends - time.monotonic()))

    def _started(self) -> bool:
        try:
            threading.Thread(target=self._run, name="zoho-tokenstore-errands", daemon=True).start()
        except RuntimeError:  # no more threads, or the interpreter is ending: at the next chance
            return False
        return True

    def _run(self) -> None:
        while True:
            with self._changed:
                if not self._jobs:
                    self._is_running = False
                    self._changed.notify_all()
                    return
                key = next(iter(self._jobs))
                job = self._jobs.pop(key)  # now: what is left under its key from here on is not yet done
            try:
                job()
            except BaseException:  # noqa: BLE001  # even an observer that exits must not end the others
                _log.exception("A job beside the look-ups failed.")
