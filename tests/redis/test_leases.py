"""Leases in Redis: what the contract of all leases does not say."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.redis.support import prefix_of
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis._leases import RedisLeases
from zoho_tokenstore.errors import BackendError

KEEP_MS = 60_000


@pytest.fixture
def leases(backend: RedisBackend) -> RedisLeases:
    return backend.leases


@pytest.fixture
def key(tmp_path: Path) -> str:
    return f"{{{prefix_of(tmp_path)}}}:lease:a"


def test_a_lease_is_pinned(leases: RedisLeases, driver: Any, key: str) -> None:
    """A lease is a string, which the server forgets when its time is up."""
    leases.replace("a", "", "one", KEEP_MS)
    assert driver.get(key) == b"one"
    assert 0 <= KEEP_MS - driver.pttl(key) < 10_000
    leases.replace("a", "one", "two \u00e9", 2 * KEEP_MS)
    assert driver.get(key) == "two \u00e9".encode()
    assert 0 <= 2 * KEEP_MS - driver.pttl(key) < 10_000
    driver.pexpire(key, 1)
    time.sleep(0.01)
    assert leases.read("a").text == ""
    assert leases.replace("a", "", "three", KEEP_MS) is True


def test_what_is_owed_to_zoho_does_not_expire(leases: RedisLeases, driver: Any, key: str) -> None:
    """A server whose memory is full may evict keys that expire: what is kept for years is none of them."""
    leases.replace("a", "", "one", 365 * 86_400_000)
    assert driver.pttl(key) == -1
    leases.replace("a", "one", "two", KEEP_MS)
    assert driver.pttl(key) > 0


def test_the_time_is_the_servers(leases: RedisLeases, driver: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host whose clock is off reads the server's time."""
    monkeypatch.setattr(time, "time", lambda: 1.0)
    told = [_ms(driver.time()), leases.read("a").now_ms, _ms(driver.time())]
    assert told == sorted(told)


def _ms(told: tuple[int, int]) -> int:
    return told[0] * 1000 + told[1] // 1000


def test_what_cannot_be_read_is_told(leases: RedisLeases, driver: Any, key: str) -> None:
    """A lease that somebody else has spoilt is a `BackendError`, and made anew once it is gone."""
    driver.set(key, b"\xff")
    with pytest.raises(BackendError, match=r"cannot be read\. Delete its key") as caught:
        leases.read("a")
    assert caught.value.__context__ is None
    driver.delete(key)
    assert leases.replace("a", "", "one", KEEP_MS)


def test_a_key_of_another_type_is_told(leases: RedisLeases, driver: Any, key: str) -> None:
    """Where the key holds something else, every call is a `BackendError`, and nothing is changed."""
    driver.rpush(key, "x")
    for use in (lambda: leases.read("a"), lambda: leases.replace("a", "", "one", KEEP_MS)):
        with pytest.raises(BackendError, match="Choose another prefix"):
            use()
    assert driver.lrange(key, 0, -1) == [b"x"]


def test_closed_is_closed(backend: RedisBackend) -> None:
    """The leases of a closed store refuse."""
    backend.close()
    for use in (lambda: backend.leases.read("a"), lambda: backend.leases.replace("a", "", "one", KEEP_MS)):
        with pytest.raises(BackendError, match="has been closed"):
            use()
