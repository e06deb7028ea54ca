"""Leases in the database itself, seen by all its users on any host."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore._local_leases import forgets_now
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.backends.sql._connections import SQLConnections
from zoho_tokenstore.backends.sql._dialect import Dialect


class SQLLeases:
    """The leases of a database. Their time is the server's, if the dialect knows how to ask for it."""

    def __init__(self, connections: SQLConnections, dialect: Dialect) -> None:
        self._connections = connections
        self._dialect = dialect
        columns, now = dialect.leases.c, dialect.clock_ms()
        name = sa.bindparam("lease_name", type_=columns.name.type)
        was, new = (sa.bindparam(key, type_=columns.text.type) for key in ("was", "new"))
        stored = {"text": new, "until_ms": now + sa.bindparam("keep_ms", type_=sa.BigInteger)}
        here = columns.name == name
        self._select = sa.select(sa.select(columns.text).where(here).scalar_subquery(), now.label("now_ms"))
        # What is stored already also counts: the answer to an earlier try may have been lost.
        self._update = sa.update(dialect.leases).where(here, columns.text.in_([was, new])).values(stored)
        inserted = dialect.insert_new(dialect.leases).values({"name": name, **stored})
        self._insert = inserted.execution_options(preserve_rowcount=True)
        self._forget = sa.delete(dialect.leases).where(columns.until_ms < now)

    def read(self, name: str) -> LeaseState:
        return self._connections.run(self._read, name)

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        return self._connections.run(self._replace, name, was, text, keep_ms)

    def _read(self, connection: sa.Connection, name: str) -> LeaseState:
        text, now = connection.execute(self._select, {"lease_name": name}).one()
        return LeaseState(text or "", now)

    def _replace(self, connection: sa.Connection, name: str, was: str, text: str, keep_ms: int) -> bool:
        values = {"lease_name": name, "new": text, "keep_ms": keep_ms}
        if was:
            return connection.execute(self._update, {**values, "was": was}).rowcount == 1
        if forgets_now():
            connection.execute(self._forget)
        try:
            if connection.execute(self._insert, values).rowcount == 1:
                return True
        except IntegrityError as error:
            if not self._dialect.is_duplicate_id(error.orig):
                raise
        return self._read(connection, name).text == text
