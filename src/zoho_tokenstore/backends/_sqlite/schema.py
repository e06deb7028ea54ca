"""The `oauthtoken` table: the published ten columns, ours behind them, and how both live together.

While a program with the published code works on the same database, two triggers do for it what
our own writes do themselves: they give a row that it inserts or updates a new etag and its times.
"""

from __future__ import annotations

import sqlite3
from typing import Final

from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, SECRET_COLUMNS

SCHEMA_VERSION: Final = 1

DIGESTED: Final = tuple(name for name in SECRET_COLUMNS if name != "client_secret")
DIGEST_COLUMNS: Final = tuple(f"{name}_digest" for name in DIGESTED)
OWN_COLUMNS: Final = (*BOOKKEEPING, *DIGEST_COLUMNS, "etag")

LOOKUP_EXPRESSIONS: Final = {
    "user_name": "user_name",
    **{name: f"coalesce({name}_digest, {name})" for name in DIGESTED},
}
"""What finds a row by a look-up: its digest or else the column itself. Indexed exactly so."""

_TYPES: Final = {"id": "varchar(10) NOT NULL", "expiry_time": "varchar(20)"}
_OWN_TYPES: Final = {name: "TEXT" if name in DIGEST_COLUMNS else "INTEGER" for name in OWN_COLUMNS}
_NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

_CREATE_TABLE: Final = (
    "CREATE TABLE oauthtoken ("
    + ", ".join(f"{name} {_TYPES.get(name, 'varchar(255)')}" for name in COLUMNS)
    + ", PRIMARY KEY (id))"
)

_INSERTED: Final = f"""
CREATE TRIGGER oauthtoken_inserted AFTER INSERT ON oauthtoken WHEN NEW.etag IS NULL BEGIN
  UPDATE oauthtoken SET etag = random(), created_at_ms = {_NOW}, updated_at_ms = {_NOW}
  WHERE rowid = NEW.rowid;
END"""  # noqa: S608  # constants of this module only

_UPDATED: Final = f"""
CREATE TRIGGER oauthtoken_updated AFTER UPDATE ON oauthtoken WHEN NEW.etag IS OLD.etag BEGIN
  UPDATE oauthtoken SET etag = random(), updated_at_ms = {_NOW} WHERE rowid = NEW.rowid;
END"""  # noqa: S608

_INDEXES: Final = tuple(
    f"CREATE INDEX oauthtoken_by_{name} ON oauthtoken ({expression})"
    for name, expression in LOOKUP_EXPRESSIONS.items()
)

_LEASES: Final = (
    "CREATE TABLE zoho_tokenstore_lease "
    "(name TEXT PRIMARY KEY, owner TEXT, until_ms INTEGER NOT NULL, note TEXT NOT NULL) WITHOUT ROWID"
)

_META: Final = "CREATE TABLE zoho_tokenstore (name TEXT PRIMARY KEY, value TEXT NOT NULL)"


def needs_upgrade(connection: sqlite3.Connection, location: str) -> bool:
    """Tell whether `upgrade` has something to do.

    Raises:
        BackendError: the database was written by a newer release, or its `oauthtoken` table is
            not the published one. It was left as it is.
    """
    version = _schema_version(connection, location)
    if version > SCHEMA_VERSION:
        raise BackendError(
            f"The token database {location} has schema {version}; this release knows {SCHEMA_VERSION}. "
            "Upgrade zoho-tokenstore to open it."
        )
    columns = _columns(connection)
    missing = [name for name in COLUMNS if name not in columns]
    if columns and missing:
        raise BackendError(
            f"The table oauthtoken in {location} is not the published one: it lacks {', '.join(missing)}. "
            "It was left as it is."
        )
    return version < SCHEMA_VERSION


def upgrade(connection: sqlite3.Connection) -> None:
    """Bring an empty or a published database to this schema, inside the caller's transaction."""
    columns = _columns(connection)
    if not columns:
        connection.execute(_CREATE_TABLE)
    for name in OWN_COLUMNS:
        if name not in columns:
            connection.execute(f"ALTER TABLE oauthtoken ADD COLUMN {name} {_OWN_TYPES[name]}")
    connection.execute(
        f"UPDATE oauthtoken SET etag = random(), created_at_ms = {_NOW}, updated_at_ms = {_NOW} "  # noqa: S608
        "WHERE etag IS NULL"
    )
    for statement in (*_INDEXES, _INSERTED, _UPDATED, _LEASES, _META):
        connection.execute(statement)
    connection.execute("INSERT INTO zoho_tokenstore VALUES ('schema_version', ?)", (str(SCHEMA_VERSION),))


def _schema_version(connection: sqlite3.Connection, location: str) -> int:
    if not _columns(connection, "zoho_tokenstore"):
        return 0
    found = connection.execute("SELECT value FROM zoho_tokenstore WHERE name = 'schema_version'").fetchone()
    if found is None or not str(found[0]).isdecimal():
        raise BackendError(f"The token database {location} does not tell its schema. It was left as it is.")
    return int(found[0])


def _columns(connection: sqlite3.Connection, table: str = "oauthtoken") -> list[str]:
    return [name for (name,) in connection.execute("SELECT name FROM pragma_table_info(?)", (table,))]
