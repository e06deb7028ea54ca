"""What a database shows of itself and of a store in it; no table is made or changed, no row written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult

import sqlalchemy as sa

from zoho_tokenstore._inspection import SchemaState, StorageFacts
from zoho_tokenstore.backends import sql
from zoho_tokenstore.backends.sql import _addresses as addresses
from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql import _schema as schema
from zoho_tokenstore.backends.sql import _server_facts as server_facts
from zoho_tokenstore.backends.sql import _shape as shape
from zoho_tokenstore.backends.sql._addresses import DatabaseAddress
from zoho_tokenstore.backends.sql._table import SQLTable
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.records import COLUMNS, Found, Row

_NO_TRANSACTIONS: Final = "statement pooling mode"
_OLDER: Final = "the table has only the columns of Zoho's published code, or misses some of ours"


def inspect(parts: SplitResult, timeout: float) -> SQLInspection:
    """Return a look at the table that a URL names, with so many seconds for each answer."""
    url = addresses.text_of(parts)
    address = addresses.parse_url(url, table=sql.DEFAULT_TABLE, timeout=timeout, pool_size=1)
    return SQLInspection(replace(address, timeout=min(address.timeout, timeout), pool_size=1))


class SQLInspection:
    """A look at a database."""

    def __init__(self, address: DatabaseAddress) -> None:
        self.location = address.location
        self.files = _files_of(address)
        self._dialect = sql._dialect(address)
        self._connections = sql._connections(address, self._dialect, None)
        self._state: SchemaState = "missing"
        self._has_leases = False

    def look(self, *, thorough: bool) -> StorageFacts:  # noqa: ARG002  # a server checks its own pages
        try:
            return self._connections.run(self._look)
        except BackendUnavailableError as error:
            if failures.CROWDED.says in str(error):
                return StorageFacts(has_room=False)
            if _NO_TRANSACTIONS in str(error.__cause__):  # PgBouncer's words
                return StorageFacts(pooler="statement")
            raise

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        if self._state == "current":
            return SQLTable(self._connections, self._dialect).scan(after=after, limit=limit)
        return iter(self._connections.run(self._published, after, limit) if self._state == "older" else ())

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        if not self._has_leases:
            return {}
        return dict(self._connections.run(self._entries, names))

    def close(self) -> None:
        self._connections.close()

    def _look(self, connection: sa.Connection) -> StorageFacts:
        self._dialect.check(connection, self.location)
        facts = server_facts.facts_of(connection, self._dialect)
        self._state = self._schema_state(connection)
        return replace(facts, schema=self._state, outdated=_OLDER if self._state == "older" else "")

    def _schema_state(self, connection: sa.Connection) -> SchemaState:
        tokens, leases = self._dialect.tokens, self._dialect.leases
        is_current = schema.is_current(connection, self._dialect, self.location)
        inspector = sa.inspect(connection)
        self._has_leases = inspector.has_table(leases.name, leases.schema)
        if not inspector.has_table(tokens.name, tokens.schema):
            return "missing"
        shape.check(connection, self._dialect, self.location)
        there = shape.columns_of(inspector, tokens)
        return "current" if is_current and set(self._dialect.own_columns) <= set(there) else "older"

    def _published(self, connection: sa.Connection, after: str | None, limit: int | None) -> list[Found]:
        columns = self._dialect.tokens.c
        rows = sa.select(*(columns[name] for name in COLUMNS)).order_by(columns.id).limit(limit)
        if after is not None:
            rows = rows.where(columns.id > after)
        return [_row(tuple(row)) for row in connection.execute(rows)]

    def _entries(self, connection: sa.Connection, names: Sequence[str]) -> list[tuple[str, str]]:
        columns = self._dialect.leases.c
        wanted = sa.select(columns.name, columns.text).where(columns.name.in_(names))
        return [(name, text) for name, text in connection.execute(wanted)]


def _row(values: tuple[object, ...]) -> Row:
    texts: dict[str, Any] = {
        name: str(value) for name, value in zip(COLUMNS, values, strict=True) if value is not None
    }
    return Row("")._replace(**texts)


def _files_of(address: DatabaseAddress) -> tuple[Path, ...]:
    is_file = address.url.get_backend_name() == "sqlite" and address.url.database
    return (Path(str(address.url.database)).resolve(),) if is_file else ()
