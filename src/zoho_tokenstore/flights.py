"""What one process knows of its own refreshes under way, so that its threads need not ask the store."""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from zoho_tokenstore.leases import begin_anew_after_fork
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import Fence

_MOST_NOTES = 1000


class Flight:
    """A lease that a thread of this process took in order to refresh.

    Arguments:
        name: the name of the lease.
        about: the token to be refreshed, or the query of a first login.
        began_ms: when the lease was taken, in epoch milliseconds.
        seconds: for how long it is held.
    """

    def __init__(self, name: str, about: TokenRecord, began_ms: int, seconds: float) -> None:
        self.name = name
        self.about = TokenRecord(id=about.id, user_name=about.user_name, client_id=about.client_id)
        self.began_ms = began_ms
        self.fence = Fence()
        self.is_of_code = False
        self.owner = secrets.token_hex(8)
        self.thread = threading.current_thread()
        self.ends = time.monotonic() + seconds
        self.landed = threading.Event()

    def is_over(self) -> bool:
        """Tell whether its lease has ended, so that another one may have it."""
        return time.monotonic() >= self.ends

    def is_abandoned(self) -> bool:
        """Tell whether no save can follow: its thread is doing something else, or has ended."""
        return self.thread is threading.current_thread() or not self.thread.is_alive()


class Flights:
    """The flights of a process. A child after a fork begins without any.

    `under_way` are all of them, to be read only: it is looked at before nearly every API call.
    """

    def __init__(self) -> None:
        self.begin_anew()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Forget everything."""
        self._lock = threading.Lock()
        self.under_way: list[Flight] = []
        self._current: dict[str, Flight] = {}
        self._elsewhere: dict[str, float] = {}
        self._turns: dict[str, tuple[threading.Lock, int]] = {}

    def add(self, flight: Flight) -> None:
        """Note a refresh that this thread is about to make.

        An earlier one of that name, whose lease has ended, stays known for its fence.
        """
        with self._lock:
            self.under_way.append(flight)
            self._current[flight.name] = flight

    def get(self, name: str) -> Flight | None:
        """Return the flight of this name that is still within its lease."""
        flight = self._current.get(name)
        return None if flight is None or flight.is_over() else flight

    def of_this_thread(self) -> list[Flight]:
        """Return the flights of the calling thread, whatever their age."""
        me = threading.current_thread()
        return [flight for flight in self.under_way if flight.thread is me]

    def take_abandoned(self) -> list[Flight]:
        """Return the flights that no save will end, each to one caller only."""
        with self._lock:
            abandoned = [flight for flight in self.under_way if flight.is_abandoned()]
            for flight in abandoned:
                self._remove(flight)
        return abandoned

    def take_all(self) -> list[Flight]:
        """Return every flight, each to one caller only."""
        with self._lock:
            flights = list(self.under_way)
            for flight in flights:
                self._remove(flight)
        return flights

    def land(self, flight: Flight) -> None:
        """End a flight and wake the threads that wait for it."""
        with self._lock:
            self._remove(flight)
        flight.landed.set()

    def _remove(self, flight: Flight) -> None:
        if flight in self.under_way:
            self.under_way = [other for other in self.under_way if other is not flight]
        if self._current.get(flight.name) is flight:
            del self._current[flight.name]

    def note_elsewhere(self, name: str, seconds: float) -> None:
        """Remember for so many seconds that the lease is not to be had."""
        if len(self._elsewhere) > _MOST_NOTES:
            self._elsewhere.clear()
        self._elsewhere[name] = time.monotonic() + seconds

    def is_elsewhere(self, name: str) -> bool:
        """Tell whether the lease was seen out of reach a moment ago."""
        return self._elsewhere.get(name, 0.0) > time.monotonic()

    @contextmanager
    def turn(self, name: str, seconds: float) -> Iterator[bool]:
        """Let one thread of the process at a time deal with `name`; yield whether the turn came."""
        lock = self._enter(name)
        came = lock.acquire(timeout=seconds) if seconds > 0 else lock.acquire(blocking=False)
        try:
            yield came
        finally:
            if came:
                lock.release()
            self._leave(name)

    def _enter(self, name: str) -> threading.Lock:
        with self._lock:
            lock, users = self._turns.get(name) or (threading.Lock(), 0)
            self._turns[name] = (lock, users + 1)
            return lock

    def _leave(self, name: str) -> None:
        with self._lock:
            lock, users = self._turns.get(name) or (threading.Lock(), 1)
            if users == 1:
                self._turns.pop(name, None)
            else:
                self._turns[name] = (lock, users - 1)
