"""What a server must be: asked when a store is opened."""

from __future__ import annotations

import logging
import re
from typing import Any

import pytest
import redis

from tests.redis.conftest import Open
from tests.redis.support import keys_of
from tests.support.servers.redis import LocalRedis, start_local
from tests.support.servers.redis_groups import replica_of
from zoho_tokenstore.backends.redis import _checks, _leases, _read_scripts, _write_scripts
from zoho_tokenstore.backends.redis._lua import LuaScript
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError
from zoho_tokenstore.records import Row

EVICTING = ("allkeys-lru", "allkeys-lfu", "allkeys-random")
VOLATILE = ("volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl")
FORBIDDING = {
    "CONFIG": ["-config"],
    "INFO": ["-info"],
    "CONFIG and INFO": ["-config", "-info"],
}


def commands_of(script: LuaScript) -> set[str]:
    return {name.lower() for name in re.findall(r"redis\.p?call\('(\w+)'", script.text)}


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def with_user(server: LocalRedis, *rules: str) -> str:
    """Let a user do everything but what the rules say; return the URL for that user."""
    with server.driver() as driver:
        driver.execute_command("ACL", "SETUSER", "app", "on", ">pass", "~*", "&*", "+@all", *rules)
    return server.url.replace("://", "://app:pass@")


@pytest.mark.parametrize("command", sorted(commands_of(_checks.PROBE) - {"hget"}))
def test_who_is_refused_keeps_nobody_else_out(local: LocalRedis, open_store: Open, command: str) -> None:
    """Redis undoes nothing of a script that lacks a right in the middle: what it leaves suits the next."""
    url = with_user(local, f"-{command}")
    with pytest.raises(BackendUnavailableError, match=f"It was {command.upper()} that was refused"):
        open_store(url)
    open_store(local.url)


def test_a_database_that_the_server_does_not_have(local: LocalRedis, open_store: Open) -> None:
    """A server has 16, if not told otherwise."""
    with pytest.raises(BackendError, match="no database of this number"):
        open_store(f"{local.url.rpartition('/')[0]}/99")


@pytest.mark.parametrize("forbidden", [None, *FORBIDDING])
@pytest.mark.parametrize("policy", EVICTING)
def test_a_server_that_evicts_tokens_is_refused(
    local: LocalRedis, open_store: Open, policy: str, forbidden: str | None
) -> None:
    """With a memory limit and an allkeys policy the store does not open, unless it is told to.

    The server is asked by INFO and by CONFIG; where both are forbidden, nobody can tell.
    """
    with local.driver() as driver:
        driver.config_set("maxmemory", "100mb")
        driver.config_set("maxmemory-policy", policy)
    url = with_user(local, *FORBIDDING.get(forbidden or "", []))
    if forbidden == "CONFIG and INFO":
        open_store(url)
        return
    with pytest.raises(ConfigurationError, match=f"maxmemory-policy {policy}.*allow_eviction=True"):
        open_store(url)
    open_store(url, allow_eviction=True)
    open_store(f"{url}?allow_eviction=yes")


@pytest.mark.parametrize("policy", ["noeviction", *EVICTING])
def test_a_server_without_a_limit_evicts_nothing(local: LocalRedis, open_store: Open, policy: str) -> None:
    """Without maxmemory no policy matters."""
    with local.driver() as driver:
        driver.config_set("maxmemory-policy", policy)
    open_store(local.url)


@pytest.mark.parametrize("policy", VOLATILE)
def test_volatile_policies_evict_leases_alone(
    local: LocalRedis, open_store: Open, caplog: pytest.LogCaptureFixture, policy: str
) -> None:
    """A volatile policy evicts what will expire: no key of a row does, so the store opens, with a warning."""
    with local.driver() as driver:
        driver.config_set("maxmemory", "100mb")
        driver.config_set("maxmemory-policy", policy)
    store = open_store(local.url)
    assert any(f"may evict leases (maxmemory-policy {policy})" in text for text in warnings(caplog))
    for number in range(20):
        store.write(Row(id=str(number), user_name="alice"), expect=None)
        store.leases.replace(str(number), "", "text", 60_000)
    with local.driver() as driver:
        driver.config_set("maxmemory", "1")  # everything that may go goes at the next write
        with pytest.raises(redis.OutOfMemoryError):
            driver.set("more", "x")
    assert len(store.find("user_name", "alice")) == 20
    assert len(list(store.scan())) == 20
    assert store.leases.read("1").text == ""


