"""Databases for tests: one for each folder, on the server that all tests share."""

from __future__ import annotations

import atexit
import contextlib
import hashlib
import secrets
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from tests.support import servers
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.records import Found, Row

POSTGRESQL: Final = "postgresql"
MARIADB: Final = "mariadb"
OTHER: Final = "sql+sqlite"
KINDS: Final = (POSTGRESQL, MARIADB, OTHER)
SERVERS: Final = (POSTGRESQL, MARIADB)

_DRIVERS: Final = {POSTGRESQL: "postgresql+psycopg", MARIADB: "mysql+pymysql", "mysql": "mysql+pymysql"}
_CREATE: Final = {POSTGRESQL: "CREATE SCHEMA {}", MARIADB: "CREATE DATABASE {}"}
_DROP: Final = {POSTGRESQL: "DROP SCHEMA IF EXISTS {} CASCADE", MARIADB: "DROP DATABASE IF EXISTS {}"}

_made: Final[set[tuple[str, str]]] = set()


def make(kind: str, folder: Path, **options: Any) -> SQLBackend:
    """Return a store in the database that belongs to this folder, which is empty at first."""
    return SQLBackend(url(kind, folder), **options)


def reopen(kind: str, folder: Path, **options: Any) -> SQLBackend:
    """Return another handle on the store that `make` made."""
    return SQLBackend(url(kind, folder), **options)


def url(kind: str, folder: Path) -> str:
    """Return the URL of the folder's database, which is made when it is first asked for."""
    if kind == OTHER:
        return f"sql+sqlite:///{folder / 'tokens.db'}"
    name = f"tokens_{hashlib.sha256(str(folder).encode()).hexdigest()[:16]}"
    server = servers.server(kind).url
    if (kind, name) not in _made:
        _made.add((kind, name))
        create(kind, server, name)
        atexit.register(query, server, _DROP[kind].format(name))  # before the server's own end
    return place(kind, server, name)


def create(kind: str, server: str, name: str) -> None:
    """Make an empty place on a server: a schema of PostgreSQL, a database of MariaDB."""
    query(server, _DROP[kind].format(name))
    query(server, _CREATE[kind].format(name))


def place(kind: str, server: str, name: str) -> str:
    """Return the URL of a place on a server."""
    if kind == POSTGRESQL:
        return f"{server}{'&' if '?' in server else '?'}options={quote(f'-csearch_path={name}')}"
    return str(sa.make_url(server).set(database=name).render_as_string(hide_password=False))


@contextlib.contextmanager
def driver(url: str) -> Iterator[sa.Connection]:
    """Open a database as any other program would, without our settings."""
    scheme, _, rest = url.partition("://")
    name = _DRIVERS.get(scheme) or scheme.removeprefix("sql+")
    given = sa.make_url(f"{name}://{rest}")
    if "mysql" in name:  # PyMySQL would read all authorities' certificates, for a server that has none
        given = given.update_query_dict({"ssl_disabled": "true"})
    engine = sa.create_engine(given, poolclass=sa.NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        yield connection


def query(url: str, statement: str) -> list[tuple[Any, ...]]:
    """Return the rows of a statement, if it has some."""
    with driver(url) as connection:
        found = connection.exec_driver_sql(statement)
        return [tuple(row) for row in found] if found.returns_rows else []


def rows_of(found: Iterable[Found]) -> list[Row]:
    """Return what was found, if it is rows only."""
    rows = list(found)
    assert all(isinstance(row, Row) for row in rows), rows
    return rows  # type: ignore[return-value]


def incompressible(length: int) -> str:
    """Return a text that takes as much room as it is long."""
    return secrets.token_hex(length // 2)
