"""The renewals that this process is making: one for each credential, whoever of its threads waits for it."""

from __future__ import annotations

import copy
import threading
import time
from collections.abc import Callable
from typing import Final

from zoho_tokenstore.errors import forget_values
from zoho_tokenstore.leases import begin_anew_after_fork
from zoho_tokenstore.records import TokenRecord

THE_STORE: Final = "the token store"
_A_MOMENT: Final = 1.0
_MOST_NOTES: Final = 1000


class Flight:
    """A renewal in a thread of its own.

    So nobody waits for it longer than he wants to, whatever store or server hangs.

    Arguments:
        name: the name of the credential's lease.
        work: renews. What it raises, everybody who waits is told.
    """

    def __init__(self, name: str, work: Callable[[Flight], TokenRecord | None]) -> None:
        self.name = name
        self.waiters = 0
        self._step = (THE_STORE, THE_STORE, 0.0)
        self.is_final = True
        self.landed = threading.Event()
        self._work = work
        self._result: TokenRecord | None = None
        self._error: Exception | None = None

    def begin(self, doing: str) -> None:
        """Note what the next step waits for."""
        last = self._step[1] if doing is THE_STORE else doing
        self._step = (doing, last, time.monotonic())

    @property
    def doing(self) -> str:
        """What it is waiting for: not the store, if that was asked only a moment ago between other waits."""
        doing, last, since = self._step
        return last if time.monotonic() - since < _A_MOMENT else doing

    def wait(self, seconds: float) -> bool:
        """Wait until it has ended; return whether it has."""
        self.waiters += 1
        return self.landed.wait(max(0.0, seconds))

    def result(self) -> TokenRecord | None:
        """Return what it has brought, or raise what it has raised: for each who asks an error of his own."""
        if self._error is None:
            return self._result
        error = copy.copy(self._error)
        error.__cause__, error.__suppress_context__ = self._error.__cause__, True
        raise error

    def run(self) -> None:
        """Renew, in this thread."""
        try:
            self._result = self._work(self)
        except Exception as error:  # noqa: BLE001  # raised again by `result`
            forget_values(error)
            self._error = error


class Flights:
    """The flights of a process. A child after a fork begins without any: its parent goes on with them."""

    def __init__(self) -> None:
        self.begin_anew()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Forget everything."""
        self._lock = threading.Lock()
        self._flights: dict[str, Flight] = {}
        self._held_off: dict[str, float] = {}

    def join(self, name: str, work: Callable[[Flight], TokenRecord | None]) -> Flight:
        """Return the flight of this name that is under way, or start one."""
        with self._lock:
            flight = self._flights.get(name)
            if flight is not None:
                return flight
            flight = self._flights[name] = Flight(name, work)
        try:
            threading.Thread(
                target=self._run, args=(flight,), name="zoho-tokenstore-renewal", daemon=True
            ).start()
        except RuntimeError:  # no more threads, or the interpreter is ending
            self._run(flight)
        return flight

    def _run(self, flight: Flight) -> None:
        flight.run()
        with self._lock:
            if self._flights.get(flight.name) is flight:
                del self._flights[flight.name]
        flight.landed.set()

    def wait_for_all(self, seconds: float) -> None:
        """Wait until all have ended, for so many seconds at most."""
        ends = time.monotonic() + seconds
        with self._lock:
            flights = list(self._flights.values())
        for flight in flights:
            flight.landed.wait(max(0.0, ends - time.monotonic()))

    def hold_off(self, name: str, seconds: float) -> None:
        """Remember for so many seconds that those who can go without do not try it."""
        with self._lock:
            if len(self._held_off) > _MOST_NOTES:
                self._held_off.clear()
            self._held_off[name] = time.monotonic() + seconds

    def is_held_off(self, name: str) -> bool:
        """Tell whether it was said so, or a flight of this name is under way."""
        return name in self._flights or self._held_off.get(name, 0.0) > time.monotonic()
