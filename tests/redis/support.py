"""What the tests of the Redis store share."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

from tests.support import servers
from tests.support.servers.redis import TEST_PREFIX, GivenRedis, LocalRedis
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.records import Found, RetiredId, Row


def shared() -> GivenRedis | LocalRedis:
    """Return the server that all tests of this process share."""
    return cast("GivenRedis | LocalRedis", servers.server("redis"))


def prefix_of(folder: Path) -> str:
    """Return the prefix of the store that belongs to a folder."""
    return TEST_PREFIX + hashlib.sha256(str(folder).encode()).hexdigest()[:16]


def url_of(folder: Path) -> str:
    """Return the URL of the store that belongs to a folder, on the shared server."""
    return f"{shared().url}?prefix={prefix_of(folder)}"


def make(folder: Path) -> RedisBackend:
    """Return a store without rows, on the shared server."""
    with shared().driver() as driver:
        for key in keys_of(driver, prefix_of(folder)):
            driver.delete(key)
    return reopen(folder)


def reopen(folder: Path) -> RedisBackend:
    """Return another handle on the store that belongs to a folder."""
    return RedisBackend(url_of(folder))


def teach(store: RedisBackend) -> None:
    """Let the server know all scripts. Afterwards the store has a lease ``a``, and nothing else."""
    store.rehearse(Row(id="taught"), expect=None)
    store.write(Row(id="taught"), expect=None)
    store.write_many([Row(id="taught as well")])
    store.load("nobody")
    store.find("user_name", "nobody")
    list(store.scan(limit=1))
    store.remove("taught")
    store.clear()
    store.retired.add([RetiredId("added", 1)])
    list(store.retired.scan())
    store.retired.prune(2**53)
    store.leases.replace("a", store.leases.read("a").text, "taught", 1000)


def keys_of(driver: Any, prefix: str) -> list[str]:
    """Return the names of all keys of a store, sorted."""
    return sorted(key.decode() for key in driver.scan_iter(f"{{{prefix}}}*", count=1000))


def texts_of(error: BaseException | None) -> str:
    """Return everything that an error tells: its text, and those of its causes and contexts."""
    told = ""
    while error is not None:
        told += f"{error!r} {error} {error.args!r} {vars(error)!r}\n"
        error = error.__cause__ or error.__context__
    return told


def rows_in(found: Iterable[Found]) -> list[Row]:
    """Return what was found, all of which is rows."""
    rows = list(found)
    assert all(isinstance(row, Row) for row in rows)
    return cast("list[Row]", rows)
