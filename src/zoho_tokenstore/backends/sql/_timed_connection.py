"""A psycopg connection that waits only so long for an answer."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from time import monotonic as _monotonic
from typing import Any, Final, TypeVar

import psycopg

_GRACE: Final = 2.0
"""How long to wait for the server after it was asked to cancel, in seconds: it knows the outcome."""

R = TypeVar("R")


class NoAnswer(psycopg.OperationalError):
    """The server did not answer in time, and the connection has been closed."""


class TimedConnection(psycopg.Connection[Any]):
    """A connection that waits only so long for an answer; then it has the server cancel the statement.

    No time limit is set on the server: behind a pooler the session is not ours alone, and others
    would have it too. The server may also be frozen, or silently gone.
    """

    timeout: float = 30.0

    def wait(self, gen: Generator[Any, Any, R], *args: Any, **kwargs: Any) -> R:
        """Consume a generator operating on the connection."""
        try:
            return super().wait(self._limit(gen), *args, **kwargs)
        except NoAnswer:
            self.close()
            raise

    def _limit(self, steps: Generator[Any, Any, R]) -> Generator[Any, Any, R]:
        """Pass a generator's steps on, until nothing is ready and the time is up."""
        deadline, is_cancelled, send, ready = _monotonic() + self.timeout, False, steps.send, None
        try:
            while True:  # this runs for every statement
                ready = yield send(ready)
                if not ready and _monotonic() > deadline:
                    if is_cancelled:
                        raise NoAnswer("the server did not answer in time")
                    deadline, is_cancelled = deadline + _GRACE, True
                    self._cancel()
        except StopIteration as done:
            result: R = done.value
            return result

    def _cancel(self) -> None:
        if psycopg.capabilities.has_cancel_safe():  # older libraries would wait for it endlessly
            with contextlib.suppress(psycopg.Error):
                self.cancel_safe(timeout=_GRACE / 2)
