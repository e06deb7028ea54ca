"""A primary, its replica and a Sentinel: the store follows the primary."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from tests.redis.conftest import Open
from tests.redis.support import rows_in, shared, texts_of
from tests.support.servers._process import PATIENCE, free_port
from tests.support.servers.redis import LocalRedis
from tests.support.servers.redis_groups import sentinel_pair, until
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError, RowChangedError
from zoho_tokenstore.records import Row

PASSWORDS = {"requirepass": "hunter2", "masterauth": "hunter2"}


class Group(NamedTuple):
    primary: LocalRedis
    replica: LocalRedis
    sentinel: LocalRedis

    @property
    def url(self) -> str:
        """The URL of the service, with a Sentinel in front that is not there."""
        return f"redis+sentinel://127.0.0.1:{free_port()},127.0.0.1:{self.sentinel.port}/tokens/0"


@pytest.fixture
def group() -> Iterator[Group]:
    shared()
    with sentinel_pair() as servers:
        yield Group(*servers)


def at_last(work: Callable[[], Any]) -> Any:
    """Return what `work` returns once it raises no `BackendError` any more; each must come soon."""
    deadline = time.monotonic() + PATIENCE
    while True:
        began = time.monotonic()
        try:
            return work()
        except BackendError:
            assert time.monotonic() - began < 5
            assert time.monotonic() < deadline, "it never came back"
            time.sleep(0.05)


def has_caught_up(group: Group, store: RedisBackend, row_id: str) -> bool:
    with group.replica.driver() as driver:
        return bool(driver.exists(f"{{zoho-tokens}}:row:{row_id}"))


@pytest.mark.long
def test_the_store_follows_a_failover(group: Group, open_store: Open) -> None:
    """When the primary dies the same handle goes on with the new one: rows, look-ups, writes and leases."""
    store = open_store(group.url, timeout=1)
    etag = store.write(Row(id="1", user_name="alice"), expect=None)
    until(lambda: has_caught_up(group, store, "1"), "the replica to catch up")
    group.primary.kill()
    row = at_last(lambda: store.load("1"))
    assert row.etag == etag
    newer = at_last(lambda: store.write(row._replace(user_name="bob"), expect=etag))
    with pytest.raises(RowChangedError):
        store.write(row, expect=etag)
    assert [(found.id, found.etag) for found in rows_in(store.find("user_name", "bob"))] == [("1", newer)]
    assert store.leases.replace("a", "", "text", 10_000)
    with group.replica.driver() as driver:
        assert driver.exists("{zoho-tokens}:lease:a")


@pytest.mark.long
def test_a_primary_that_stepped_down_is_not_written(group: Group, open_store: Open) -> None:
    """A primary that stepped down is a replica: a handle that still has its connection writes elsewhere."""
    store = open_store(group.url, timeout=1)
    store.write(Row(id="1"), expect=None)
    until(lambda: has_caught_up(group, store, "1"), "the replica to catch up")
    with group.sentinel.driver() as driver, group.primary.driver() as old, group.replica.driver() as new:
        driver.execute_command("SENTINEL", "FAILOVER", "tokens")
        until(lambda: old.info("replication")["role"] == "slave", "the primary to step down")
        at_last(lambda: store.write(Row(id="2"), expect=None))
        assert new.exists("{zoho-tokens}:row:2")


@pytest.mark.long
def test_what_sentinels_do_not_know(group: Group, open_store: Open) -> None:
    """A service that no Sentinel knows, or no Sentinel at all, is told at opening."""
    with pytest.raises(BackendUnavailableError, match="no Sentinel knows its primary"):
        open_store(group.url.replace("/tokens/", "/other/"), timeout=1)
    with pytest.raises(BackendUnavailableError, match="no Sentinel knows its primary"):
        open_store(f"redis+sentinel://127.0.0.1:{free_port()}/tokens", timeout=1)


@pytest.mark.long
def test_logins_of_servers_and_sentinels(open_store: Open) -> None:
    """The login in the URL is for the servers, and the Sentinels have one of their own."""
    shared()
    with sentinel_pair(**PASSWORDS) as servers:
        group = Group(*servers)
        with group.sentinel.driver() as driver:
            driver.execute_command("ACL", "SETUSER", "watcher", "on", ">hunter3", "+@all")
            driver.execute_command("ACL", "SETUSER", "default", "resetpass", "-@all", "+ping")
        url = group.url.replace("://", "://:hunter2@")
        store = open_store(url, sentinel_username="watcher", sentinel_password="hunter3", timeout=1)
        store.write(Row(id="1"), expect=None)
        assert open_store(f"{url}?sentinel_username=watcher&sentinel_password=hunter3").load("1") is not None
        for wrong in (url, f"{url}?sentinel_username=watcher&sentinel_password=wrong"):
            with pytest.raises(BackendUnavailableError) as caught:
                open_store(wrong, timeout=1)
            assert "hunter" not in texts_of(caught.value)


@pytest.mark.long
def test_checks_ask_the_primary(group: Group, open_store: Open) -> None:
    """What a server must be is asked of the one that the Sentinel names."""
    with group.primary.driver() as driver:
        driver.config_set("maxmemory", "100mb")
        driver.config_set("maxmemory-policy", "allkeys-lru")
    with pytest.raises(ConfigurationError, match="allkeys-lru"):
        open_store(group.url)
