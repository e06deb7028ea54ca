"""The ids of deleted rows. A trigger retires them, no matter who deletes the row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from zoho_tokenstore.backends.sqlite._connections import SQLiteConnections, SQLiteHandle, write_lock
from zoho_tokenstore.records import RetiredId

_BATCH: Final = 1000
# As bytes: a program that writes text that is not UTF-8 has retired such ids, too.
_SCAN: Final = (
    "SELECT CAST(id AS BLOB), at_ms FROM zoho_tokenstore_retired "
    "WHERE id > CAST(? AS TEXT) ORDER BY id LIMIT ?"
)
_FIRST: Final = _SCAN.replace(">", ">=")
_ADD: Final = "INSERT OR IGNORE INTO zoho_tokenstore_retired (id, at_ms) VALUES (?, ?)"
_PRUNE: Final = "DELETE FROM zoho_tokenstore_retired WHERE at_ms < ?"
_CLEARED: Final = "SELECT value FROM zoho_tokenstore WHERE name = 'cleared_ms'"


class SQLiteRetiredIds:
    """The retired ids of a SQLite database."""

    def __init__(self, connections: SQLiteConnections) -> None:
        self._connections = connections

    def scan(self) -> Iterator[RetiredId]:
        statement, last = _FIRST, b""
        while batch := self._connections.run(SQLiteHandle.read_all, statement, (last, _BATCH)):
            for row_id, at_ms in batch:
                yield RetiredId(row_id.decode(errors="backslashreplace"), at_ms)
            statement, last = _SCAN, batch[-1][0]

    def add(self, ids: Iterable[RetiredId]) -> int:
        return self._connections.commit(_add, list(ids))

    def prune(self, before_ms: int) -> int:
        return self._connections.commit(_prune, before_ms)

    def cleared_ms(self) -> int:
        found = self._connections.run(SQLiteHandle.read_one, _CLEARED)
        return 0 if found is None else int(found[0])


def _add(handle: SQLiteHandle, ids: list[RetiredId]) -> int:
    with write_lock(handle.open()) as connection:
        return connection.executemany(_ADD, ids).rowcount


def _prune(handle: SQLiteHandle, before_ms: int) -> int:
    return handle.open().execute(_PRUNE, (before_ms,)).rowcount
