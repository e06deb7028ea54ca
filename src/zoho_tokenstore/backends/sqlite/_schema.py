"""The `oauthtoken` table: the published ten columns followed by ours, and how both coexist.

While a program with the published code works on the same database, three triggers do for it what
our own writes do themselves: they give a row that it inserts or updates a new etag and its times,
and retire the id of a row that it deletes.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from typing import Final

from zoho_tokenstore.backends._rows import DIGEST_COLUMNS, DIGESTED, OWN_COLUMNS
from zoho_tokenstore.backends.sqlite import _constraints as constraints
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

SCHEMA_VERSION: Final = 1

LOOKUP_EXPRESSIONS: Final[Mapping[str, str]] = {
    "user_name": "user_name",
    **{name: f"coalesce({name}_digest, {name})" for name in DIGESTED},
}
"""What finds a row by a look-up: its digest, or otherwise the column. Indexed exactly so."""

NOW: Final = "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)"

_TYPES: Final = {"id": "varchar(10) NOT NULL", "expiry_time": "varchar(20)"}
_OWN_TYPES: Final = {name: "TEXT" if name in DIGEST_COLUMNS else "INTEGER" for name in OWN_COLUMNS}

_CREATE_TABLE: Final = (
    "CREATE TABLE oauthtoken ("
    + ", ".join(f"{name} {_TYPES.get(name, 'varchar(255)')}" for name in COLUMNS)
    + ", PRIMARY KEY (id))"
)

# By id, not by rowid, which some tables lack.
_TRIGGERS: Final = {
    "oauthtoken_inserted": f"""
CREATE TRIGGER oauthtoken_inserted AFTER INSERT ON oauthtoken WHEN typeof(NEW.etag) <> 'integer' BEGIN
  UPDATE oauthtoken SET etag = random(), created_at_ms = {NOW}, updated_at_ms = {NOW} WHERE id IS NEW.id;
END""",  # noqa: S608  # constants of this module only
    "oauthtoken_updated": f"""
CREATE TRIGGER oauthtoken_updated AFTER UPDATE ON oauthtoken
WHEN NEW.etag IS OLD.etag OR typeof(NEW.etag) <> 'integer' BEGIN
  UPDATE oauthtoken SET etag = random(), updated_at_ms = {NOW} WHERE id IS NEW.id;
END""",  # noqa: S608
    "oauthtoken_deleted": f"""
CREATE TRIGGER oauthtoken_deleted AFTER DELETE ON oauthtoken WHEN typeof(OLD.id) = 'text' BEGIN
  INSERT OR REPLACE INTO zoho_tokenstore_retired (id, at_ms) VALUES (OLD.id, {NOW});
END""",  # noqa: S608
}

_OBJECTS: Final[Mapping[str, str]] = {
    "zoho_tokenstore": "CREATE TABLE zoho_tokenstore (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    "zoho_tokenstore_lease": (
        "CREATE TABLE zoho_tokenstore_lease "
        "(name TEXT PRIMARY KEY, text TEXT NOT NULL, until_ms INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "zoho_tokenstore_retired": (
        "CREATE TABLE zoho_tokenstore_retired (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) WITHOUT ROWID"
    ),
    "zoho_tokenstore_audit": (
        "CREATE TABLE zoho_tokenstore_audit (number INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL, "
        "token_id TEXT, text TEXT NOT NULL, hash TEXT NOT NULL, mac TEXT)"
    ),
    "zoho_tokenstore_audit_unchanged": (
        "CREATE TRIGGER zoho_tokenstore_audit_unchanged BEFORE UPDATE ON zoho_tokenstore_audit BEGIN "
        "SELECT RAISE(ABORT, 'an audit trail is only appended to'); END"
    ),
    **{
        f"oauthtoken_by_{name}": f"CREATE INDEX oauthtoken_by_{name} ON oauthtoken ({expression})"
        for name, expression in LOOKUP_EXPRESSIONS.items()
    },
    **{name: statement.strip() for name, statement in _TRIGGERS.items()},
}
"""Our tables, indexes and triggers, as SQLite itself stores their texts."""

_VERSION: Final = f"INSERT INTO zoho_tokenstore VALUES ('schema_version', '{SCHEMA_VERSION}')"  # noqa: S608
_MARK: Final = (
    f"UPDATE oauthtoken SET etag = random(), created_at_ms = {NOW}, updated_at_ms = {NOW} "  # noqa: S608
    "WHERE typeof(etag) <> 'integer'"
)


def upgrades(connection: sqlite3.Connection, location: str) -> list[str]:
    """Return the statements that bring an empty, a published or a damaged schema to this one."""
    version = _schema_version(connection, location)
    if version > SCHEMA_VERSION:
        raise BackendError(
            f"The token database {location} has schema {version}; this release knows {SCHEMA_VERSION}. "
            "Upgrade zoho-tokenstore to open it."
        )
    columns = constraints.check(connection, location)
    statements = [] if columns else [_CREATE_TABLE]
    statements += [
        f"ALTER TABLE oauthtoken ADD COLUMN {name} {_OWN_TYPES[name]}"
        for name in OWN_COLUMNS
        if name not in columns
    ]
    if statements:
        statements.append(_MARK)
    statements += _missing_objects(connection, location)
    return statements if version else [*statements, _VERSION]


def upgrade(connection: sqlite3.Connection, location: str) -> None:
    """Execute what `upgrades` returns, inside the caller's transaction."""
    for statement in upgrades(connection, location):
        connection.execute(statement)


def is_own(name: str) -> bool:
    """Return whether an index or trigger is ours."""
    return name in _OBJECTS


def _missing_objects(connection: sqlite3.Connection, location: str) -> list[str]:
    """Return the statements for what is missing; a table editor silently drops triggers."""
    there = dict(connection.execute("SELECT name, sql FROM sqlite_master"))
    for name, statement in _OBJECTS.items():
        if there.get(name, statement) != statement:
            raise BackendError(
                f"The token database {location} has something else named {name}, which this store "
                "needs. It was left as it is. Drop or rename it, or choose another path."
            )
    return [statement for name, statement in _OBJECTS.items() if name not in there]


def _schema_version(connection: sqlite3.Connection, location: str) -> int:
    if not connection.execute("SELECT 1 FROM pragma_table_info('zoho_tokenstore')").fetchall():
        return 0
    found = connection.execute("SELECT value FROM zoho_tokenstore WHERE name = 'schema_version'").fetchone()
    if found is None or not str(found[0]).isdecimal():
        raise BackendError(f"The token database {location} does not state its schema. It was left as it is.")
    return int(found[0])
