"""Leases in the database itself, seen by every process of the host."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore._local_leases import forgets_now
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.backends._rows import decoded
from zoho_tokenstore.backends.sqlite._connections import SQLiteConnections, SQLiteHandle

_READ: Final = "SELECT text FROM zoho_tokenstore_lease WHERE name = ?"
_UPDATE: Final = (
    "UPDATE zoho_tokenstore_lease SET text = :text, until_ms = :until_ms "
    "WHERE name = :name AND text IN (CAST(:was AS TEXT), :text)"
)
_INSERT: Final = (
    "INSERT INTO zoho_tokenstore_lease (name, text, until_ms) VALUES (:name, :text, :until_ms) "
    "ON CONFLICT (name) DO UPDATE SET until_ms = excluded.until_ms WHERE text = excluded.text"
)
_FORGET: Final = "DELETE FROM zoho_tokenstore_lease WHERE until_ms < ?"


class SQLiteLeases:
    """The leases of a SQLite file, for all processes that have it open. Their time is the host's."""

    def __init__(self, connections: SQLiteConnections, clock: Clock = now_ms) -> None:
        self._connections = connections
        self._clock = clock

    def read(self, name: str) -> LeaseState:
        return LeaseState(self._connections.run(_read, name), self._clock())

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        return self._connections.commit(_replace, name, was, text, keep_ms, self._clock)


def _read(handle: SQLiteHandle, name: str) -> str:
    # What is not UTF-8 stays bytes: nothing takes them for an entry of ours, and they can be replaced.
    found = handle.read_one(_READ, (name,))
    return "" if found is None else decoded(found)[0]


def _replace(handle: SQLiteHandle, name: str, was: str, text: str, keep_ms: int, clock: Clock) -> bool:
    connection, now = handle.open(), clock()
    if not was and forgets_now():
        connection.execute(_FORGET, (now,))
    values = {"name": name, "was": was, "text": text, "until_ms": now + keep_ms}
    return connection.execute(_UPDATE if was else _INSERT, values).rowcount == 1
