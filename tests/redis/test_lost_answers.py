"""Connections that break in the middle of a call, so that nobody knows whether it was done."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from redis import Connection

from tests.redis.conftest import Open
from tests.redis.proxy import Proxy
from tests.redis.support import rows_in, teach
from tests.support.servers.redis import LocalRedis
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendUnavailableError, RetiredIdError, RowChangedError
from zoho_tokenstore.records import Row

DOUBT = "broke during a change"
TTL = 60_000


@pytest.fixture
def proxy(local: LocalRedis) -> Iterator[Proxy]:
    with Proxy(local.port) as proxy:
        yield proxy


@pytest.fixture
def store(proxy: Proxy, open_store: Open) -> RedisBackend:
    """A store behind the proxy, with a row, on a server that knows the scripts."""
    store = open_store(proxy.url)
    teach(store)
    store.write(Row(id="1", user_name="alice"), expect=None)
    return store


@pytest.fixture
def direct(local: LocalRedis, open_store: Open) -> RedisBackend:
    """The same store, without the proxy."""
    return open_store(local.url)


READS: dict[str, Callable[[RedisBackend], object]] = {
    "load": lambda store: (store.load("1") or Row("")).user_name,
    "find": lambda store: rows_in(store.find("user_name", "alice"))[0].user_name,
    "scan": lambda store: rows_in(store.scan())[0].user_name,
    "lease": lambda store: store.leases.read("b").text == "" and "alice",
}


@pytest.mark.parametrize("loss", ["request", "answer"])
@pytest.mark.parametrize("read", READS)
def test_a_read_is_repeated_once(proxy: Proxy, store: RedisBackend, read: str, loss: str) -> None:
    """A read whose connection breaks once gives its answer; one that breaks twice is an error."""
    lose = getattr(proxy, f"lose_{loss}")
    lose()
    assert READS[read](store) == "alice"
    assert proxy.lost == 1
    lose()
    lose()
    with pytest.raises(BackendUnavailableError, match="there is no connection, or it broke"):
        READS[read](store)
    assert proxy.lost == 3
    assert READS[read](store) == "alice"


@pytest.mark.parametrize("loss", ["request", "answer"])
@pytest.mark.parametrize("is_new", [True, False])
def test_a_write_is_done_once(proxy: Proxy, store: RedisBackend, loss: str, is_new: bool) -> None:
    """A write whose connection breaks is done, and not taken for a conflict, done before or not."""
    loaded = store.load("1")
    assert loaded is not None
    getattr(proxy, f"lose_{loss}")()
    row_id = "2" if is_new else "1"
    etag = store.write(Row(id=row_id, user_name="bob"), expect=None if is_new else loaded.etag)
    assert proxy.lost == 1
    stored = store.load(row_id)
    assert stored == Row(id=row_id, user_name="bob", digests={}, etag=etag)
    assert [row.id for row in store.find("user_name", "bob")] == [row_id]


def test_a_conflict_stays_one(proxy: Proxy, store: RedisBackend, direct: RedisBackend) -> None:
    """A write that was refused is a conflict; if that answer was lost, nobody says that it was one."""
    with pytest.raises(RowChangedError):
        store.write(Row(id="1"), expect="made up")
    proxy.lose_answer()
    with pytest.raises(BackendUnavailableError, match=DOUBT):
        store.write(Row(id="1"), expect="made up")
    assert direct.find("user_name", "alice")


def test_a_write_that_was_done_and_replaced_is_no_conflict(
    proxy: Proxy, store: RedisBackend, direct: RedisBackend
) -> None:
    """A write that was done, and replaced before it could be asked for, is told as what it is: unknown."""
    seen: list[Any] = []

    def replace() -> None:
        row = direct.load("2")
        assert row is not None
        seen.append(row.user_name)
        direct.write(row._replace(user_name="carol"), expect=row.etag)

    proxy.lose_answer(meanwhile=replace)
    with pytest.raises(BackendUnavailableError, match=DOUBT):
        store.write(Row(id="2", user_name="bob"), expect=None)
    assert seen == ["bob"]
    assert [row.id for row in store.find("user_name", "carol")] == ["2"]


def test_remove_does_not_guess(proxy: Proxy, store: RedisBackend, direct: RedisBackend) -> None:
    """A removal that did not arrive is done; one that may have been done before says so."""
    proxy.lose_request()
    assert store.remove("1") is True
    direct.write(Row(id="2"), expect=None)
    proxy.lose_answer()
    with pytest.raises(BackendUnavailableError, match=DOUBT):
        store.remove("2")
    assert direct.load("2") is None
    assert [retired.id for retired in direct.retired.scan()] == ["1", "2"]


def test_a_write_that_was_done_and_deleted_is_retired(
    proxy: Proxy, store: RedisBackend, direct: RedisBackend
) -> None:
    """A new row that was stored, and deleted before it could be asked for, stays deleted."""
    proxy.lose_answer(meanwhile=lambda: direct.remove("2"))
    with pytest.raises(RetiredIdError):
        store.write(Row(id="2"), expect=None)
    assert direct.load("2") is None


@pytest.mark.parametrize("loss", ["request", "answer"])
def test_clear_is_never_repeated(proxy: Proxy, store: RedisBackend, direct: RedisBackend, loss: str) -> None:
    """`clear` is an error if its connection breaks, done or not: done twice it would count wrongly."""
    getattr(proxy, f"lose_{loss}")()
    with pytest.raises(BackendUnavailableError, match="as a whole, or not at all; try again"):
        store.clear()
    assert len(list(direct.scan())) == (loss == "request")
    assert store.clear() == (loss == "request")


@pytest.mark.parametrize("loss", ["request", "answer"])
def test_a_lease_is_replaced_once(proxy: Proxy, store: RedisBackend, direct: RedisBackend, loss: str) -> None:
    """Who replaces a text over a broken connection has done it; what was refused stays refused."""
    for was, text in (("", "one"), ("one", "two")):
        getattr(proxy, f"lose_{loss}")()
        assert store.leases.replace("b", was, text, TTL) is True
        assert direct.leases.replace("b", was, "late", TTL) is False
        getattr(proxy, f"lose_{loss}")()
        assert store.leases.replace("b", was, "late", TTL) is False
        assert direct.leases.read("b").text == text
    assert proxy.lost == 4


def test_a_lease_that_others_have_replaced_meanwhile(
    proxy: Proxy, store: RedisBackend, direct: RedisBackend
) -> None:
    """A text that was stored, and replaced before that could be asked for, is not stored now."""
    proxy.lose_answer(meanwhile=lambda: direct.leases.replace("b", "one", "two", TTL))
    assert store.leases.replace("b", "", "one", TTL) is False
    assert direct.leases.read("b").text == "two"


def test_an_answer_that_nobody_read_is_read_by_nobody(
    store: RedisBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl+C between a command and its answer, the next command gets its own answer."""
    store.write(Row(id="2", user_name="bob"), expect=None)
    send: Any = Connection.send_packed_command

    def interrupted(connection: Any, *_: Any, **__: Any) -> None:
        send(connection, connection.pack_command("BLPOP", "nothing", "0.3"))  # its answer comes late
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Connection, "send_packed_command", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.load("1")
    assert (store.load("2") or Row("")).user_name == "bob"
