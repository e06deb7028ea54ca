"""Servers: look-ups here, saves in `server_saves`.

Look-ups: our store beside the bare driver that fetches the same row, and the SDK's DBStore.

The servers are those of the tests (tests/support/servers): started here from local binaries, on this
machine. DynamoDB is moto's server, whose own time covers most of what there is to see.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import psycopg
import pymysql
import sqlalchemy
from zohocrmsdk.src.com.zoho.api.authenticator.store import DBStore

from benchmarks import databases, server_saves
from benchmarks.figures import Figure
from benchmarks.harness import Block, interleave, seconds_each, taking
from benchmarks.scale import Scale
from tests.aws import support as aws
from tests.redis import support as redis
from tests.sql import support as sql
from zoho_tokenstore import RepositoryStore, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.dynamodb import _item_keys as keys
from zoho_tokenstore.records import COLUMNS

_TOKENS: Final = 200
_BLOCK: Final = 10
_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM oauthtoken WHERE id = %s"

Fetch = Callable[[str], object]

_NAMES: Final = {
    "postgresql": ("PostgreSQL", "psycopg, `SELECT` of the ten columns"),
    "mariadb": ("MariaDB", "PyMySQL, `SELECT` of the ten columns"),
    "redis": ("Redis", "redis-py, `HGETALL`"),
    "dynamodb": ("DynamoDB (moto)", "boto3, consistent `GetItem`"),
}


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time look-ups by id on every server, and on those that flush every commit, saves."""
    look_ups = [figure for kind in _NAMES for figure in _measure(kind, scale, folder / kind)]
    with contextlib.ExitStack() as stack:
        places = {kind: stack.enter_context(server_saves.durable(kind)) for kind in server_saves.DRIVERS}
        return [*look_ups, *server_saves.measure(scale, places)]


def _measure(kind: str, scale: Scale, folder: Path) -> Iterator[Figure]:
    ids = databases.ids(_TOKENS)
    name, driver = _NAMES[kind]
    labels = {
        "driver": driver,
        "store": "`find_token_by_id`",
        "dbstore": "the SDK's `DBStore.find_token_by_id`",
    }
    with contextlib.ExitStack() as stack:
        backend = _BACKENDS[kind](folder)
        stack.callback(backend.close)
        for row in databases.rows(_TOKENS):
            backend.write(row, expect=None)
        store = stack.enter_context(RepositoryStore(TokenRepository(backend)))
        fetches: dict[str, Fetch] = {
            "driver": stack.enter_context(_DRIVERS[kind](folder)),
            "store": store.find_token_by_id,
        }
        if kind == "mariadb":
            fetches["dbstore"] = _db_store(folder).find_token_by_id
        cases = {who: _block(fetch, ids) for who, fetch in fetches.items()}
        timings = interleave(cases, rounds=min(scale.rounds, 5), turns=scale.turns)
    for who, timing in timings.items():
        yield Figure(f"{kind}/{who}", f"{name}, {labels[who]}", timing)


def _block(fetch: Fetch, ids: Sequence[str]) -> Block:
    next_ids = taking(ids, _BLOCK)
    return lambda: seconds_each(fetch, next_ids())


@contextlib.contextmanager
def _postgresql(folder: Path) -> Iterator[Fetch]:
    with psycopg.connect(sql.url("postgresql", folder), autocommit=True) as connection:
        yield lambda row_id: connection.execute(_SELECT, (row_id,)).fetchone()


@contextlib.contextmanager
def _mariadb(folder: Path) -> Iterator[Fetch]:
    connection = pymysql.connect(**_address(folder), autocommit=True)

    def fetch(row_id: str) -> object:
        with connection.cursor() as cursor:
            cursor.execute(_SELECT, (row_id,))
            return cursor.fetchone()

    with contextlib.closing(connection):
        yield fetch


def _db_store(folder: Path) -> Any:
    address = _address(folder)
    return DBStore(
        host=address["host"],
        database_name=address["database"],
        user_name=address["user"],
        password=address["password"],
        port_number=str(address["port"]),
    )


def _address(folder: Path) -> dict[str, Any]:
    url = sqlalchemy.make_url(sql.url("mariadb", folder))
    return {
        "host": url.host or "127.0.0.1",
        "port": url.port or 3306,
        "user": url.username or "root",
        "password": url.password or "",
        "database": url.database or "",
    }


@contextlib.contextmanager
def _redis(folder: Path) -> Iterator[Fetch]:
    prefix = redis.prefix_of(folder)
    with redis.shared().driver() as client:
        yield lambda row_id: client.hgetall(f"{{{prefix}}}:row:{row_id}")


@contextlib.contextmanager
def _dynamodb(folder: Path) -> Iterator[Fetch]:
    with aws.raw_client("dynamodb") as client:
        get = functools.partial(client.get_item, TableName=aws.name_for(folder), ConsistentRead=True)
        yield lambda row_id: get(Key=keys.row_key(row_id))


_BACKENDS: Final[dict[str, Callable[[Path], Backend]]] = {
    "postgresql": functools.partial(sql.make, "postgresql"),
    "mariadb": functools.partial(sql.make, "mariadb"),
    "redis": redis.make,
    "dynamodb": aws.make_dynamodb,
}
_DRIVERS: Final = {"postgresql": _postgresql, "mariadb": _mariadb, "redis": _redis, "dynamodb": _dynamodb}
