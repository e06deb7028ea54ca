"""A client that the caller made: the store uses it as it is, and leaves it open."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.backoff import NoBackoff
from redis.cluster import LoadBalancingStrategy, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel

from tests.redis.support import make, prefix_of, shared
from tests.support.processes import PATIENCE
from tests.support.servers._process import free_port
from tests.support.servers.redis import LocalRedis
from tests.support.servers.redis_groups import cluster, sentinel_pair
from zoho_tokenstore import RedisStore
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.backends.redis import RedisBackend
from zoho_tokenstore.backends.redis._callers_client import address_of
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConfigurationError,
)
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing import BackendContract, make_token

LIMIT = 1.0
SENTINEL: Any = Sentinel  # redis-py gives it no types


@pytest.fixture
def client() -> Iterator[redis.Redis]:
    """A client of the caller, on the shared server; made as most programs make theirs."""
    with redis.Redis.from_url(shared().url, socket_timeout=5) as client:
        yield client


class TestCallersClient(BackendContract):
    @pytest.fixture(autouse=True)
    def _on(self, client: redis.Redis) -> None:
        self.client = client

    def make_backend(self, folder: Path) -> Backend:
        make(folder).close()  # without rows
        return self.reopen(None, folder)

    def reopen(self, backend: Backend | None, folder: Path) -> Backend:
        return RedisBackend(client=self.client, prefix=prefix_of(folder))


def test_the_store_is_that_of_the_url(client: redis.Redis, backend: RedisBackend, tmp_path: Path) -> None:
    """A store with a client of the same server and prefix has the same rows, and the same location."""
    backend.write(Row("1", user_name="alice"), expect=None)
    with closing(RedisBackend(client=client, prefix=prefix_of(tmp_path))) as same:
        assert same.load("1") == backend.load("1")
        assert same.location == backend.location


def test_the_caller_closes_the_client(client: redis.Redis, tmp_path: Path) -> None:
    """A closed store refuses further calls, and its client can still be used."""
    store = RedisBackend(client=client, prefix=prefix_of(tmp_path))
    connections = client.connection_pool
    store.close()
    with pytest.raises(BackendError, match="has been closed"):
        store.load("1")
    assert client.ping()
    assert client.connection_pool is connections


def test_a_store_of_the_sdk(client: redis.Redis, tmp_path: Path) -> None:
    """`RedisStore` takes a client too."""
    with closing(RedisStore(client=client, prefix=prefix_of(tmp_path))) as store:
        store.save_token(make_token(user_name="alice", refresh_token="r"))
        assert len(store.get_tokens()) == 1
        store.delete_tokens()


@pytest.mark.long
def test_sentinel(tmp_path: Path) -> None:
    """A client for the primary behind Sentinels serves a store; a client for a replica is refused."""
    shared()
    with sentinel_pair() as (_, _, server):
        sentinel = SENTINEL([("127.0.0.1", server.port)], socket_timeout=5)
        with sentinel.master_for("tokens") as client, closing(RedisBackend(client=client)) as store:
            store.write(Row("1"), expect=None)
            assert store.load("1") is not None
            url = f"redis+sentinel://127.0.0.1:{server.port}/tokens/0"
            assert store.location == f"{url}?prefix=zoho-tokens"
        with (
            sentinel.slave_for("tokens") as client,
            pytest.raises(BackendUnavailableError, match="the server is a replica"),
        ):
            RedisBackend(client=client)


@pytest.mark.long
def test_cluster(tmp_path: Path) -> None:
    """A client for a cluster serves a store; one that reads from replicas is refused."""
    shared()
    with cluster() as made:
        given: dict[str, Any] = {"host": "127.0.0.1", "port": made.nodes[0].port, "socket_timeout": 5}
        with RedisCluster(**given) as client, closing(RedisBackend(client=client)) as store:
            store.write(Row("1"), expect=None)
            assert store.load("1") is not None
            assert re.fullmatch(r"redis\+cluster://127\.0\.0\.1:\d+.*\?prefix=zoho-tokens", store.location)
            assert f"127.0.0.1:{given['port']}" in store.location
        with (
            RedisCluster(load_balancing_strategy=LoadBalancingStrategy.ROUND_ROBIN, **given) as client,
            pytest.raises(ConfigurationError, match="reads from replicas"),
        ):
            RedisBackend(client=client)


def sentinel_client(**sentinel_kwargs: Any) -> Any:
    """Return a client that has a time limit, by Sentinels that have these options."""
    sentinel = SENTINEL([("one", 1), ("two", 2)], sentinel_kwargs=sentinel_kwargs)
    return sentinel.master_for("main/2", socket_timeout=5, db=3)


@pytest.mark.parametrize(
    ("client", "address"),
    [
        (redis.Redis(), "redis://localhost:6379/0"),
        (redis.Redis("10.0.0.1", 7000, db=3, username="u", password="secret"), "redis://10.0.0.1:7000/3"),
        (redis.Redis("::1", ssl=True), "rediss://[::1]:6379/0"),
        (redis.Redis.from_url("rediss://:secret@host/2"), "rediss://host:6379/2"),
        (redis.Redis(unix_socket_path="/run/redis socket", db=1), "unix:///run/redis%20socket/1"),
        (sentinel_client(), "redis+sentinel://one:1,two:2/main%2F2/3"),
    ],
)
def test_location_of_a_client(client: redis.Redis, address: str) -> None:
    """The location is the URL of what the client is connected to, without a login."""
    assert address_of(client) == address


@pytest.mark.parametrize(
    ("make_client", "text"),
    [
        (lambda: "redis://:secret@localhost", "client must be a redis.Redis or .*, not str"),
        (lambda: redis.asyncio.Redis(socket_timeout=1), "client must be a redis.Redis or .*, not Redis"),
        (lambda: redis.ConnectionPool(socket_timeout=1), "client must be .*, not ConnectionPool"),
        (lambda: redis.Redis(socket_timeout=1, decode_responses=True), "decodes answers"),
        (lambda: redis.Redis(socket_timeout=1, encoding="latin-1"), "other than UTF-8"),
        (lambda: redis.Redis(socket_timeout=None), "no time limit"),
        (lambda: sentinel_client(socket_timeout=None), "no time limit"),
    ],
)
def test_a_client_that_cannot_serve(make_client: Callable[[], Any], text: str) -> None:
    """A client of another kind, one that decodes answers, and one that may wait for ever are refused."""
    with pytest.raises(ConfigurationError, match=text) as refused:
        RedisBackend(client=make_client())
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"url": "redis://:secret@localhost"}, "url"),
        ({"timeout": 2.0, "ssl_ca_certs": "ca.crt"}, "ssl_ca_certs, timeout"),
        ({"sentinel_password": "secret"}, "sentinel_password"),
    ],
)
def test_options_that_connect_are_refused_beside_it(options: dict[str, Any], named: str) -> None:
    """What says how to connect cannot be given together with a client; the error names it."""
    for make_store in (RedisBackend, RedisStore):
        with pytest.raises(ConfigurationError, match=rf"cannot also take {named}:") as refused:
            make_store(client=redis.Redis(socket_timeout=1), **options)
        assert "secret" not in str(refused.value)


def test_the_time_limit_is_the_clients(local: LocalRedis) -> None:
    """A server that hangs is told when the client's `socket_timeout` is over, and the error names it."""
    options: dict[str, Any] = {"socket_timeout": LIMIT, "retry": Retry(NoBackoff(), 0)}
    with (
        redis.Redis.from_url(local.url, **options) as client,
        closing(RedisBackend(client=client)) as store,
    ):
        local.pause()
        began = time.monotonic()
        with pytest.raises(BackendTimeoutError, match=r"did not answer within 1 s"):
            store.load("1")
        assert time.monotonic() - began < 3 * LIMIT
        local.resume()
        assert store.load("1") is None


