"""The audit trail in the database itself, seen by every process of the host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from zoho_tokenstore.backend import AuditRow
from zoho_tokenstore.backends._rows import decoded
from zoho_tokenstore.backends.sqlite._connections import SQLiteConnections, SQLiteHandle

_BATCH: Final = 1000
_COLUMNS: Final = ", ".join(AuditRow._fields)
_SELECT: Final = f"SELECT {_COLUMNS} FROM zoho_tokenstore_audit "  # noqa: S608  # names of ours
_LAST: Final = _SELECT + "ORDER BY number DESC LIMIT 1"
_HASH: Final = "SELECT hash FROM zoho_tokenstore_audit WHERE number = ?"
_APPEND: Final = (
    f"INSERT INTO zoho_tokenstore_audit ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?) "  # noqa: S608
    "ON CONFLICT (number) DO NOTHING"
)
_PAGE: Final = (
    _SELECT + "WHERE number > :after AND (:since_ms IS NULL OR at_ms >= :since_ms) "
    "AND (:until_ms IS NULL OR at_ms < :until_ms) AND (:token_id IS NULL OR token_id = :token_id) "
    "ORDER BY number LIMIT :size"
)
_PRUNE: Final = "DELETE FROM zoho_tokenstore_audit WHERE number <= ?"


class SQLiteAuditLog:
    """The audit trail of a SQLite file. A row that was appended is on the disk, as one that was saved is."""

    def __init__(self, connections: SQLiteConnections) -> None:
        self._connections = connections

    def last(self) -> AuditRow | None:
        found = self._connections.run(SQLiteHandle.read_one, _LAST)
        return None if found is None else AuditRow._make(decoded(found))

    def append(self, row: AuditRow) -> bool:
        return self._connections.commit(_append, row)

    def scan(
        self,
        *,
        after: int = 0,
        since_ms: int | None = None,
        until_ms: int | None = None,
        token_id: str | None = None,
    ) -> Iterator[AuditRow]:
        wanted = {"since_ms": since_ms, "until_ms": until_ms, "token_id": token_id, "size": _BATCH}
        while True:
            page = self._connections.run(_page, {**wanted, "after": after})
            yield from page
            if len(page) < _BATCH:
                return
            after = page[-1].number

    def prune(self, through: int) -> int:
        return self._connections.commit(_prune, through)


def _append(handle: SQLiteHandle, row: AuditRow) -> bool:
    if handle.open().execute(_APPEND, row).rowcount == 1:
        return True
    return handle.read_one(_HASH, (row.number,)) == (row.hash,)


def _page(handle: SQLiteHandle, values: dict[str, int | str | None]) -> list[AuditRow]:
    return [AuditRow._make(decoded(found)) for found in handle.read_all(_PAGE, values)]


def _prune(handle: SQLiteHandle, through: int) -> int:
    return handle.open().execute(_PRUNE, (through,)).rowcount
