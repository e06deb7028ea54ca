"""Whether a store works, within a second: for the probe of whatever runs the program."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal, get_args

from zoho_tokenstore._util import forks
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError, forget_values
from zoho_tokenstore.renewal._renewer import Renewer

HEALTH_TIMEOUT: Final = timedelta(seconds=1)

PartName = Literal["open", "read", "lease", "clock"]

_NOBODY: Final = "zoho-tokenstore-health"
"""An id that no row has: ours have nine digits."""

_LEASE: Final = "health"
_KEPT_MS: Final = 60_000
_SAMPLE: Final = 20
_SKEW_MS: Final = 30_000


@dataclass(frozen=True, kw_only=True)
class HealthPart:
    """One part of a health check.

    Arguments:
        name: `open`: the storage answers a look-up; `read`: its rows open with the keys here; `lease`: it
            accepts writes, so that tokens can be renewed; `clock`: this host's clock is right within
            30 seconds, by that of the storage's server and by Zoho's last answer.
        is_healthy: whether all is well.
        seconds: how long it took.
        problem: what is wrong, if anything. No secret is in it.
    """

    name: PartName
    is_healthy: bool
    seconds: float
    problem: str | None = None


@dataclass(frozen=True, kw_only=True)
class Health:
    """The result of a health check.

    Arguments:
        parts: its four parts, in the order in which they were checked.
        seconds: how long all of it took.
    """

    parts: tuple[HealthPart, ...]
    seconds: float

    @property
    def is_healthy(self) -> bool:
        """Return whether all parts are."""
        return all(part.is_healthy for part in self.parts)

    @property
    def is_ready(self) -> bool:
        """Return whether valid tokens are handed out, even if none can be renewed: `open` and `read`."""
        return all(part.is_healthy for part in self.parts if part.name in ("open", "read"))


class HealthCheck:
    """Checks the store of a renewer; one check at a time, however many ask.

    A storage that hangs can hold a check for as long as its driver waits. Then the next ones do not start
    another, and report at once that it still hangs.
    """

    def __init__(self, renewer: Renewer) -> None:
        self._renewer = renewer
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """In a child, forget the check that a thread of its parent was making."""
        self._lock = threading.Lock()
        self._run: _Run | None = None

    def check(self, timeout: timedelta) -> Health:
        """Return how the store is now; nothing is raised for what is wrong with it."""
        if not isinstance(timeout, timedelta) or timeout <= timedelta(0):
            raise ConfigurationError("check: timeout must be a timedelta above zero.")
        began = time.monotonic()
        with self._lock:
            run = self._run
            hangs = run is not None and run.is_late()
            if run is None or run.done.is_set():
                run = self._run = _Run(self._steps(), timeout.total_seconds())
        if not hangs:
            run.done.wait(timeout.total_seconds())
        return Health(parts=run.parts(), seconds=time.monotonic() - began)

    def _steps(self) -> Iterator[tuple[PartName, Callable[[], str | None]]]:
        ahead_ms: list[int] = []
        yield "open", self._open
        yield "read", self._read
        yield "lease", lambda: self._lease(ahead_ms)
        yield "clock", lambda: self._clock(ahead_ms)

    def _open(self) -> None:
        self._renewer.repository.get(_NOBODY)

    def _read(self) -> str | None:
        rows = self._renewer.repository.scan(limit=_SAMPLE)
        if next(rows, None) is None and rows.unreadable:
            return (
                f"None of the first {len(rows.unreadable):,} rows can be read: {rows.unreadable[0].reason}. "
                "To find out more, run: zoho-tokens doctor"
            )
        return None

    def _lease(self, ahead_ms: list[int]) -> None:
        leases, clock = self._renewer.repository.leases, self._renewer.repository.clock
        asked = clock()
        seen = leases.read(_LEASE)
        ahead_ms.append(seen.now_ms - (asked + clock()) // 2)
        # If somebody else's check was faster, the storage accepts writes all the same.
        leases.replace(_LEASE, seen.text, secrets.token_hex(8), _KEPT_MS)

    def _clock(self, ahead_ms: list[int]) -> str | None:
        clocks = [("Zoho's", self._renewer.skew.offset_ms), *(("the storage's", ms) for ms in ahead_ms)]
        for whose, ms in clocks:
            if abs(ms) > _SKEW_MS:
                direction = "behind" if ms > 0 else "ahead of"
                return f"This host's clock is {abs(ms) // 1000:,} s {direction} {whose}. Synchronise it."
        return None


class _Run:
    """One check, in a thread of its own."""

    def __init__(self, steps: Iterator[tuple[PartName, Callable[[], str | None]]], timeout: float) -> None:
        self._parts: list[HealthPart] = []
        self._began = self._step_began = time.monotonic()
        self._timeout = timeout
        self.done = threading.Event()
        try:
            threading.Thread(
                target=self._make, args=(steps,), name="zoho-tokenstore health", daemon=True
            ).start()
        except RuntimeError:  # too many threads, or the interpreter is ending
            self._parts += [_failed(name, "No thread can be started.") for name in get_args(PartName)]
            self.done.set()

    def is_late(self) -> bool:
        return not self.done.is_set() and time.monotonic() > self._began + self._timeout

    def parts(self) -> tuple[HealthPart, ...]:
        """Return all four parts; what has not been reached is not healthy."""
        known = tuple(self._parts)
        names: tuple[PartName, ...] = get_args(PartName)
        seconds = time.monotonic() - self._step_began
        late = [_failed(name, "It was not reached.") for name in names[len(known) :]]
        if late:
            late[0] = _failed(late[0].name, f"There was no answer within {seconds:.1f} s.", seconds)
        return (*known, *late)

    def _make(self, steps: Iterator[tuple[PartName, Callable[[], str | None]]]) -> None:
        try:
            for name, step in steps:
                self._step_began = time.monotonic()
                problem = _problem_of(step)
                seconds = time.monotonic() - self._step_began
                self._parts.append(
                    HealthPart(name=name, is_healthy=problem is None, seconds=seconds, problem=problem)
                )
        finally:
            self.done.set()


def _failed(name: PartName, problem: str, seconds: float = 0.0) -> HealthPart:
    return HealthPart(name=name, is_healthy=False, seconds=seconds, problem=problem)


def _problem_of(step: Callable[[], str | None]) -> str | None:
    try:
        return step()
    except TokenStoreError as error:
        forget_values(error)
        return str(error)
