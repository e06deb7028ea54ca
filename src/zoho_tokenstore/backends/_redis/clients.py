"""Clients of redis-py for one server, for Sentinel, and for a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final, Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from zoho_tokenstore.backends._redis.settings import Settings

_SENTINEL: Final = "sentinel_"


class Client(Protocol):
    """What the backend needs of a client: one command, one answer."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, and return the answer as the protocol has it, texts as bytes."""


def make(settings: Settings) -> Client:
    """Return a client. One for a cluster asks for its nodes at once; the others connect when used."""
    address, timeout = settings.address, settings.timeout
    common: dict[str, Any] = {
        "username": address.login.get("username"),
        "password": address.login.get("password"),
        "socket_timeout": timeout,
        "socket_connect_timeout": timeout,
        "socket_keepalive": True,
        "retry": Retry(NoBackoff(), 0),  # what may be repeated, and when, is decided above
        "protocol": 2,
        **_tls(settings),
    }
    make_client = {"": _server, "sentinel": _sentinel, "cluster": _cluster}[address.kind]
    return cast("Client", make_client(settings, common))


def node_options(client: Client, key: str) -> dict[str, Any]:
    """Return the options with which a command without a key goes to the node of `key`."""
    if isinstance(client, RedisCluster):
        return {"target_nodes": client.get_node_from_key(key)}  # type: ignore[no-untyped-call]
    return {}


def close(client: Client) -> None:
    """Close the connections that no thread is using."""
    for owned in _owned(client):
        owned.connection_pool.disconnect(inuse_connections=False)


def disown(client: Client) -> None:
    """Let go of a parent's client in a child.

    When it is collected, its sockets are closed, and nothing else is done: its locks may have
    been held, by threads that the child does not have.
    """
    for owned in (client, *_owned(client)):
        setattr(owned, "close", _do_nothing)  # noqa: B010  # what `__del__` calls


def _tls(settings: Settings) -> dict[str, Any]:
    given = {name: value for name, value in settings.extra.items() if name.startswith("ssl_")}
    return {"ssl_check_hostname": True, **given} if settings.address.tls else {}


def _server(settings: Settings, common: dict[str, Any]) -> redis.Redis:
    address = settings.address
    ((host, port),) = address.nodes
    pool = redis.ConnectionPool(
        connection_class=redis.SSLConnection if address.tls else redis.Connection,
        host=host,
        port=port,
        db=address.database,
        max_connections=sys.maxsize,  # a thread never waits for another's connection
        **common,
    )
    return redis.Redis(connection_pool=pool)


def _sentinel(settings: Settings, common: dict[str, Any]) -> redis.Redis:
    address = settings.address
    login = {
        name.removeprefix(_SENTINEL): text
        for name, text in settings.extra.items()
        if name.startswith(_SENTINEL)
    }
    own = {**common, "ssl": address.tls, "username": None, "password": None, **login}
    sentinels = Sentinel(address.nodes, sentinel_kwargs=own)  # type: ignore[no-untyped-call]
    pool = SentinelConnectionPool(  # type: ignore[no-untyped-call]
        address.service,
        sentinels,
        ssl=address.tls,
        db=address.database,
        max_connections=sys.maxsize,
        **common,
    )
    return redis.Redis(connection_pool=pool)


def _cluster(settings: Settings, common: dict[str, Any]) -> RedisCluster:
    address = settings.address
    return RedisCluster(
        startup_nodes=[ClusterNode(*node) for node in address.nodes],  # type: ignore[no-untyped-call]
        ssl=address.tls,
        max_connections=sys.maxsize,
        **common,
    )


def _owned(client: Client) -> Iterator[redis.Redis]:
    """Yield the clients of single servers that a client consists of."""
    if isinstance(client, RedisCluster):
        manager = client.nodes_manager
        for node in (*manager.nodes_cache.values(), *manager.startup_nodes.values()):
            if node.redis_connection is not None:
                yield node.redis_connection
        return
    server = cast("redis.Redis", client)
    yield server
    if isinstance(server.connection_pool, SentinelConnectionPool):
        yield from server.connection_pool.sentinel_manager.sentinels


def _do_nothing() -> None:
    pass
