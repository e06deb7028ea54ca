"""The ids of deleted rows, in a table beside that of the tokens."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore.backends._sql import texts
from zoho_tokenstore.backends._sql.connections import Connections
from zoho_tokenstore.backends._sql.dialect import Dialect
from zoho_tokenstore.clock import now_ms
from zoho_tokenstore.records import RetiredId

_BATCH: Final = 1000


def cleared_name(table: str) -> str:
    """Return under which name it is noted when a table was last cleared."""
    return f"cleared_ms:{table}"


class SQLRetiredIds:
    """The retired ids of a table of tokens."""

    def __init__(self, connections: Connections, dialect: Dialect) -> None:
        self._connections = connections
        self._dialect = dialect
        retired, columns, meta = dialect.retired, dialect.retired.c, dialect.meta
        names = ["id", "long_id", "at_ms"]
        self._add = sa.insert(retired)
        tokens = dialect.tokens.c
        all_ids = sa.select(tokens.id, tokens.long_id, sa.bindparam("at_ms", type_=sa.BigInteger)).where(
            ~sa.exists().where(columns.id == tokens.id).correlate(dialect.tokens)
        )
        self._add_all = sa.insert(retired).from_select(names, all_ids)
        self._scan = sa.select(columns.id, columns.long_id, columns.at_ms).order_by(columns.id)
        self._noted = meta.c.name == cleared_name(dialect.tokens.name)
        cleared = sa.cast(meta.c.value, sa.BigInteger)
        now = sa.bindparam("now", type_=sa.BigInteger)
        later = sa.case((cleared >= now, cleared + 1), else_=now)
        self._note = sa.update(meta).where(self._noted).values(value=sa.cast(later, sa.String(20)))

    def scan(self) -> Iterator[RetiredId]:
        last = ""
        while True:
            page = self._connections.run(self._page, last)
            for key, long_id, at_ms in page:
                last = key
                row_id, long_id = self._dialect.decoded((key, long_id))
                yield RetiredId(row_id if long_id is None else long_id, at_ms)
            if len(page) < _BATCH:
                return

    def add(self, ids: Iterable[RetiredId]) -> int:
        return self._connections.run(self._do_add, list(ids))

    def prune(self, before_ms: int) -> int:
        old = sa.delete(self._dialect.retired).where(self._dialect.retired.c.at_ms < before_ms)
        return self._connections.run(lambda connection: connection.execute(old).rowcount)

    def cleared_ms(self) -> int:
        noted = sa.select(self._dialect.meta.c.value).where(self._noted)
        return int(self._connections.run(lambda connection: connection.execute(noted).scalar_one()))

    def retire(self, connection: sa.Connection, row_id: str, at_ms: int | None = None) -> int:
        """Retire an id; return whether it was not, as a number."""
        whole = self._dialect.encoded(row_id)
        long_id = whole if texts.is_long(whole) else None
        at_ms = now_ms() if at_ms is None else at_ms
        values = {"id": texts.id_key(whole), "long_id": long_id, "at_ms": at_ms}
        try:
            connection.execute(self._add, values)
        except IntegrityError:  # it was
            return 0
        return 1

    def try_out(self, connection: sa.Connection) -> None:
        """Retire an id and forget it, as if everything was cleared: what a user must be allowed to do."""
        made_up = secrets.token_hex(16)
        columns = self._dialect.retired.c
        self.retire(connection, made_up)
        connection.execute(sa.delete(self._dialect.retired).where(columns.id == made_up))
        connection.execute(self._note, {"now": now_ms()})

    def note_clear(self, connection: sa.Connection) -> None:
        """Note that all rows are deleted now, and retire their ids where no trigger does so."""
        now = now_ms()
        connection.execute(self._note, {"now": now})
        if not self._dialect.deletes_retire:
            connection.execute(self._add_all, {"at_ms": now})

    def _do_add(self, connection: sa.Connection, ids: list[RetiredId]) -> int:
        return sum(self.retire(connection, *retired) for retired in ids)

    def _page(self, connection: sa.Connection, after: str) -> list[Any]:
        behind = self._scan.where(self._dialect.retired.c.id > after).limit(_BATCH)
        return list(connection.execute(behind))
