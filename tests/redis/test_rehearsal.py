"""Whether a row could be stored: asked before a code is spent, and answered as the write would be."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.redis.conftest import Open
from tests.redis.support import keys_of
from tests.redis.test_servers import with_user
from tests.support.servers._process import free_port
from tests.support.servers.redis import LocalRedis
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import (
    BackendError,
    BackendUnavailableError,
    RetiredIdError,
    RowChangedError,
)
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import content, full_row

STATES: dict[str, tuple[Callable[[Any], object], str]] = {
    "memory is full": (lambda driver: driver.config_set("maxmemory", "1"), "memory is full"),
    "a replica": (lambda driver: driver.replicaof("127.0.0.1", free_port()), "it is a replica"),
    "too few replicas": (lambda driver: driver.config_set("min-replicas-to-write", 1), "too few replicas"),
}


@pytest.mark.parametrize(
    "command", ["hset", "zadd", "sadd", "zscore", "zcard", "scard", "hmget", "hget", "exists"]
)
def test_a_right_that_was_taken_away(local: LocalRedis, open_store: Open, command: str) -> None:
    """Without a right that a write needs, the rehearsal fails as the write does, and says which."""
    store = open_store(with_user(local))
    with local.driver() as driver:
        driver.execute_command("ACL", "SETUSER", "app", f"-{command}")
    for use in (store.rehearse, store.write):
        with pytest.raises(BackendUnavailableError, match=rf"may not .*\b{command.upper()}\b"):
            use(full_row(), expect=None)


@pytest.mark.parametrize("command", ["del", "srem"])
def test_a_right_that_only_a_change_needs(local: LocalRedis, open_store: Open, command: str) -> None:
    """What only the change of a row needs is found out too."""
    store = open_store(with_user(local))
    etag = store.write(full_row(), expect=None)
    with local.driver() as driver:
        driver.execute_command("ACL", "SETUSER", "app", f"-{command}")
    with pytest.raises(BackendUnavailableError, match=rf"\b{command.upper()}\b"):
        store.rehearse(full_row(mark="b"), expect=etag)


@pytest.mark.parametrize("state", STATES)
def test_a_state_in_which_nothing_can_be_stored(local: LocalRedis, open_store: Open, state: str) -> None:
    """A server that refuses new rows is told by the rehearsal, as by the write."""
    store = open_store(local.url)
    with local.driver() as driver:
        bring_about, words = STATES[state]
        bring_about(driver)
        for use in (store.rehearse, store.write):
            with pytest.raises(BackendUnavailableError, match=words):
                use(full_row(), expect=None)


def test_a_row_that_can_be_replaced_in_full_memory(local: LocalRedis, open_store: Open) -> None:
    """What a write can do the rehearsal allows: with full memory a stored token is replaced."""
    store = open_store(local.url)
    etag = store.write(full_row(), expect=None)
    with local.driver() as driver:
        driver.config_set("maxmemory", "1")
    store.rehearse(full_row(mark="b"), expect=etag)
    store.write(full_row(mark="b"), expect=etag)


def test_a_rehearsal_sees_what_the_write_would_see(backend: RedisBackend) -> None:
    """A row that exists, has changed or is gone, and a retired id, are told as by the write."""
    etag = backend.write(full_row("1"), expect=None)
    gone = backend.write(full_row("2"), expect=None)
    backend.remove("2")
    for row_id, expect, kind in (
        ("1", None, RowChangedError),
        ("1", "made up", RowChangedError),
        ("2", gone, RowChangedError),
        ("2", None, RetiredIdError),
    ):
        for use in (backend.rehearse, backend.write):
            with pytest.raises(kind):
                use(full_row(row_id, "b"), expect=expect)
    backend.rehearse(full_row("1", "b"), expect=etag)
    assert content(backend.load("1")) == full_row("1")


def test_a_look_up_of_another_type(local: LocalRedis, open_store: Open) -> None:
    """A key of another program where the row would be found is met before anything is spent."""
    store = open_store(local.url)
    with local.driver() as driver:
        driver.set("{zoho-tokens}:user_name:user_name-a", "x")
    with pytest.raises(BackendError, match="holds something else"):
        store.rehearse(full_row(), expect=None)


def test_a_rehearsal_leaves_nothing_behind(local: LocalRedis, open_store: Open) -> None:
    """No key is left by a rehearsal; where one is refused half-way, no secret is."""
    store = open_store(with_user(local))
    with local.driver() as driver:
        before = keys_of(driver, "zoho-tokens")
        store.rehearse(full_row(), expect=None)
        assert keys_of(driver, "zoho-tokens") == before
        driver.execute_command("ACL", "SETUSER", "app", "-sadd")
        with pytest.raises(BackendError):
            store.rehearse(Row(id="1", access_token="1000.secret"), expect=None)
        left = set(keys_of(driver, "zoho-tokens")) - set(before)
        assert b"1000.secret" not in b"".join(driver.dump(key) for key in left)
        driver.execute_command("ACL", "SETUSER", "app", "+sadd")
        store.rehearse(full_row(), expect=None)
        assert keys_of(driver, "zoho-tokens") == before
