"""The stored form, read by the driver itself: what people, scripts and later releases rely on."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from tests.redis.support import keys_of, prefix_of, reopen
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS, Row
from zoho_tokenstore.testing._backend import content, full_row
from zoho_tokenstore.testing._hostile import STORABLE_TEXTS, short_id

COMPLETE = Row(
    id="0123456789",
    user_name="patricia@zylker.example",
    client_id="1000.CLIENT",
    client_secret="client-secret",
    refresh_token="1000.refresh",
    access_token="1000.access",
    grant_token="1000.grant",
    expiry_time="4102444800123",
    redirect_url="https://portal.zylker.example/callback",
    api_domain="https://www.zohoapis.eu",
    created_at_ms=1,
    updated_at_ms=2**53,
    last_used_at_ms=3,
    identified_at_ms=4,
)
STORED = {
    "id": "0123456789",
    "user_name": "patricia@zylker.example",
    "client_id": "1000.CLIENT",
    "client_secret": "client-secret",
    "refresh_token": "1000.refresh",
    "access_token": "1000.access",
    "grant_token": "1000.grant",
    "expiry_time": "4102444800123",
    "redirect_url": "https://portal.zylker.example/callback",
    "api_domain": "https://www.zohoapis.eu",
    "created_at_ms": "1",
    "updated_at_ms": "9007199254740992",
    "last_used_at_ms": "3",
    "identified_at_ms": "4",
}


@pytest.fixture
def base(tmp_path: Path) -> str:
    return f"{{{prefix_of(tmp_path)}}}:"


def sha1(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def stored_in(driver: Any, key: str) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in driver.hgetall(key).items()}


def test_a_row_is_pinned(backend: RedisBackend, driver: Any, base: str) -> None:
    """A row is a hash with the published names; its id is in a sorted set, and in a set for each look-up."""
    etag = backend.write(COMPLETE, expect=None)
    assert stored_in(driver, f"{base}row:0123456789") == {**STORED, "etag": etag}
    assert driver.zrange(f"{base}ids", 0, -1, withscores=True) == [(b"0123456789", 0.0)]
    lookups = {
        f"{base}user_name:patricia@zylker.example",
        f"{base}refresh_token:{sha1('1000.refresh')}",
        f"{base}access_token:{sha1('1000.access')}",
        f"{base}grant_token:{sha1('1000.grant')}",
    }
    rest = {f"{base}row:0123456789", f"{base}ids", f"{base}meta"}
    assert {*keys_of(driver, base[1:-2])} == lookups | rest
    assert {**stored_in(driver, f"{base}meta"), "mark": ""} == {"layout": "1", "mark": ""}
    assert all(set(driver.smembers(key)) == {b"0123456789"} for key in lookups)
    assert all(driver.ttl(key) == -1 for key in driver.scan_iter(f"{base}*"))


def test_the_stored_form_is_read(backend: RedisBackend, driver: Any, base: str) -> None:
    """A row that was stored in this form, by whatever, is loaded, found, listed, replaced and removed."""
    driver.hset(f"{base}row:0123456789", mapping={**STORED, "etag": "e"})
    driver.zadd(f"{base}ids", {"0123456789": 0})
    driver.sadd(f"{base}refresh_token:{sha1('1000.refresh')}", "0123456789")
    assert content(backend.load("0123456789")) == COMPLETE
    assert list(map(content, backend.find("refresh_token", "1000.refresh"))) == [COMPLETE]
    assert list(map(content, backend.scan())) == [COMPLETE]
    backend.write(COMPLETE._replace(refresh_token="1000.new"), expect="e")
    assert not driver.exists(f"{base}refresh_token:{sha1('1000.refresh')}")
    before = now_ms()
    assert backend.remove("0123456789") is True
    assert keys_of(driver, base[1:-2]) == [f"{base}meta", f"{base}retired"]
    ((retired, at_ms),) = driver.zrange(f"{base}retired", 0, -1, withscores=True)
    assert retired == b"0123456789"
    assert before <= at_ms <= now_ms()


def test_a_newer_layout_is_refused(backend: RedisBackend, driver: Any, base: str, tmp_path: Path) -> None:
    """A store that a newer release has written in another form is not opened, and left as it is."""
    backend.write(full_row(), expect=None)
    driver.hset(f"{base}meta", "layout", "2")
    before = {name: driver.dump(name) for name in driver.scan_iter(f"{base}*")}
    with pytest.raises(BackendError, match=r"has layout 2; this release knows 1\. Upgrade"):
        reopen(tmp_path)
    assert {name: driver.dump(name) for name in driver.scan_iter(f"{base}*")} == before


def test_digests_stand_beside_their_columns(backend: RedisBackend, driver: Any, base: str) -> None:
    """A digest is a field of its own, and takes the column's place in the look-up."""
    backend.write(Row(id="1", access_token="sealed", digests={"access_token": "digest"}), expect=None)
    assert stored_in(driver, f"{base}row:1")["access_token_digest"] == "digest"
    assert driver.exists(f"{base}access_token:{sha1('digest')}")
    assert not driver.exists(f"{base}access_token:{sha1('sealed')}")


