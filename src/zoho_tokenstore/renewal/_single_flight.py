"""This process's renewals: one per credential, whichever threads wait for it."""

from __future__ import annotations

import contextvars
import copy
import threading
import time
from collections.abc import Callable
from typing import Final

from zoho_tokenstore._util import forks
from zoho_tokenstore.errors import forget_values
from zoho_tokenstore.records import TokenRecord

THE_STORE: Final = "the token store"
_STEP_GRACE_S: Final = 1.0
_MAX_NOTES: Final = 1000
_MOST_AHEAD: Final = 32
"""How many renewals may be pending before none begins ahead of time: each has a thread, and saves."""


class PendingRenewal:
    """A renewal in its own thread: nobody waits longer than they want. What `work` raises, everyone gets."""

    def __init__(self, name: str, work: Callable[[PendingRenewal], TokenRecord | None]) -> None:
        self.name = name
        self.waiters = 0
        self._step = (THE_STORE, THE_STORE, 0.0)
        self.is_final = True
        self.has_renewed = False
        self.finished = threading.Event()
        self._thread: int | None = None
        self._work = work
        self._result: TokenRecord | None = None
        self._error: BaseException | None = None

    def begin(self, doing: str) -> None:
        """Note what the next step waits for."""
        last = self._step[1] if doing is THE_STORE else doing
        self._step = (doing, last, time.monotonic())

    @property
    def doing(self) -> str:
        """What it is waiting for: not the store, if it was asked only briefly between other waits."""
        doing, last, since = self._step
        return last if time.monotonic() - since < _STEP_GRACE_S else doing

    @property
    def is_of_this_thread(self) -> bool:
        """Return whether this thread renews: an observer that it calls cannot wait for it."""
        return self._thread == threading.get_ident()

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; return whether it has."""
        self.waiters += 1
        return self.finished.wait(max(0.0, seconds))

    def result(self) -> TokenRecord | None:
        """Return its result, or raise its error: a separate error for each caller."""
        if self._error is None:
            return self._result
        raise _copy_of(self._error) from self._error.__cause__

    def run(self) -> None:
        """Renew, in this thread."""
        self._thread = threading.get_ident()
        try:
            self._result = self._work(self)
        except BaseException as error:  # noqa: BLE001  # raised again by `result`
            forget_values(error)
            self._error = error


def _copy_of(error: BaseException) -> BaseException:
    """Return an error like this one; a class of others may make none of its `args`, and is raised itself."""
    try:
        new = copy.copy(error)
    except Exception:  # noqa: BLE001  # whatever its constructor raises
        return error
    new.args = error.args  # its constructor may have made a longer message of them
    return new


class SingleFlight:
    """A process's pending renewals. After a fork, the child begins without any: its parent continues them."""

    def __init__(self) -> None:
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Forget everything."""
        self._lock = threading.Lock()
        self._in_progress: dict[str, PendingRenewal] = {}
        self._postponed: dict[str, float] = {}

    def join(self, name: str, work: Callable[[PendingRenewal], TokenRecord | None]) -> PendingRenewal:
        """Return the pending renewal of this name, or start one."""
        pending = PendingRenewal(name, work)
        try:
            with self._lock:
                in_progress = self._in_progress.setdefault(name, pending)
            if in_progress is not pending:
                return in_progress
            # In the context of whoever asked for it: that is who acts.
            run = contextvars.copy_context().run
            threading.Thread(
                target=run, args=(self._run, pending), name="zoho-tokenstore-renewal", daemon=True
            ).start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._run(pending)
        except BaseException:  # of a signal's handler: it may run or not, so nobody waits for it
            pending.is_final = False
            self._end(pending)
            raise
        return pending

    def _run(self, pending: PendingRenewal) -> None:
        pending.run()
        self._end(pending)

    def _end(self, pending: PendingRenewal) -> None:
        with self._lock:
            if self._in_progress.get(pending.name) is pending:
                del self._in_progress[pending.name]
        pending.finished.set()

    def wait_for_all(self, seconds: float) -> None:
        """Wait until all have ended, for at most this many seconds."""
        ends = time.monotonic() + seconds
        with self._lock:
            all_pending = list(self._in_progress.values())
        for pending in all_pending:
            pending.finished.wait(max(0.0, ends - time.monotonic()))

    def postpone(self, name: str, seconds: float) -> None:
        """Remember for this many seconds that those who can do without do not try."""
        with self._lock:
            if len(self._postponed) > _MAX_NOTES:
                self._postponed.clear()
            self._postponed[name] = time.monotonic() + seconds

    def is_postponed(self, name: str) -> bool:
        """Return whether that was remembered, or a renewal of this name or too many others are pending."""
        pending = self._in_progress
        return (
            name in pending
            or len(pending) >= _MOST_AHEAD
            or self._postponed.get(name, 0.0) > time.monotonic()
        )
