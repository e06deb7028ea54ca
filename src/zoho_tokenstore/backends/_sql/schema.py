"""The tables: the published one with our columns behind its ten, the leases, and what tells their version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import sqlalchemy as sa

from zoho_tokenstore.backends._sql import shape, texts
from zoho_tokenstore.backends._sql.connections import Connections
from zoho_tokenstore.backends._sql.dialect import Dialect
from zoho_tokenstore.backends._sql.retired import cleared_name
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

SCHEMA_VERSION: Final = 1
_UNDO_DDL: Final = ("postgresql", "sqlite")
_OF_SQLITE: Final = "schema_version"  # how the SQLite store notes it, whose columns are others


Trial = Callable[[sa.Connection], None]


def version_name(table: str) -> str:
    """Return under which name the version of a table's schema is noted."""
    return f"schema_version:{table}"


def ensure(connections: Connections, dialect: Dialect, trial: Trial) -> None:
    """Make the tables what this release needs. Where they are so already, nothing is written.

    Arguments:
        connections: to the database.
        dialect: what is particular about it.
        trial: raises an error if rows cannot be stored, in the midst of a transaction that is undone.

    Raises:
        BackendError: they were made by a newer release or another program, and left as they are.
    """
    location = connections.location
    if not connections.run(_is_current, dialect, location):
        connections.run(_upgrade, dialect, location, connections.timeout, trial)
    connections.run(shape.check, dialect, location)


def _upgrade(
    connection: sa.Connection, dialect: Dialect, location: str, timeout: float, trial: Trial
) -> None:
    with dialect.exclusive(connection, location, timeout):
        if not _is_current(connection, dialect, location):
            shape.check(connection, dialect, location)
            _change(connection, dialect, location)
            if connection.dialect.name in _UNDO_DDL:  # so a table that does not do is left as it was
                connection.exec_driver_sql("SAVEPOINT trial")
                trial(connection)
                connection.exec_driver_sql("ROLLBACK TO SAVEPOINT trial")


def _is_current(connection: sa.Connection, dialect: Dialect, location: str) -> bool:
    if not sa.inspect(connection).has_table(dialect.meta.name, dialect.meta.schema):
        return False
    noted = {row.name: row.value for row in connection.execute(sa.select(dialect.meta))}
    version = noted.get(version_name(dialect.tokens.name))
    if version is None:
        if _OF_SQLITE in noted:
            raise BackendError(
                f"The token database {location} is one of the SQLite store. Open it as sqlite:///… instead; "
                "it was left as it is."
            )
        return False
    if not version.isdecimal() or int(version) > SCHEMA_VERSION:
        raise BackendError(
            f"The token database {location} has schema {version}; this release knows {SCHEMA_VERSION}. "
            "Upgrade zoho-tokenstore to open it."
        )
    return int(version) == SCHEMA_VERSION


def _change(connection: sa.Connection, dialect: Dialect, location: str) -> None:
    """Bring an empty database, or one with the published table, to this schema.

    It takes up what a process that was killed has left half done, where DDL cannot be undone.
    """
    tokens, inspector = dialect.tokens, sa.inspect(connection)
    if inspector.has_table(tokens.name, tokens.schema):
        _check_ids(connection, tokens, location)
    else:
        dialect.create(connection, tokens, COLUMNS)
    for table in (dialect.leases, dialect.retired, dialect.meta):
        if not inspector.has_table(table.name, table.schema):
            dialect.create(connection, table, list(table.c.keys()))
    ends = dialect.leases.c.until_ms
    sa.Index(f"{dialect.leases.name}_by_until", ends).create(connection, checkfirst=True)
    present = shape.columns_of(sa.inspect(connection), tokens)
    dialect.adopt(connection, [name for name in dialect.own_columns if name not in present])
    _note(connection, dialect.meta, cleared_name(tokens.name), "0")
    _note(connection, dialect.meta, version_name(tokens.name), str(SCHEMA_VERSION))


def _note(connection: sa.Connection, meta: sa.Table, name: str, value: str) -> None:
    """Note something, if nothing is noted under that name."""
    if connection.scalar(sa.select(meta.c.value).where(meta.c.name == name)) is None:
        connection.execute(sa.insert(meta).values(name=name, value=value))


def _check_ids(connection: sa.Connection, tokens: sa.Table, location: str) -> None:
    """Raise a `BackendError` if there is an id that our rows would be mistaken for."""
    if any(texts.is_long(row_id) for row_id in connection.scalars(sa.select(tokens.c.id))):
        trouble = f"an id in it has more than {texts.LONGEST_ID} characters"
        raise shape.unfit(tokens.name, location, trouble)