@pytest.mark.parametrize("column", COLUMNS[1:])
def test_null_and_empty_are_kept_apart(backend: RedisBackend, driver: Any, base: str, column: str) -> None:
    """`None` is a field that is not there, an empty text is one that is empty; each comes back as it was."""
    empty: dict[str, Any] = {column: ""}
    backend.write(Row(id="1", **empty), expect=None)
    assert stored_in(driver, f"{base}row:1")[column] == ""
    assert content(backend.load("1")) == Row(id="1", **empty)
    backend.write(Row(id="2"), expect=None)
    assert set(stored_in(driver, f"{base}row:2")) == {"id", "etag"}


def test_no_credential_is_in_the_name_of_a_key(backend: RedisBackend, driver: Any, base: str) -> None:
    """The names of keys, which tools and logs show, hold ids and user names, and no credential."""
    backend.write(COMPLETE, expect=None)
    backend.leases.replace("refresh:0123", "", "text", 1000)
    assert "1000." not in " ".join(keys_of(driver, base[1:-2]))


@pytest.mark.parametrize("name", STORABLE_TEXTS)
def test_nothing_is_left_behind(backend: RedisBackend, driver: Any, base: str, name: str) -> None:
    """Whatever the values were: after a row is replaced, removed or cleared, no key of it is left."""
    text = STORABLE_TEXTS[name]
    row_id = short_id(text)
    columns: dict[str, Any] = {**dict.fromkeys(COLUMNS, text), "id": row_id}
    etag = backend.write(Row(**columns), expect=None)
    backend.write(Row(id=row_id), expect=etag)
    assert set(keys_of(driver, base[1:-2])) == {f"{base}row:{row_id}", f"{base}ids", f"{base}meta"}
    backend.remove(row_id)
    backend.write(Row(**{**columns, "id": "another"}), expect=None)
    backend.clear()
    assert keys_of(driver, base[1:-2]) == [f"{base}meta", f"{base}retired"]
    assert sorted(row_id.decode() for row_id in driver.zrange(f"{base}retired", 0, -1)) == sorted(
        [row_id, "another"]
    )


def test_clear_and_remove_leave_the_rest_alone(backend: RedisBackend, driver: Any, base: str) -> None:
    """`clear` deletes neither leases, nor keys of others, nor of a store whose prefix begins alike."""
    others = [f"{base}lease:a", f"{base[:-2]}-2}}:ids", f"{base[1:-2]}:row:1", f"x{base}row:1"]
    backend.leases.replace("a", "", "text", 60_000)
    for key in others[1:]:
        driver.set(key, "x", ex=60)
    backend.write(full_row(), expect=None)
    backend.clear()
    assert driver.exists(*others) == len(others)
    driver.delete(*others)


@pytest.mark.parametrize("key", ["row:1", "ids", "user_name:user_name-a", "user_name:user_name-b"])
def test_keys_of_another_type_stop_a_write_as_a_whole(
    backend: RedisBackend, driver: Any, base: str, key: str
) -> None:
    """Where a key holds something else, a write is a `BackendError` and changes nothing at all."""
    etag = backend.write(full_row(mark="a"), expect=None)
    driver.delete(base + key)
    driver.set(base + key, "something else")
    before = {name: driver.dump(name) for name in driver.scan_iter(f"{base}*")}
    with pytest.raises(BackendError, match="Choose another prefix"):
        backend.write(full_row(mark="b"), expect=etag)
    assert {name: driver.dump(name) for name in driver.scan_iter(f"{base}*")} == before


@pytest.mark.parametrize("key", ["ids", "user_name:user_name-a"])
def test_keys_of_another_type_are_told(backend: RedisBackend, driver: Any, base: str, key: str) -> None:
    """Where a key that finds rows holds something else, reading it is a `BackendError`, not absence."""
    backend.write(full_row(), expect=None)
    driver.delete(base + key)
    driver.set(base + key, "something else")
    reads: dict[str, Any] = {
        "ids": lambda: list(backend.scan()),
        "user_name:user_name-a": lambda: backend.find("user_name", "user_name-a"),
    }
    with pytest.raises(BackendError, match="Choose another prefix"):
        reads[key]()
