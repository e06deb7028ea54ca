"""Leases in the database itself: seen by everybody who uses it, on any host."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore.backends._sql import failures, texts
from zoho_tokenstore.backends._sql.connections import Connections
from zoho_tokenstore.backends._sql.dialect import Dialect
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease

_MOST_TRIES: Final = 100
"""Each but the last has met somebody else's change, of which there are two or three in a refresh."""

Change = Callable[[Lease, bool], Lease | None]
"""Returns what a lease becomes, or `None` if it stays; it is told whether the lease is stored."""


class SQLLeases:
    """The leases of a database.

    Every change is a compare-and-set: one statement that finds the mark of the row that was read,
    and sets a new one. So whether somebody holds a lease is told by `Lease.is_held` alone, and a
    change whose answer was lost is known again by its mark.
    """

    def __init__(self, connections: Connections, dialect: Dialect, clock: Clock = now_ms) -> None:
        self._connections = connections
        self._dialect = dialect
        self._clock = clock
        columns = dialect.leases.c
        found = columns.name == sa.bindparam("lease_name", type_=columns.name.type)
        self._select = sa.select(columns.owner, columns.until_ms, columns.note, columns.mark).where(found)
        self._update = sa.update(dialect.leases).where(found, columns.mark == sa.bindparam("was"))

    def look(self, name: str) -> Lease:
        return self._connections.run(self._read, self._key(name))[0]

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        def taken(lease: Lease, _stored: bool) -> Lease | None:
            now = self._clock()
            return None if lease.is_held(now, ttl_ms) else Lease(owner, now + ttl_ms, lease.note)

        return self._change(name, taken)[1]

    def annotate(self, name: str, was: str, note: str) -> bool:
        def noted(lease: Lease, stored: bool) -> Lease | None:
            if lease.note != was:
                return None
            return lease._replace(note=note) if stored else Lease(None, self._clock(), note)

        return self._change(name, noted)[0]

    def release(self, name: str, owner: str) -> bool:
        def released(lease: Lease, _stored: bool) -> Lease | None:
            return lease._replace(owner=None) if lease.owner == owner else None

        return self._change(name, released)[0]

    def _change(self, name: str, change: Change) -> tuple[bool, Lease]:
        return self._connections.run(self._try, self._key(name), change, secrets.randbits(63))

    def _try(self, connection: sa.Connection, key: str, change: Change, mark: int) -> tuple[bool, Lease]:
        """Change a lease, and return whether that was done, and the lease as it now is."""
        for _ in range(_MOST_TRIES):
            lease, was = self._read(connection, key)
            if was == mark:  # done before, on a connection that was lost
                return True, lease
            wanted = change(lease, was is not None)
            if wanted is None:
                return False, lease
            if self._replace(connection, key, wanted, was, mark):
                return True, wanted
        raise failures.PASSING.at(self._connections.location)

    def _read(self, connection: sa.Connection, key: str) -> tuple[Lease, int | None]:
        found = connection.execute(self._select, {"lease_name": key}).first()
        if found is None:
            return Lease(), None
        owner, until_ms, note, mark = self._dialect.decoded(tuple(found))
        return Lease(owner, until_ms, note or ""), mark

    def _replace(self, connection: sa.Connection, key: str, lease: Lease, was: int | None, mark: int) -> bool:
        """Store a lease if it still is as it was read; return whether it was."""
        encoded = self._dialect.encoded
        owner = None if lease.owner is None else encoded(lease.owner)
        values = {"owner": owner, "until_ms": lease.until_ms, "note": encoded(lease.note), "mark": mark}
        if was is not None:
            parameters = {**values, "lease_name": key, "was": was}
            return connection.execute(self._update, parameters).rowcount == 1
        self._forget(connection)
        try:
            connection.execute(sa.insert(self._dialect.leases), {**values, "name": key})
        except IntegrityError:
            return False
        return True

    def _forget(self, connection: sa.Connection) -> None:
        leases = self._dialect.leases
        old = leases.c.until_ms < self._clock() - FORGET_AFTER_MS
        connection.execute(sa.delete(leases).where(old))

    def _key(self, name: str) -> str:
        return texts.id_key(self._dialect.encoded(name))
