"""Leases in the database itself: seen by every process of the host."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.backends._sqlite.connections import Connections, Handle, write_lock
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease

_LOOK: Final = "SELECT owner, until_ms, note FROM zoho_tokenstore_lease WHERE name = ?"
_TAKE: Final = (
    "INSERT INTO zoho_tokenstore_lease (name, owner, until_ms, note) VALUES (?, ?, ?, '') "
    "ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until_ms = excluded.until_ms"
)
_NOTE: Final = (
    "INSERT INTO zoho_tokenstore_lease (name, owner, until_ms, note) VALUES (?, NULL, ?, ?) "
    "ON CONFLICT (name) DO UPDATE SET note = excluded.note"
)
_RELEASE: Final = "UPDATE zoho_tokenstore_lease SET owner = NULL WHERE name = ? AND owner = ?"
_FORGET: Final = "DELETE FROM zoho_tokenstore_lease WHERE until_ms < ?"


class SQLiteLeases:
    """The leases of a SQLite file. They hold among all processes that have it open."""

    def __init__(self, connections: Connections, clock: Clock = now_ms) -> None:
        self._connections = connections
        self._clock = clock

    def look(self, name: str) -> Lease:
        return self._connections.run(_look, name)

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        return self._connections.commit(_acquire, name, owner, ttl_ms, self._clock)

    def annotate(self, name: str, was: str, note: str) -> bool:
        return self._connections.commit(_annotate, name, was, note, self._clock)

    def release(self, name: str, owner: str) -> bool:
        return self._connections.commit(_release, name, owner)


def _look(handle: Handle, name: str) -> Lease:
    found = handle.open().execute(_LOOK, (name,)).fetchone()
    return Lease() if found is None else Lease._make(found)


def _acquire(handle: Handle, name: str, owner: str, ttl_ms: int, clock: Clock) -> Lease:
    with write_lock(handle.open()) as connection:
        now = clock()  # not before the lock is had: others may have taken the lease meanwhile
        lease = _look(handle, name)
        if not lease.is_held(now, ttl_ms):
            connection.execute(_FORGET, (now - FORGET_AFTER_MS,))
            connection.execute(_TAKE, (name, owner, now + ttl_ms))
            lease = Lease(owner, now + ttl_ms, lease.note)
    return lease


def _annotate(handle: Handle, name: str, was: str, note: str, clock: Clock) -> bool:
    with write_lock(handle.open()) as connection:
        unchanged = _look(handle, name).note == was
        if unchanged:
            connection.execute(_NOTE, (name, clock(), note))
    return unchanged


def _release(handle: Handle, name: str, owner: str) -> bool:
    return handle.open().execute(_RELEASE, (name, owner)).rowcount > 0
