"""The ids of deleted rows, in a table next to that of the tokens."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.sql._connections import SQLConnections
from zoho_tokenstore.backends.sql._dialect import Dialect
from zoho_tokenstore.records import RetiredId

_BATCH: Final = 1000


def cleared_name(table: str) -> str:
    """Return the name under which a table's last clear is noted."""
    return f"cleared_ms:{table}"


class SQLRetiredIds:
    """The retired ids of a token table."""

    def __init__(self, connections: SQLConnections, dialect: Dialect) -> None:
        self._connections = connections
        self._dialect = dialect
        retired, columns, meta = dialect.retired, dialect.retired.c, dialect.meta
        tokens = dialect.tokens.c
        self._add = sa.insert(retired)
        all_ids = sa.select(tokens.id, sa.bindparam("at_ms", type_=sa.BigInteger)).where(
            ~sa.exists().where(columns.id == tokens.id).correlate(dialect.tokens)
        )
        self._add_all = sa.insert(retired).from_select(["id", "at_ms"], all_ids)
        this_row = tokens.id == sa.bindparam("row_id", type_=tokens.id.type)
        this_version = sa.and_(this_row, dialect.etag() == sa.bindparam("expect"))
        self._delete, self._delete_version = map(sa.delete(dialect.tokens).where, (this_row, this_version))
        self._move, self._move_version = map(dialect.retirement, (this_row, this_version))
        self._scan = sa.select(columns.id, columns.at_ms).order_by(columns.id)
        self._noted = meta.c.name == cleared_name(dialect.tokens.name)
        cleared = sa.cast(meta.c.value, sa.BigInteger)
        now = sa.bindparam("now", type_=sa.BigInteger)
        later = sa.case((cleared >= now, cleared + 1), else_=now)
        self._note = sa.update(meta).where(self._noted).values(value=sa.cast(later, sa.String(20)))
        self._move_all = dialect.retirement(sa.true(), self._note)

    def scan(self) -> Iterator[RetiredId]:
        last: str | None = None
        while True:
            page = self._connections.run(self._page, last)
            for last, at_ms in page:
                yield RetiredId(last, at_ms)
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
        """Retire an id; return as a number whether it was new."""
        try:
            connection.execute(self._add, {"id": row_id, "at_ms": now_ms() if at_ms is None else at_ms})
        except IntegrityError:  # it was retired
            return 0
        return 1

    def delete_row(self, connection: sa.Connection, row_id: str, expect: object = None) -> int:
        """Delete only a row, if it has this etag or none is given; return how many there were."""
        if expect is None:
            return connection.execute(self._delete, {"row_id": row_id}).rowcount
        return connection.execute(self._delete_version, {"row_id": row_id, "expect": expect}).rowcount

    def move(self, connection: sa.Connection, row_id: str, expect: object = None) -> int:
        """Do the same, and retire its id in the same step."""
        move = self._move if expect is None else self._move_version
        if move is not None:
            version = {} if expect is None else {"expect": expect}
            moved: int = connection.execute(
                move, {"row_id": row_id, "at_ms": now_ms(), **version}
            ).scalar_one()
            return moved
        with self._dialect.transaction(connection):
            deleted = self.delete_row(connection, row_id, expect)
            if deleted:
                self.retire(connection, row_id)
        return deleted

    def move_all(self, connection: sa.Connection) -> int:
        """Delete all rows, retire their ids and note when, in one step; return how many there were."""
        now = now_ms()
        if self._move_all is not None:
            moved: int = connection.execute(self._move_all, {"now": now, "at_ms": now}).scalar_one()
            return moved
        with self._dialect.transaction(connection):
            connection.execute(self._note, {"now": now})
            connection.execute(self._add_all, {"at_ms": now})
            return connection.execute(sa.delete(self._dialect.tokens)).rowcount

    def try_out(self, connection: sa.Connection) -> None:
        """Retire an id and forget it, as if everything was cleared: what a user must be allowed to do."""
        made_up = secrets.token_hex(16)
        columns = self._dialect.retired.c
        self.retire(connection, made_up)
        connection.execute(sa.delete(self._dialect.retired).where(columns.id == made_up))
        connection.execute(self._note, {"now": now_ms()})

    def _do_add(self, connection: sa.Connection, ids: list[RetiredId]) -> int:
        return sum(self.retire(connection, *retired) for retired in ids)

    def _page(self, connection: sa.Connection, after: str | None) -> list[Any]:
        behind = sa.true() if after is None else self._dialect.retired.c.id > after
        return list(connection.execute(self._scan.where(behind).limit(_BATCH)))
