"""The tables: the published one with our columns after its ten, those beside it, and their version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from zoho_tokenstore.backends.sql import _shape as shape
from zoho_tokenstore.backends.sql._connections import SQLConnections
from zoho_tokenstore.backends.sql._dialect import Dialect
from zoho_tokenstore.backends.sql._retired import cleared_name
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

SCHEMA_VERSION: Final = 1
_UNDO_DDL: Final = ("postgresql", "sqlite")
_OF_SQLITE: Final = "schema_version"  # as noted by the SQLite store, whose columns differ


Trial = Callable[[sa.Connection], None]


def version_name(table: str) -> str:
    """Return the name under which the version of a table's schema is noted."""
    return f"schema_version:{table}"


def ensure(connections: SQLConnections, dialect: Dialect, trial: Trial) -> None:
    """Bring the tables to this release's form. If they already have it, nothing is written.

    `trial` raises an error if rows cannot be stored, inside a transaction that is undone. What a newer
    release or another program made is left unchanged, with a `BackendError`.
    """
    location = connections.location
    if not connections.run(is_current, dialect, location):
        connections.run(_upgrade, dialect, location, connections.timeout, trial)
    connections.run(shape.check, dialect, location)


def _upgrade(
    connection: sa.Connection, dialect: Dialect, location: str, timeout: float, trial: Trial
) -> None:
    with dialect.exclusive(connection, location, timeout):
        if not is_current(connection, dialect, location):
            shape.check(connection, dialect, location)
            _change(connection, dialect)
            if connection.dialect.name in _UNDO_DDL:  # so an unsuitable table is left as it was
                connection.exec_driver_sql("SAVEPOINT trial")
                trial(connection)
                connection.exec_driver_sql("ROLLBACK TO SAVEPOINT trial")


def is_current(connection: sa.Connection, dialect: Dialect, location: str) -> bool:
    """Return whether the schema is noted as this release's."""
    if not sa.inspect(connection).has_table(dialect.meta.name, dialect.meta.schema):
        return False
    noted = {row.name: row.value for row in connection.execute(sa.select(dialect.meta))}
    version = noted.get(version_name(dialect.tokens.name))
    if version is None:
        if _OF_SQLITE in noted:
            raise BackendError(
                f"The token database {location} belongs to the SQLite store. Open it as sqlite:///… instead; "
                "it was left as it is."
            )
        return False
    if not version.isdecimal() or int(version) > SCHEMA_VERSION:
        raise BackendError(
            f"The token database {location} has schema {version}; this release knows {SCHEMA_VERSION}. "
            "Upgrade zoho-tokenstore to open it."
        )
    return int(version) == SCHEMA_VERSION


def _change(connection: sa.Connection, dialect: Dialect) -> None:
    """Bring an empty database, or one with the published table, to this schema.

    It completes what a killed process left half done, if DDL cannot be undone.
    """
    tokens, inspector = dialect.tokens, sa.inspect(connection)
    if not inspector.has_table(tokens.name, tokens.schema):
        dialect.create(connection, tokens, COLUMNS)
    for table in (dialect.leases, dialect.retired, dialect.audit, dialect.meta):
        if not inspector.has_table(table.name, table.schema):
            dialect.create(connection, table, list(table.c.keys()))
    ends = dialect.leases.c.until_ms
    sa.Index(f"{dialect.leases.name}_by_until", ends).create(connection, checkfirst=True)
    present = shape.columns_of(sa.inspect(connection), tokens)
    dialect.adopt(connection, [name for name in dialect.own_columns if name not in present])
    _note(connection, dialect.meta, cleared_name(tokens.name), "0")
    _note(connection, dialect.meta, version_name(tokens.name), str(SCHEMA_VERSION))


def _note(connection: sa.Connection, meta: sa.Table, name: str, value: str) -> None:
    """Note something, unless that name is already noted."""
    if connection.scalar(sa.select(meta.c.value).where(meta.c.name == name)) is None:
        connection.execute(sa.insert(meta).values(name=name, value=value))