def test_a_pool_that_is_used_up(local: LocalRedis) -> None:
    """Where the client's pool has no connection left, the error names the pool and not the network."""
    with (
        redis.Redis.from_url(local.url, socket_timeout=LIMIT, max_connections=1) as client,
        closing(RedisBackend(client=client)) as store,
    ):
        taken = client.connection_pool.get_connection()
        with pytest.raises(BackendUnavailableError, match="max_connections"):
            store.load("1")
        client.connection_pool.release(taken)
        assert store.load("1") is None


def test_nobody_is_there() -> None:
    """A client that cannot connect is told at opening."""
    with (
        redis.Redis(port=free_port(), socket_timeout=LIMIT, retry=Retry(NoBackoff(), 0)) as client,
        pytest.raises(BackendUnavailableError, match="there is no connection"),
    ):
        RedisBackend(client=client)


def test_a_child_uses_the_client(client: redis.Redis, backend: RedisBackend, tmp_path: Path) -> None:
    """After a fork the child's calls have connections of their own, and the parent's go on."""
    store = RedisBackend(client=client, prefix=prefix_of(tmp_path))
    store.load("1")
    child = os.fork()
    if child == 0:
        signal.alarm(int(PATIENCE))
        status = 1
        try:
            store.write(Row("1", user_name=str(client.client_id())), expect=None)
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    row = store.load("1")
    assert row is not None
    assert row.user_name != str(client.client_id())


def test_an_answer_that_nobody_read_is_read_by_nobody(
    client: redis.Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After Ctrl+C between a command and its answer, the next command gets its own, and the client lives."""
    with closing(RedisBackend(client=client, prefix=prefix_of(tmp_path))) as store:
        store.write(Row(id="2", user_name="bob"), expect=None)
        send: Any = redis.Connection.send_packed_command

        def interrupted(connection: Any, *_: Any, **__: Any) -> None:
            send(connection, connection.pack_command("BLPOP", "nothing", "0.3"))  # its answer comes late
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(redis.Connection, "send_packed_command", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.load("1")
        assert (store.load("2") or Row("")).user_name == "bob"
    assert client.ping()
