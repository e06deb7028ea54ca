"""Servers that are away, full, busy, loading, read-only: each is told for what it is, in bounded time."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from tests.redis.conftest import Open
from tests.redis.support import texts_of
from tests.support.servers._process import free_port
from tests.support.servers.redis import LocalRedis, start_local
from tests.support.servers.redis_groups import replica_of, until
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError
from zoho_tokenstore.records import SECRET_COLUMNS, Row

TIMEOUT = 0.5
SLACK = 2.0  # seconds for a busy machine, beside what a call may take
SECRET = "1000.very-secret"  # made up

READS: dict[str, Callable[[RedisBackend], object]] = {
    "load": lambda store: store.load("1"),
    "find": lambda store: store.find("access_token", SECRET),
    "scan": lambda store: list(store.scan()),
    "lease": lambda store: store.leases.read("a"),
}
WRITES: dict[str, Callable[[RedisBackend], object]] = {
    "insert": lambda store: store.write(full("2"), expect=None),
    "rehearse": lambda store: store.rehearse(full("2"), expect=None),
    "update": lambda store: store.write(full("1"), expect=etag_of(store)),
    "remove": lambda store: store.remove("1"),
    "clear": lambda store: store.clear(),
    "new lease": lambda store: store.leases.replace("b", "", SECRET, 60_000),
    "replaced lease": lambda store: store.leases.replace("a", "text", SECRET, 60_000),
}
CALLS = READS | WRITES
_etags: dict[RedisBackend, object] = {}


def full(row_id: str) -> Row:
    secrets: dict[str, Any] = dict.fromkeys(SECRET_COLUMNS, SECRET)
    return Row(id=row_id, user_name="alice", **secrets)


def etag_of(store: RedisBackend) -> object:
    return _etags[store]


@pytest.fixture
def store(local: LocalRedis, open_store: Open) -> Iterator[RedisBackend]:
    """A store with a row and a lease, on a server of its own."""
    store = open_store(local.url, timeout=TIMEOUT)
    _etags[store] = store.write(full("1"), expect=None)
    store.leases.replace("a", "", "text", 60_000)
    yield store
    del _etags[store]


@contextmanager
def refused(kind: type[BackendError], words: str) -> Iterator[None]:
    """The block raises this error, in bounded time, and without a secret."""
    began = time.monotonic()
    with pytest.raises(kind, match=words) as caught:
        yield
    assert type(caught.value) is kind
    assert time.monotonic() - began < 2 * TIMEOUT + SLACK
    assert SECRET not in texts_of(caught.value)
    assert "hunter2" not in texts_of(caught.value)


def is_whole(store: RedisBackend) -> bool:
    """Tell whether the row is there as it was, found by all that finds it."""
    expected = full("1")._replace(etag=etag_of(store), digests={})
    return [store.load("1"), *store.scan(), *store.find("user_name", "alice")] == [expected] * 3


def test_a_server_that_was_never_there(open_store: Open) -> None:
    """A store does not open where nobody listens."""
    with refused(BackendUnavailableError, "there is no connection"):
        open_store(f"redis://:hunter2@127.0.0.1:{free_port()}", timeout=TIMEOUT)


def test_a_host_that_has_no_address(open_store: Open) -> None:
    """A store does not open where the name of the host means nothing."""
    with refused(BackendUnavailableError, "there is no connection"):
        open_store("redis://:hunter2@host.invalid", timeout=TIMEOUT)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_is_away(open_store: Open, call: str) -> None:
    """Away, every call is an error; back with its data, the same handle works, and nothing is lost."""
    with start_local(appendonly="yes", appendfsync="always") as server:
        store = open_store(server.url, timeout=TIMEOUT)
        _etags[store] = store.write(full("1"), expect=None)
        server.kill()
        with refused(BackendUnavailableError, "there is no connection"):
            CALLS[call](store)
        server.restart()
        assert is_whole(store)
        CALLS[call](store)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_was_restarted(open_store: Open, call: str) -> None:
    """A server that was restarted between two calls is noticed by nobody."""
    with start_local(appendonly="yes") as server:
        store = open_store(server.url, timeout=TIMEOUT)
        _etags[store] = store.write(full("1"), expect=None)
        store.leases.replace("a", "", "text", 60_000)
        server.end()
        server.restart()
        CALLS[call](store)


@pytest.mark.parametrize("call", CALLS)
def test_a_server_that_does_not_answer(local: LocalRedis, store: RedisBackend, call: str) -> None:
    """Silence ends after the timeout; when the server goes on, so does the store."""
    local.pause()
    with refused(BackendTimeoutError, r"did not answer within 0\.5 s"):
        CALLS[call](store)
    local.resume()
    if call in READS:
        assert is_whole(store)
    assert store.load("none") is None


@pytest.mark.parametrize("call", WRITES)
def test_a_full_server(local: LocalRedis, store: RedisBackend, call: str) -> None:
    """With full memory, reading goes on, and what needs more memory is refused as a whole.

    What is stored can be replaced, so that a new access token is kept even then.
    """
    with local.driver() as driver:
        driver.config_set("maxmemory", "1")
        needs_memory = call in ("insert", "rehearse", "new lease")
        if needs_memory:
            with refused(BackendUnavailableError, "memory is full"):
                WRITES[call](store)
            assert is_whole(store)
            assert store.load("2") is None
            assert store.leases.read("b").text == ""
        else:
            WRITES[call](store)
        driver.config_set("maxmemory", "0")
    WRITES["new lease"](store)


def test_opening_on_a_full_server(
    local: LocalRedis, store: RedisBackend, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    """A server whose memory is full can be opened, as its tokens can be read; a warning tells."""
    with local.driver() as driver:
        driver.config_set("maxmemory", "1")
        assert open_store(local.url).load("1") == store.load("1")
        assert "refuses writes now (OOM); reads continue" in caplog.text
        driver.config_set("maxmemory", "0")


@pytest.mark.parametrize("call", WRITES)
def test_a_server_that_cannot_save(open_store: Open, call: str) -> None:
    """A server that has failed to save refuses all writes: that is told, and passes."""
    with start_local(save="3600 1") as server, server.driver() as driver:
        store = open_store(server.url, timeout=TIMEOUT)
        _etags[store] = store.write(full("1"), expect=None)
        store.leases.replace("a", "", "text", 60_000)
        driver.ping()  # the driver's own socket is in the folder
        shutil.rmtree(server.folder)
        driver.bgsave()
        until(lambda: driver.info("persistence")["rdb_last_bgsave_status"] == "err", "a failed save")
        with refused(BackendUnavailableError, "cannot save to its disk"):
            WRITES[call](store)
        assert is_whole(store)
        assert open_store(server.url).load("1") == store.load("1")
        driver.config_set("stop-writes-on-bgsave-error", "no")
        WRITES[call](store)


@pytest.mark.parametrize("call", WRITES)
def test_a_server_that_became_a_replica(local: LocalRedis, store: RedisBackend, call: str) -> None:
    """A primary that was made a replica can still be read; every write says what it is now."""
    with local.driver() as driver:
        driver.replicaof("127.0.0.1", free_port())
        with refused(BackendUnavailableError, r"it is a replica.*the address of the primary"):
            WRITES[call](store)
        assert is_whole(store)
        driver.replicaof("no", "one")
    WRITES[call](store)


@pytest.mark.parametrize("call", ["load", "find", "insert", "lease", "new lease"])
def test_a_replica_without_its_primary(local: LocalRedis, open_store: Open, call: str) -> None:
    """A replica that may not serve old data says that its primary is gone."""
    with start_local() as primary:
        store = open_store(primary.url, timeout=TIMEOUT)
        with primary.driver() as driver:
            driver.config_set("replica-serve-stale-data", "no")
            driver.replicaof("127.0.0.1", free_port())
        with refused(BackendUnavailableError, "lost its primary"):
            CALLS[call](store)


@pytest.mark.long
def test_too_few_replicas(local: LocalRedis, store: RedisBackend) -> None:
    """With min-replicas-to-write, a primary without replicas refuses writes: that is told."""
    with local.driver() as driver:
        driver.config_set("min-replicas-to-write", 1)
        with refused(BackendUnavailableError, "too few replicas"):
            WRITES["insert"](store)
        with replica_of(local):
            until(lambda: driver.info("replication").get("min_slaves_good_slaves") == 1, "a good replica")
            WRITES["insert"](store)


@pytest.mark.parametrize("call", ["load", "find", "insert", "remove", "lease", "new lease"])
def test_a_busy_server(local: LocalRedis, open_store: Open, store: RedisBackend, call: str) -> None:
    """A script of somebody else that does not end is told as what it is, until it is ended."""
    with local.driver() as driver, local.driver() as other:
        driver.config_set("lua-time-limit", 100)
        endless = threading.Thread(target=_run_for_ever, args=(other,))
        endless.start()
        until(lambda: _is_busy(driver), "the script to be noticed")
        with refused(BackendUnavailableError, "a script of another program keeps it busy"):
            CALLS[call](store)
        driver.script_kill()
        endless.join()
    assert is_whole(store)
    CALLS[call](store)


def _run_for_ever(driver: Any) -> None:
    with pytest.raises(redis.ResponseError, match=r"[Kk]illed"):
        driver.eval("while true do end", 0)


def _is_busy(driver: Any) -> bool:
    try:
        driver.ping()
    except redis.ResponseError as error:
        return "BUSY" in str(error)
    return False


@pytest.mark.long
def test_a_server_that_is_loading(open_store: Open) -> None:
    """A server that is still loading its data says so, to a store that is open and to a new one."""
    with start_local(key_load_delay=500, loading_process_events_interval_bytes=1024) as server:
        store = open_store(server.url, timeout=TIMEOUT)
        _etags[store] = store.write(full("1"), expect=None)
        with server.driver() as driver:
            driver.mset({f"other:{number}": "x" for number in range(4000)})
            driver.save()
        server.kill()
        starting = threading.Thread(target=server.restart)
        starting.start()
        until(lambda: _is_loading(server), "the server to load")
        with refused(BackendUnavailableError, "still loading its data"):
            store.load("1")
        with refused(BackendUnavailableError, "still loading its data"):
            open_store(server.url, timeout=TIMEOUT)
        starting.join()
        assert is_whole(store)


def _is_loading(server: LocalRedis) -> bool:
    try:
        with server.driver(retry=Retry(NoBackoff(), 0)) as driver:
            driver.ping()
    except redis.BusyLoadingError:
        return True
    except redis.ConnectionError:
        pass
    return False


@pytest.mark.parametrize("login", ["", ":wrong@", "nobody:hunter2@"])
def test_a_wrong_login(open_store: Open, login: str) -> None:
    """A missing or wrong password, or an unknown user, is refused at opening, and not shown."""
    with start_local(requirepass="hunter2") as server:
        with refused(BackendUnavailableError, r"refuses the login.*the password in the URL"):
            open_store(server.url.replace("://", f"://{login}"), timeout=TIMEOUT)
        store = open_store(server.url.replace("://", "://:hunter2@"))
        assert "hunter2" not in f"{store!r} {store.location} {vars(store)}"


def test_a_password_that_was_changed(open_store: Open) -> None:
    """After a change of the password, new connections are refused, until it is the old one again."""
    with start_local(requirepass="hunter2") as server, server.driver() as driver:
        store = open_store(server.url.replace("://", "://:hunter2@"), timeout=TIMEOUT)
        _etags[store] = store.write(full("1"), expect=None)
        driver.config_set("requirepass", "changed")
        driver.client_kill_filter(_type="normal", skipme=True)
        with refused(BackendUnavailableError, "refuses the login"):
            store.load("1")
        driver.config_set("requirepass", "hunter2")
        assert is_whole(store)


def test_a_login_that_is_not_wanted(local: LocalRedis, open_store: Open) -> None:
    """A password for a server that has none is told, and not shown."""
    with refused(BackendUnavailableError, "refuses the login"):
        open_store(local.url.replace("://", "://:hunter2@"), timeout=TIMEOUT)


def test_too_many_clients(local: LocalRedis, open_store: Open) -> None:
    """A server that takes no more clients says so."""
    with local.driver() as driver:
        driver.config_set("maxclients", 1)
        with refused(BackendUnavailableError, "as many clients as it allows"):
            open_store(local.url, timeout=TIMEOUT)


def test_a_database_that_is_not_there(local: LocalRedis, open_store: Open) -> None:
    """A database number that the server does not have is an error at opening."""
    with pytest.raises(BackendError, match=r"redis://127\.0\.0\.1:\d+/99"):
        open_store(local.url.replace("/0", "/99"), timeout=TIMEOUT)


def test_something_that_is_not_redis(open_store: Open) -> None:
    """Another program on that port is an error in bounded time."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with refused(BackendTimeoutError, "did not answer"):
            open_store(f"redis://127.0.0.1:{port}", timeout=TIMEOUT)


@pytest.mark.parametrize("renamed", ["EVALSHA", "HMGET"])
def test_a_command_that_the_server_lacks(open_store: Open, renamed: str) -> None:
    """A missing command is an error without what was sent: the server would quote it."""
    with start_local("--rename-command", renamed, "") as server:
        with pytest.raises(BackendError) as caught:
            open_store(server.url, timeout=TIMEOUT).load(SECRET)
        assert SECRET not in texts_of(caught.value)
        assert caught.value.__cause__ is None
        assert "refused a command" in str(caught.value)
