"""A server that loses tokens after the store was opened: noticed, told, and no end of logging in."""

from __future__ import annotations

import secrets
import time
from typing import Any

import pytest

from tests.redis.conftest import Open
from tests.redis.support import keys_of, shared
from tests.support.servers.redis import LocalRedis, start_local
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis import _watch as watch
from zoho_tokenstore.errors import UnreadableRowError
from zoho_tokenstore.records import Row, UnreadableRow
from zoho_tokenstore.testing._backend import content, full_row

LOST = "has lost what it held"
KEPT = "{zoho-tokens}:"


@pytest.fixture
def store(local: LocalRedis, open_store: Open, monkeypatch: pytest.MonkeyPatch) -> RedisBackend:
    """A store that looks at its server at every write."""
    monkeypatch.setattr(watch, "RECHECK_INTERVAL", 0.0)
    return open_store(local.url)


def told(caplog: pytest.LogCaptureFixture, words: str) -> list[str]:
    return [text for record in caplog.records if words in (text := record.getMessage())]


def set_policy(server: LocalRedis, policy: str, maxmemory: str = "100mb") -> None:
    with server.driver() as driver:
        driver.config_set("maxmemory-policy", policy)
        driver.config_set("maxmemory", maxmemory)


def test_a_policy_that_was_changed_is_told(
    local: LocalRedis, store: RedisBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """A policy that throws tokens away, set after opening, is told once, and again after it was mended."""
    for times in (1, 2):
        set_policy(local, "allkeys-lru")
        for number in range(3):
            store.write(Row(id=f"{times}-{number}"), expect=None)
        assert len(told(caplog, "maxmemory-policy allkeys-lru; 0 keys evicted")) == times
        set_policy(local, "noeviction")
        store.write(Row(id=f"{times}-kept"), expect=None)


@pytest.mark.parametrize("policy", ["noeviction", "volatile-lru", "volatile-ttl"])
def test_a_policy_that_keeps_tokens_is_not_told(
    local: LocalRedis, store: RedisBackend, caplog: pytest.LogCaptureFixture, policy: str
) -> None:
    """What takes no token is no news."""
    set_policy(local, policy)
    store.write(Row(id="1"), expect=None)
    assert not told(caplog, "evicts keys")


def test_evicted_keys_are_told(
    local: LocalRedis, store: RedisBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys that the server has really evicted are told with their number."""
    for number in range(50):
        store.write(Row(id=str(number), access_token="x" * 1000), expect=None)
    with local.driver() as driver:
        set_policy(local, "allkeys-random", str(driver.info("memory")["used_memory"] + 10_000))
        ends = time.monotonic() + 20
        while not driver.info("stats")["evicted_keys"]:
            assert time.monotonic() < ends, "nothing is evicted"
            driver.set(secrets.token_hex(), "x" * 10_000)
    set_policy(local, "allkeys-random")
    store.write(Row(id="new"), expect=None)
    (text,) = told(caplog, "keys evicted since its start")
    assert "; 0 keys evicted" not in text


def test_a_store_that_may_lose_tokens_is_not_told_so(
    local: LocalRedis, open_store: Open, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With `allow_eviction` the policy is nobody's business."""
    monkeypatch.setattr(watch, "RECHECK_INTERVAL", 0.0)
    set_policy(local, "allkeys-lru")
    open_store(local.url, allow_eviction=True).write(Row(id="1"), expect=None)
    assert not told(caplog, "evicts keys")


def test_the_server_is_asked_once_a_minute(local: LocalRedis, open_store: Open) -> None:
    """Looking at the server costs one command a minute, and none when a store has just been opened."""
    store = open_store(local.url)
    with local.driver() as driver:
        before = driver.info("commandstats")["cmdstat_info"]["calls"]
        for number in range(10):
            store.write(Row(id=str(number)), expect=None)
        assert driver.info("commandstats")["cmdstat_info"]["calls"] == before + 1  # that of this test


def test_a_look_that_fails_fails_no_write(
    local: LocalRedis, store: RedisBackend, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the server does not tell about itself, a write is done all the same."""
    with local.driver() as driver:
        driver.execute_command("ACL", "SETUSER", "default", "-info", "-config")
        try:
            store.write(Row(id="1"), expect=None)
        finally:
            driver.execute_command("ACL", "SETUSER", "default", "+@all")
    assert store.load("1") is not None


def test_a_login_after_an_eviction(local: LocalRedis, store: RedisBackend) -> None:
    """An evicted token is told, not taken for absence; its user logs in beside it."""
    store.write(Row(id="1", user_name="alice"), expect=None)
    with local.driver() as driver:
        driver.delete(f"{KEPT}row:1")
    with pytest.raises(UnreadableRowError, match="has vanished: evicted"):
        store.load("1")
    (lost,) = store.find("user_name", "alice")
    assert isinstance(lost, UnreadableRow)
    store.write(Row(id="2", user_name="alice"), expect=None)
    assert store.find("user_name", "alice")[0] == lost
    assert content(store.find("user_name", "alice")[1]) == Row(id="2", user_name="alice")
    assert store.remove("1") is True
    assert [row.id for row in store.find("user_name", "alice")] == ["2"]


def test_a_row_whose_finders_were_evicted_is_found_after_its_next_save(
    local: LocalRedis, store: RedisBackend
) -> None:
    """A save makes anew what finds the row, so a token that is renewed is found again."""
    etag = store.write(full_row(), expect=None)
    with local.driver() as driver:
        driver.delete(*[key for key in keys_of(driver, "zoho-tokens") if "row:" not in key])
    assert list(store.scan()) == store.find("user_name", "user_name-a") == []
    store.write(full_row(), expect=etag)
    assert [row.id for row in (*store.scan(), *store.find("user_name", "user_name-a"))] == ["1", "1"]


CALLS: dict[str, Any] = {
    "load": lambda store: store.load("1"),
    "find": lambda store: store.find("user_name", "alice"),
    "scan": lambda store: list(store.scan()),
    "write": lambda store: store.write(Row(id=secrets.token_hex(4)), expect=None),
}


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_was_emptied_is_told(
    local: LocalRedis, store: RedisBackend, caplog: pytest.LogCaptureFixture, call: str
) -> None:
    """A store that has lost everything is told by whatever call meets it first, once; logging in works."""
    store.write(full_row(), expect=None)
    for use in CALLS.values():
        use(store)
    assert not told(caplog, LOST)
    with local.driver() as driver:
        driver.flushall()
    CALLS[call](store)
    assert len(told(caplog, LOST)) == 1
    store.write(full_row("3"), expect=None)
    assert content(store.load("3")) == full_row("3")
    assert store.load("1") is None
    assert store.find("user_name", "alice") == []
    assert len(told(caplog, LOST)) == 1


def test_a_server_that_was_restarted_empty_is_told_by_everybody(
    open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """Every process learns it, also one that comes after another one has stored something again."""
    shared()
    with start_local() as server:
        one, two = open_store(server.url), open_store(server.url)
        one.write(full_row(), expect=None)
        server.end()
        server.restart()
        one.write(full_row("2"), expect=None)
        assert len(told(caplog, LOST)) == 1
        assert two.load("1") is None
        assert len(told(caplog, LOST)) == 2
        assert two.find("user_name", "user_name-a") == list(one.scan())


def test_a_server_that_was_restarted_with_its_data_is_no_news(
    open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A restart that loses nothing is not told."""
    shared()
    with start_local(appendonly="yes") as server:
        store = open_store(server.url)
        store.write(full_row(), expect=None)
        server.end()
        server.restart()
        for use in (CALLS["find"], CALLS["scan"], CALLS["load"]):
            use(store)
        assert not told(caplog, LOST)
