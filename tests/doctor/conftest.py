"""What the tests of `doctor` share: a folder on a disk, and servers as they should be."""

from __future__ import annotations

import contextlib
import itertools
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, cast

import pytest

from tests.sql import support as sql
from tests.sql.conftest import start_own
from tests.support import servers
from tests.support.servers import mariadb, postgresql
from tests.support.servers.redis import LocalRedis, start_local
from zoho_tokenstore.sealing._sources import VARIABLE

_numbers: Final = itertools.count()


@pytest.fixture(autouse=True)
def _no_keys_of_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder on a disk: what is in memory is not healthy."""
    with tempfile.TemporaryDirectory(dir="/var/tmp") as made:
        yield Path(made).resolve()


@pytest.fixture(scope="session")
def durable_postgresql() -> Iterator[postgresql.Local]:
    """A PostgreSQL that flushes every commit, as a real server does."""
    server = cast("postgresql.Local", start_own(sql.POSTGRESQL, durable=True))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def durable_mariadb() -> Iterator[mariadb.Local]:
    """A MariaDB that flushes every commit, as a real server does."""
    server = cast("mariadb.Local", start_own(sql.MARIADB, durable=True))
    yield server
    server.stop()


@pytest.fixture(scope="session")
def durable_redis() -> Iterator[LocalRedis]:
    """A Redis that keeps what it has on its disk."""
    with own_redis(appendonly="yes") as server:
        yield server


@contextlib.contextmanager
def own_redis(*arguments: str, **config: Any) -> Iterator[LocalRedis]:
    """Start a Redis that is configured so; where there is none, the test is skipped, or fails in CI."""
    try:
        server = start_local(*arguments, **config)
    except servers.Unavailable as missing:
        if os.environ.get("CI"):
            pytest.fail(f"In CI every server must be there. redis: {missing}")
        pytest.skip(f"no redis: {missing}")
    with server:
        yield server


@pytest.fixture
def pg(durable_postgresql: postgresql.Local) -> str:
    """The URL of an empty place on a PostgreSQL server."""
    name = f"tokens_{next(_numbers)}"
    sql.create(sql.POSTGRESQL, durable_postgresql.url, name)
    return sql.place(sql.POSTGRESQL, durable_postgresql.url, name)


@pytest.fixture
def maria(durable_mariadb: mariadb.Local) -> str:
    """The URL of an empty place on a MariaDB server."""
    name = f"tokens_{next(_numbers)}"
    sql.create(sql.MARIADB, durable_mariadb.url, name)
    return sql.place(sql.MARIADB, durable_mariadb.url, name)


@pytest.fixture
def redis_url(durable_redis: LocalRedis) -> str:
    """The URL of an empty place on a Redis server."""
    return f"{durable_redis.url}?prefix=tokens-{next(_numbers)}"
