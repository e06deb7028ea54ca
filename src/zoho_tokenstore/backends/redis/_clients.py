"""redis-py clients for one server, for Sentinel, and for a cluster."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final, Protocol, cast

import redis
from redis.backoff import NoBackoff
from redis.cluster import ClusterNode, RedisCluster
from redis.retry import Retry
from redis.sentinel import Sentinel, SentinelConnectionPool

from zoho_tokenstore.backends.redis._urls import RedisSettings

_SENTINEL: Final = "sentinel_"
_NO_LIMIT: Final = sys.maxsize  # of connections: a thread never waits for another's


class RedisClient(Protocol):
    """What the backend needs from a client: one command, one answer."""

    def execute_command(self, *args: Any, **options: Any) -> Any:
        """Send a command, and return the answer as the protocol has it, strings as bytes."""


class OwnClients:
    """Makes the store's own clients, and closes them.

    `timeout` is how long a client waits for an answer, in seconds; `address` is the URL of what it
    is connected to, without a login.
    """

    def __init__(self, settings: RedisSettings) -> None:
        self.timeout = settings.timeout
        self.address = settings.address
        self._settings = settings

    def make(self) -> RedisClient:
        """Return a new client. A cluster's asks for its nodes at once; the others connect when used."""
        settings = self._settings
        common: dict[str, Any] = {
            "socket_timeout": settings.timeout,
            "socket_connect_timeout": settings.timeout,
            "socket_keepalive": True,
            "retry": Retry(NoBackoff(), 0),  # what may be repeated, and when, is decided by the caller
            "protocol": 2,
        }
        if settings.tls:
            common["ssl_check_hostname"] = True
            common |= {name: value for name, value in settings.extra.items() if name.startswith("ssl_")}
        make_client = {"": _server, "sentinel": _sentinel, "cluster": _cluster}[settings.kind]
        return cast("RedisClient", make_client(settings, common))

    def close(self, client: RedisClient) -> None:
        """Close the connections that no thread is using."""
        close_idle(client)

    def disown(self, client: RedisClient) -> None:
        """Let go of a parent's client in a child.

        Garbage collection closes its sockets, and nothing else is done: its locks may have
        been held by threads that the child does not have.
        """
        for owned in (client, *servers_of(client)):
            setattr(owned, "close", _do_nothing)  # noqa: B010  # what `__del__` calls


def close_idle(client: RedisClient) -> None:
    """Close the connections that no thread is using; it makes new ones when needed."""
    for server in servers_of(client):
        server.connection_pool.disconnect(inuse_connections=False)


def node_options(client: RedisClient, key: str) -> dict[str, Any]:
    """Return the options that send a command without a key to the node of `key`."""
    if isinstance(client, RedisCluster):
        return {"target_nodes": client.get_node_from_key(key)}  # type: ignore[no-untyped-call]
    return {}


def _server(settings: RedisSettings, common: dict[str, Any]) -> redis.Redis:
    return redis.Redis.from_url(settings.urls[0], max_connections=_NO_LIMIT, **common)


def _sentinel(settings: RedisSettings, common: dict[str, Any]) -> redis.Redis:
    common["ssl"] = settings.tls
    login = {
        name.removeprefix(_SENTINEL): text
        for name, text in settings.extra.items()
        if name.startswith(_SENTINEL)
    }
    make_sentinels: Any = Sentinel
    sentinels = make_sentinels(settings.nodes, sentinel_kwargs={**common, **login})
    primary: redis.Redis = sentinels.master_for(
        settings.service, db=settings.database, max_connections=_NO_LIMIT, **common, **settings.login
    )
    return primary


def _cluster(settings: RedisSettings, common: dict[str, Any]) -> RedisCluster:
    others = [ClusterNode(*node) for node in settings.nodes[1:]]  # type: ignore[no-untyped-call]
    return RedisCluster.from_url(settings.urls[0], startup_nodes=others, max_connections=_NO_LIMIT, **common)


def servers_of(client: RedisClient) -> Iterator[redis.Redis]:
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
