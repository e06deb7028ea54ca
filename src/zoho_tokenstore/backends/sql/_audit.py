"""The audit trail in a table beside that of the tokens, seen by all users of the database on any host."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore.backend import AuditRow
from zoho_tokenstore.backends.sql._connections import SQLConnections
from zoho_tokenstore.backends.sql._dialect import Dialect

_BATCH: Final = 1000


class SQLAuditLog:
    """The audit trail of a token table."""

    def __init__(self, connections: SQLConnections, dialect: Dialect) -> None:
        self._connections = connections
        self._table = dialect.audit
        self._rows = sa.select(*(dialect.audit.c[name] for name in AuditRow._fields))
        inserted = dialect.insert_new(dialect.audit)
        self._insert = inserted.execution_options(preserve_rowcount=True)

    def last(self) -> AuditRow | None:
        newest = self._rows.order_by(self._table.c.number.desc()).limit(1)
        found = self._connections.run(lambda connection: connection.execute(newest).first())
        return None if found is None else AuditRow._make(found)

    def append(self, row: AuditRow) -> bool:
        return self._connections.run(self._append, row)

    def scan(
        self,
        *,
        after: int = 0,
        since_ms: int | None = None,
        until_ms: int | None = None,
        token_id: str | None = None,
    ) -> Iterator[AuditRow]:
        columns = self._table.c
        page = self._rows.order_by(columns.number).limit(_BATCH)
        if since_ms is not None:
            page = page.where(columns.at_ms >= since_ms)
        if until_ms is not None:
            page = page.where(columns.at_ms < until_ms)
        if token_id is not None:
            page = page.where(columns.token_id == token_id)
        while True:
            found = self._connections.run(_fetch, page.where(columns.number > after))
            yield from found
            if len(found) < _BATCH:
                return
            after = found[-1].number

    def prune(self, through: int) -> int:
        old = sa.delete(self._table).where(self._table.c.number <= through)
        return self._connections.run(lambda connection: connection.execute(old).rowcount)

    def _append(self, connection: sa.Connection, row: AuditRow) -> bool:
        try:
            if connection.execute(self._insert, row._asdict()).rowcount == 1:
                return True
        except IntegrityError:
            pass  # its number is taken, or a rule of somebody else's is in the way
        same = sa.select(self._table.c.hash).where(self._table.c.number == row.number)
        stored = connection.execute(same).scalar()
        if stored is None:
            connection.execute(self._insert, row._asdict())  # which raises what is in the way
        return bool(stored == row.hash)


def _fetch(connection: sa.Connection, page: sa.Select[Any]) -> list[AuditRow]:
    return list(map(AuditRow._make, connection.execute(page)))
