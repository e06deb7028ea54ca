"""A redis-py client made by the caller: what it must be, and what it is connected to."""

from __future__ import annotations

import codecs
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import redis
from redis.cluster import RedisCluster
from redis.sentinel import SentinelConnectionPool

from zoho_tokenstore.backends.redis._clients import RedisClient, servers_of
from zoho_tokenstore.backends.redis._urls import format_address
from zoho_tokenstore.errors import ConfigurationError

_DEFAULT_HOST: Final = "localhost"
_DEFAULT_PORT: Final = 6379


class CallersClient:
    """Lends a client that the caller made and closes: of one server, a primary, or a cluster."""

    def __init__(self, client: redis.Redis | RedisCluster) -> None:
        if not isinstance(client, redis.Redis | RedisCluster):
            raise ConfigurationError(
                f"client must be a redis.Redis or a redis.cluster.RedisCluster, not {type(client).__name__}."
            )
        _check_encoding(client)
        _check_replicas(client)
        self.timeout = _timeout_of(client)
        self.address = address_of(client)
        self._client = client

    def make(self) -> RedisClient:
        """Return the caller's client."""
        return self._client

    def close(self, client: RedisClient) -> None:
        """Leave it open: its caller closes it."""

    def disown(self, client: RedisClient) -> None:
        """Leave it as it is: redis-py's pools make new connections in a child themselves."""


def address_of(client: redis.Redis | RedisCluster) -> str:
    """Return the URL of what a client is connected to, without a login."""
    options: Mapping[str, Any] = client.get_connection_kwargs()
    if isinstance(client, RedisCluster):
        # Those that the caller named, which stay the same; redis-py 6 only has those it found.
        named = getattr(client, "startup_nodes", None) or client.nodes_manager.nodes_cache.values()
        nodes = sorted((node.host, int(node.port)) for node in named)
        return format_address("cluster", _has_tls(options), nodes)
    pool, database = client.connection_pool, int(options.get("db") or 0)
    if "path" in options:
        return f"unix://{quote(options['path'])}/{database}"
    tls = issubclass(pool.connection_class, redis.SSLConnection)
    if isinstance(pool, SentinelConnectionPool):
        sentinels = [_node(one.get_connection_kwargs()) for one in pool.sentinel_manager.sentinels]
        return format_address("sentinel", tls, sentinels, database, pool.service_name)
    return format_address("", tls, [_node(options)], database)


def _node(options: Mapping[str, Any]) -> tuple[str, int]:
    return options.get("host", _DEFAULT_HOST), int(options.get("port", _DEFAULT_PORT))


def _has_tls(options: Mapping[str, Any]) -> bool:
    return bool(options.get("ssl")) or issubclass(
        options.get("connection_class", redis.Connection), redis.SSLConnection
    )


def _check_encoding(client: redis.Redis | RedisCluster) -> None:
    encoder = client.get_encoder()
    if encoder.decode_responses or codecs.lookup(encoder.encoding).name != "utf-8":
        raise ConfigurationError(
            "The Redis client decodes answers, or encodes in something other than UTF-8, and the store needs "
            "bytes. Give it its own client, without decode_responses and encoding."
        )


def _check_replicas(client: redis.Redis | RedisCluster) -> None:
    if isinstance(client, RedisCluster) and (client.read_from_replicas or client.load_balancing_strategy):
        raise ConfigurationError(
            "The Redis client reads from replicas, which may not have the last save yet. Give the store a "
            "client without read_from_replicas and load_balancing_strategy."
        )


def _timeout_of(client: redis.Redis | RedisCluster) -> float:
    """Return how long at most a client waits for an answer, in seconds."""
    connection: Any = redis.Connection
    default = connection().socket_timeout  # 5 s since redis-py 8, and none before that
    clients = [client] if isinstance(client, RedisCluster) else [*servers_of(client)]
    timeouts: list[Any] = [one.get_connection_kwargs().get("socket_timeout", default) for one in clients]
    if None in timeouts:
        raise ConfigurationError(
            "The Redis client has no time limit, so a look-up could wait forever. Make it with "
            "socket_timeout=5, or another number of seconds; Sentinels need one too (sentinel_kwargs)."
        )
    return float(max(timeouts))
