"""Leases: who may do something alone, for a limited time."""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.records import TokenRecord

FORGET_AFTER_MS: Final = 3_600_000
"""How long after its end a lease is kept for its note, in milliseconds."""


class Lease(NamedTuple):
    """Who holds a name, until when (epoch milliseconds), and what is noted beside it."""

    owner: str | None = None
    until_ms: int = 0
    note: str = ""

    def is_held(self, at_ms: int, ttl_ms: int) -> bool:
        """Tell whether somebody holds it.

        One that ends much later than a new one would is a leftover of a clock that was set back,
        and holds nobody up. A little later it may end: others' clocks may be ahead of ours.
        """
        return self.owner is not None and at_ms < self.until_ms <= at_ms + 2 * ttl_ms


class Leases(Protocol):
    """Where leases are kept: seen by every thread, and by every process that shares the store."""

    def look(self, name: str) -> Lease:
        """Return the lease as it stands, without taking it."""

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        """Take the lease if nobody holds it, and return it as it now stands.

        It was taken if the returned `owner` is the caller's. This is a write: it raises a
        `BackendError` where nothing can be written.
        """

    def annotate(self, name: str, was: str, note: str) -> bool:
        """Replace the note beside a lease, held or not, if it still is `was`; return whether it was."""

    def release(self, name: str, owner: str) -> bool:
        """Give the lease back if `owner` still has it; return whether it had. The note stays."""


class LocalLeases:
    """Leases for the threads of one process. A child after a fork holds none, and keeps the notes."""

    def __init__(self, clock: Clock = now_ms) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._leases: dict[str, Lease] = {}
        begin_anew_after_fork(self)

    def look(self, name: str) -> Lease:
        return self._leases.get(name, Lease())

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        with self._lock:
            now = self._clock()
            lease = self.look(name)
            if not lease.is_held(now, ttl_ms):
                self._forget(now)
                lease = self._leases[name] = Lease(owner, now + ttl_ms, lease.note)
            return lease

    def annotate(self, name: str, was: str, note: str) -> bool:
        with self._lock:
            lease = self._leases.get(name, Lease(None, self._clock()))
            if lease.note != was:
                return False
            self._leases[name] = lease._replace(note=note)
            return True

    def release(self, name: str, owner: str) -> bool:
        with self._lock:
            lease = self.look(name)
            if lease.owner != owner:
                return False
            self._leases[name] = lease._replace(owner=None)
            return True

    def begin_anew(self) -> None:
        """Hold nothing: what threads of the parent held is not the child's."""
        self._lock = threading.Lock()
        self._leases = {name: lease._replace(owner=None) for name, lease in self._leases.items()}

    def _forget(self, now: int) -> None:
        for name in [name for name, lease in self._leases.items() if lease.until_ms < now - FORGET_AFTER_MS]:
            del self._leases[name]


def names_of(record: TokenRecord) -> list[str]:
    """Return the names of the leases for a record's credentials, the one to take first.

    A refresh token lasts and is shared, a grant token is spent once: so the refresh token names
    the lease where there is one, and counts the refreshes that Zoho counts. Nobody can read a
    credential from its name.
    """
    return [
        _name(kind, record.client_id or "", record.client_secret or "", credential)
        for kind, credential in (("refresh", record.refresh_token), ("grant", record.grant_token))
        if credential is not None
    ]


@lru_cache(maxsize=1024)  # asked for at every look-up of a token that is due
def _name(kind: str, client_id: str, client_secret: str, credential: str) -> str:
    text = "\0".join((kind, client_id, client_secret, credential))
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class Heir(Protocol):
    """Something that holds locks, or what belongs to one process alone."""

    def begin_anew(self) -> None:
        """Drop in a child what is its parent's, with locks of its own."""


_heirs: weakref.WeakSet[Heir] = weakref.WeakSet()


def begin_anew_after_fork(heir: Heir) -> None:
    """Call its `begin_anew` in every child, for as long as it lives."""
    _heirs.add(heir)


def _begin_anew() -> None:
    for heir in list(_heirs):
        heir.begin_anew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_begin_anew)
