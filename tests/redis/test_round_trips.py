"""How often a call goes to the server: counted by the server itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tests.redis.conftest import Open
from tests.redis.support import teach
from tests.support.servers.redis import LocalRedis
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.records import RetiredId, Row
from zoho_tokenstore.testing._backend import full_row


@contextmanager
def commands(server: LocalRedis) -> Iterator[list[str]]:
    """The commands that clients send in the block, without those that scripts run."""
    seen: list[str] = []
    with server.driver() as driver, driver.monitor() as monitor:
        yield seen
        with server.driver() as marker:
            marker.echo("the end")
        while True:
            told = monitor.next_command()
            if told["command"].endswith("the end"):
                return
            if told["client_type"] == "tcp":
                seen.append(told["command"].split(" ")[0].upper())


CALLS: dict[str, tuple[Callable[[RedisBackend], object], list[str]]] = {
    "load": (lambda store: store.load("1"), ["HMGET"]),
    "load of nothing": (lambda store: store.load("none"), ["HMGET", "EVALSHA"]),
    "find": (lambda store: store.find("user_name", "user_name-a", "user_name-b"), ["EVALSHA"]),
    "find of nothing": (lambda store: store.find("user_name", "none"), ["EVALSHA"]),
    "find of no key": (lambda store: store.find("user_name"), []),
    "scan of one": (lambda store: list(store.scan(limit=1)), ["EVALSHA"]),
    "scan": (lambda store: list(store.scan()), ["EVALSHA"]),
    "insert": (lambda store: store.write(Row(id="new"), expect=None), ["EVALSHA"]),
    "many inserts": (lambda store: store.write_many([Row(id=f"new{n}") for n in range(100)]), ["EVALSHA"]),
    "count": (lambda store: store.count(), ["ZCARD"]),
    "rehearse": (lambda store: store.rehearse(Row(id="new"), expect=None), ["EVALSHA"]),
    "remove": (lambda store: store.remove("1"), ["EVALSHA"]),
    "clear": (lambda store: store.clear(), ["EVALSHA"]),
    "retired ids": (lambda store: list(store.retired.scan()), ["ZSCAN"]),
    "a retired id": (lambda store: store.retired.add([RetiredId("9", 1)]), ["ZADD"]),
    "prune": (lambda store: store.retired.prune(1), ["ZREMRANGEBYSCORE"]),
    "cleared": (lambda store: store.retired.cleared_ms(), ["HGET"]),
    "lease": (lambda store: store.leases.read("a"), ["EVALSHA"]),
    "new lease": (lambda store: store.leases.replace("a", "", "one", 1000), ["EVALSHA"]),
    "lease that was replaced": (lambda store: store.leases.replace("a", "zero", "one", 1000), ["EVALSHA"]),
}


@pytest.mark.parametrize("call", CALLS)
def test_one_call_is_one_command(local: LocalRedis, open_store: Open, call: str) -> None:
    """Every call is one command, once the server knows the script; what is not there is looked for twice."""
    teach(open_store(local.url, prefix="another"))
    store = open_store(local.url)
    for row_id in "12":
        store.write(full_row(row_id), expect=None)
    use, expected = CALLS[call]
    with commands(local) as seen:
        use(store)
    assert seen == expected


def test_a_script_that_the_server_has_forgotten_is_sent_again(local: LocalRedis, open_store: Open) -> None:
    """After a restart, a failover or SCRIPT FLUSH the next call sends its script, and works."""
    store = open_store(local.url)
    store.write(full_row(), expect=None)
    with local.driver() as driver:
        driver.script_flush()
    with commands(local) as seen:
        assert [row.id for row in store.find("user_name", "user_name-a")] == ["1"]
        store.find("user_name", "user_name-a")
    assert seen == ["EVALSHA", "EVAL", "EVALSHA"]


def test_scan_asks_page_by_page(local: LocalRedis, open_store: Open) -> None:
    """A scan asks for the next page only when it is wanted, and for no more than the limit."""
    store = open_store(local.url)
    teach(store)
    for number in range(1100):
        store.write(Row(id=f"{number:05}"), expect=None)
    with commands(local) as seen:
        rows = store.scan()
        next(rows)
    assert len(seen) == 1
    with commands(local) as seen:
        assert len(list(rows)) == 1099
    assert len(seen) == 2
    with commands(local) as seen:
        assert len(list(store.scan(limit=600))) == 600
    assert len(seen) == 2


def test_a_renewal_is_one_command(local: LocalRedis, open_store: Open) -> None:
    """A save over a version that is known is one script: no transaction, no look before or behind."""
    store = open_store(local.url)
    etag = store.write(full_row(), expect=None)
    with commands(local) as seen:
        store.write(full_row(mark="b"), expect=etag)
    assert seen == ["EVALSHA"]


def test_an_etag_needs_no_second_look(backend: RedisBackend) -> None:
    """`write` makes the etag by itself, so it is known without asking."""
    etag = backend.write(Row(id="1"), expect=None)
    loaded = backend.load("1")
    assert loaded is not None
    assert loaded.etag == etag
    assert isinstance(etag, str)
    assert len(etag) == 16
