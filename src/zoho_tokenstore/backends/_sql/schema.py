"""The tables: the published one with our columns behind its ten, the leases, and what tells their version."""

from __future__ import annotations

from typing import Final

import sqlalchemy as sa

from zoho_tokenstore.backends._sql import texts
from zoho_tokenstore.backends._sql.connections import Connections
from zoho_tokenstore.backends._sql.dialect import Dialect
from zoho_tokenstore.backends._sql.retired import cleared_name
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

SCHEMA_VERSION: Final = 1
_OF_SQLITE: Final = "schema_version"  # how the SQLite store notes it, whose columns are others


def version_name(table: str) -> str:
    """Return under which name the version of a table's schema is noted."""
    return f"schema_version:{table}"


def ensure(connections: Connections, dialect: Dialect) -> None:
    """Make the tables what this release needs. Where they are so already, nothing is written.

    Raises:
        BackendError: they were made by a newer release or another program, and left as they are.
    """
    location = connections.location
    if not connections.run(_is_current, dialect, location):
        connections.run(_upgrade, dialect, location, connections.timeout)


def _upgrade(connection: sa.Connection, dialect: Dialect, location: str, timeout: float) -> None:
    with dialect.exclusive(connection, location, timeout):
        if not _is_current(connection, dialect, location):
            _change(connection, dialect, location)


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
        _check(connection, tokens, location)
    else:
        dialect.create(connection, tokens, COLUMNS)
    for table in (dialect.leases, dialect.retired, dialect.meta):
        if not inspector.has_table(table.name, table.schema):
            dialect.create(connection, table, list(table.c.keys()))
    ends = dialect.leases.c.until_ms
    sa.Index(f"{dialect.leases.name}_by_until", ends).create(connection, checkfirst=True)
    present = _columns(connection, tokens)
    dialect.adopt(connection, [name for name in dialect.own_columns if name not in present])
    _note(connection, dialect.meta, cleared_name(tokens.name), "0")
    _note(connection, dialect.meta, version_name(tokens.name), str(SCHEMA_VERSION))


def _note(connection: sa.Connection, meta: sa.Table, name: str, value: str) -> None:
    """Note something, if nothing is noted under that name."""
    if connection.scalar(sa.select(meta.c.value).where(meta.c.name == name)) is None:
        connection.execute(sa.insert(meta).values(name=name, value=value))


def _check(connection: sa.Connection, tokens: sa.Table, location: str) -> None:
    """Raise a `BackendError` if the table cannot be taken over."""
    present = _columns(connection, tokens)
    missing = ", ".join(name for name in COLUMNS if name not in present)
    key = sa.inspect(connection).get_pk_constraint(tokens.name, tokens.schema)["constrained_columns"]
    if missing:
        trouble = f"it lacks {missing}"
    elif key != ["id"]:
        trouble = "id is not its primary key"
    elif any(texts.is_long(row_id) for row_id in connection.scalars(sa.select(tokens.c.id))):
        trouble = f"an id in it has more than {texts.LONGEST_ID} characters"
    else:
        return
    raise BackendError(
        f"The table {tokens.name} in {location} is not the published one: {trouble}. It was left as it is."
    )


def _columns(connection: sa.Connection, table: sa.Table) -> set[str]:
    return {column["name"] for column in sa.inspect(connection).get_columns(table.name, table.schema)}
