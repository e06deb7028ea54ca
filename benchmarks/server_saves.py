"""A renewal's save on servers: our backend beside the bare driver, in one process and in eight at once.

What is compared is a durable write of a whole row, with the same columns and indexes. The servers
flush every commit. The driver's write is an `UPDATE` by id; on Redis a pipeline in a transaction,
which changes the hash and moves the id to the set of the new access token.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import multiprocessing
import secrets
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from multiprocessing.connection import Connection
from typing import Any, Final

import psycopg
import pymysql
import redis
import sqlalchemy

from benchmarks import databases
from benchmarks.figures import Figure
from benchmarks.harness import interleave
from benchmarks.scale import Scale
from tests.sql import support as sql
from tests.support.servers import mariadb, postgresql
from tests.support.servers import redis as redis_servers
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends._rows import DIGEST_COLUMNS
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis._rows import fields_of
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, Row

PROCESSES: Final = 8
DRIVERS: Final = {
    "postgresql": "psycopg, `UPDATE`",
    "mariadb": "PyMySQL, `UPDATE`",
    "redis": "redis-py, `MULTI`",
}
WHO: Final = ("driver", "store")

_NAMES: Final = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "redis": "Redis"}
_TOKENS: Final = 40  # of each process, half for the driver and half for the store
_BLOCK: Final = 20
_PREFIX: Final = "tokens_saves"

Save = Callable[[Row], object]
Place = Callable[[str], str]
"""Makes an empty place of a name on a server, and returns its URL."""


@contextlib.contextmanager
def durable(kind: str) -> Iterator[Place]:
    """Run a server that flushes every commit, and yield what makes an empty place on it."""
    if kind == "redis":
        server: Any = redis_servers.start_local(appendonly="yes", appendfsync="always")
    else:
        server = {"postgresql": postgresql, "mariadb": mariadb}[kind].start_local(durable=True)

    def place(name: str) -> str:
        if kind == "redis":
            return f"{server.url}?prefix={name}"
        sql.create(kind, server.url, name)
        return sql.place(kind, server.url, name)

    with contextlib.ExitStack() as stack:
        stack.callback(server.stop)
        yield place


def opened(kind: str, url: str) -> RedisBackend | SQLBackend:
    """Open a store."""
    return RedisBackend(url) if kind == "redis" else SQLBackend(url)


def measure(scale: Scale, places: Mapping[str, Place]) -> Iterator[Figure]:
    """Time saves of rows that got a new access token, by one process and by eight side by side."""
    for kind in DRIVERS:
        url = places[kind](_PREFIX)
        with contextlib.closing(opened(kind, url)) as backend:
            backend.write_many(list(databases.rows(_TOKENS * PROCESSES)))
        for count in (1, PROCESSES):
            yield from _measure(kind, url, count, scale)


def _measure(kind: str, url: str, count: int, scale: Scale) -> Iterator[Figure]:
    with contextlib.ExitStack() as stack:
        savers = [stack.enter_context(_saver(kind, url, number)) for number in range(count)]
        cases = {who: functools.partial(_save_together, savers, who) for who in WHO}
        timings = interleave(cases, rounds=min(scale.rounds, 5), turns=max(scale.turns // 4, 1))
    for who, timing in timings.items():
        by = DRIVERS[kind] if who == "driver" else "`backend.write`"
        crowd = f", {count} processes, each of them" if count > 1 else ""
        yield Figure(f"{kind}/save{count}/{who}", f"{_NAMES[kind]}, save by {by}{crowd}", timing)


def _save_together(savers: Sequence[Connection], who: str) -> float:
    """Let all processes save a block at once; return what one save took each of them."""
    begin = time.perf_counter()
    for saver in savers:
        saver.send(who)
    for saver in savers:
        saver.recv()
    return (time.perf_counter() - begin) / _BLOCK


@contextlib.contextmanager
def _saver(kind: str, url: str, number: int) -> Iterator[Connection]:
    """Run a process that saves a block when it is sent who is to do so."""
    context = multiprocessing.get_context("forkserver")  # which has imported everything once
    context.set_forkserver_preload([__name__])
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, kind, url, number), daemon=True)
    process.start()
    theirs.close()  # so that its end is seen here
    ours.recv()
    try:
        yield ours
    finally:
        ours.send(None)
        process.join()


def _serve(orders: Connection, kind: str, url: str, number: int) -> None:
    rows = list(databases.rows(_TOKENS * PROCESSES))[number::PROCESSES]
    with contextlib.ExitStack() as stack:
        backend = stack.enter_context(contextlib.closing(opened(kind, url)))
        saves = {"driver": stack.enter_context(_BARE[kind](url)), "store": _by_store(backend)}
        turns = {who: itertools.cycle(rows[place :: len(WHO)]) for place, who in enumerate(WHO)}
        orders.send("ready")
        while (who := orders.recv()) is not None:
            for row in itertools.islice(turns[who], _BLOCK):
                saves[who](_renewed(row))
            orders.send("done")


def _renewed(row: Row) -> Row:
    return row._replace(access_token=databases.secret(), expiry_time=databases.new_expiry())


def _by_store(backend: Backend) -> Save:
    etags = {row.id: row.etag for row in backend.scan() if isinstance(row, Row)}

    def save(row: Row) -> None:
        etags[row.id] = backend.write(row, expect=etags[row.id])

    return save


@contextlib.contextmanager
def _postgresql(url: str) -> Iterator[Save]:
    statement = _update()
    with psycopg.connect(url, autocommit=True) as connection:
        yield lambda row: connection.execute(statement, _values(row))


@contextlib.contextmanager
def _mariadb(url: str) -> Iterator[Save]:
    parts = sqlalchemy.make_url(url)
    statement = _update("changed_at = NULL")
    with contextlib.closing(
        pymysql.connect(
            host=parts.host or "127.0.0.1",
            port=parts.port or 3306,
            user=parts.username,
            password=parts.password or "",
            database=parts.database,
            autocommit=True,
        )
    ) as connection:

        def save(row: Row) -> None:
            with connection.cursor() as cursor:
                cursor.execute(statement, _values(row))

        yield save


def _update(*also: str) -> Any:
    names = (*COLUMNS, *BOOKKEEPING, *DIGEST_COLUMNS, "etag")
    changes = ", ".join((*(f"{name} = %s" for name in names), *also))
    return f"UPDATE oauthtoken SET {changes} WHERE id = %s"


def _values(row: Row) -> tuple[object, ...]:
    columns = row[: len(COLUMNS) + len(BOOKKEEPING)]
    return (*columns, *[None] * len(DIGEST_COLUMNS), secrets.randbits(63), row.id)


@contextlib.contextmanager
def _redis(url: str) -> Iterator[Save]:
    base = f"{{{_PREFIX}}}:"
    with redis.Redis.from_url(url.partition("?")[0], protocol=2) as client:
        found_by: dict[str, str] = {}

        def save(row: Row) -> None:
            digest = hashlib.sha1((row.access_token or "").encode(), usedforsecurity=False).hexdigest()
            key = f"{base}access_token:{digest}"
            pipeline = client.pipeline(transaction=True)
            pipeline.hset(f"{base}row:{row.id}", items=[*fields_of(row), "etag", secrets.token_hex(8)])
            pipeline.srem(found_by.get(row.id, key), row.id)
            pipeline.sadd(key, row.id)
            pipeline.execute()
            found_by[row.id] = key

        yield save


_BARE: Final = {"postgresql": _postgresql, "mariadb": _mariadb, "redis": _redis}