PERSISTENCE: dict[str, dict[str, Any]] = {
    "nothing": {"save": "", "appendonly": "no"},
    "appendonly": {"save": "", "appendonly": "yes"},
    "save": {"save": "3600 1", "appendonly": "no"},
}


@pytest.mark.parametrize("kept_by", PERSISTENCE)
def test_a_server_that_keeps_nothing_is_told_once(
    open_store: Open, caplog: pytest.LogCaptureFixture, kept_by: str
) -> None:
    """Without appendonly and save there is a warning, once in a process; with either there is none."""
    with start_local(**PERSISTENCE[kept_by]) as server:
        open_store(server.url)
        open_store(server.url)
        told = [text for text in warnings(caplog) if "keeps nothing on disk" in text]
        assert len(told) == (kept_by == "nothing")
        assert len(warnings(caplog)) == len(told)


@pytest.mark.parametrize("forbidden", FORBIDDING)
@pytest.mark.parametrize("kept_by", PERSISTENCE)
def test_a_server_that_does_not_tell(
    open_store: Open, caplog: pytest.LogCaptureFixture, forbidden: str, kept_by: str
) -> None:
    """Where CONFIG or INFO is forbidden, as by managed services, the other is asked; else it is told."""
    with start_local(**PERSISTENCE[kept_by]) as server:
        open_store(with_user(server, *FORBIDDING[forbidden]))
        unknown = forbidden == "CONFIG and INFO" or (forbidden == "CONFIG" and kept_by != "appendonly")
        assert any("does not say whether" in text for text in warnings(caplog)) is unknown
        assert any("keeps nothing" in text for text in warnings(caplog)) is (
            kept_by == "nothing" and forbidden == "INFO"
        )


@pytest.mark.long
@pytest.mark.parametrize("read_only", ["yes", "no"])
def test_a_replica_is_refused(local: LocalRedis, open_store: Open, read_only: str) -> None:
    """A replica does not open, even one that could be written: what is written there is lost."""
    refused = pytest.raises(BackendUnavailableError, match=r"replica.*the address of the primary")
    with replica_of(local, replica_read_only=read_only) as replica, refused:
        open_store(replica.url)


@pytest.mark.long
def test_a_replica_that_does_not_tell_is_refused(local: LocalRedis, open_store: Open) -> None:
    """Where INFO is forbidden, the trial at opening finds out that nothing can be written."""
    refused = pytest.raises(BackendUnavailableError, match=r"replica.*the address of the primary")
    with replica_of(local) as replica, refused:
        open_store(with_user(replica, "-info"))


def test_the_trial_covers_all_scripts() -> None:
    """The trial at opening uses every command that any script uses, and those that are sent by themselves."""
    modules = (_checks, _leases, _read_scripts, _write_scripts)
    scripts = [value for module in modules for value in vars(module).values() if isinstance(value, LuaScript)]
    used = [commands_of(script) for script in scripts]
    assert len(used) == 11
    assert set().union(*used, {"zscan", "zremrangebyscore"}) == commands_of(_checks.PROBE)


@pytest.mark.parametrize("command", sorted({"evalsha", "eval"} | commands_of(_checks.PROBE)))
def test_a_missing_right_is_told_at_once(local: LocalRedis, open_store: Open, command: str) -> None:
    """A user who may not do what some call will need is refused when the store is opened."""
    with pytest.raises(BackendUnavailableError, match=r"may not do what the store needs"):
        open_store(with_user(local, f"-{command}"))


def test_opening_leaves_one_key(local: LocalRedis, open_store: Open) -> None:
    """Nothing of the trial at opening stays on the server, only what tells the stored form."""
    open_store(local.url)
    with local.driver() as driver:
        assert keys_of(driver, "zoho-tokens") == ["{zoho-tokens}:meta"]
