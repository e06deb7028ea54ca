"""What a Redis server shows of itself and of a store, by commands that only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult

from redis.exceptions import ResponseError

from zoho_tokenstore._inspection import StorageFacts, Usage
from zoho_tokenstore.backends.redis import DEFAULT_PREFIX, DEFAULT_TIMEOUT
from zoho_tokenstore.backends.redis import _checks as checks
from zoho_tokenstore.backends.redis import _clients as clients
from zoho_tokenstore.backends.redis import _read_scripts as reads
from zoho_tokenstore.backends.redis._clients import OwnClients, RedisClient
from zoho_tokenstore.backends.redis._connections import RedisConnections
from zoho_tokenstore.backends.redis._key_names import RedisKeyNames
from zoho_tokenstore.backends.redis._rows import found_of
from zoho_tokenstore.backends.redis._urls import RedisSettings, settings_of
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.records import Found

_FULL: Final = "max number of clients"
_LOSES: Final = "all tokens are lost when the server restarts (appendonly and save are off)"


def inspect(parts: SplitResult, timeout: float) -> RedisInspection:
    """Return a look at the store that a URL names, with so many seconds for each answer."""
    settings = settings_of(
        parts.geturl(), prefix=DEFAULT_PREFIX, timeout=DEFAULT_TIMEOUT, allow_eviction=False
    )
    return RedisInspection(replace(settings, timeout=min(settings.timeout, timeout)))


class RedisInspection:
    """A look at a server, or at the node of a cluster that has the store."""

    files: tuple[Path, ...] = ()

    def __init__(self, settings: RedisSettings) -> None:
        self._allows_eviction = settings.allow_eviction
        self._keys = RedisKeyNames(settings.prefix)
        self.location = f"{settings.address}?prefix={settings.prefix}"
        self._connections = RedisConnections(OwnClients(settings), self.location)

    def look(self, *, thorough: bool) -> StorageFacts:  # noqa: ARG002  # there is nothing more to look at
        try:
            seen: Mapping[str, str] = self._connections.run(checks.read_server_settings, self._keys.meta)
        except BackendUnavailableError as error:
            if _FULL in str(error.__cause__):
                return StorageFacts(has_room=False)
            raise
        clock, clients_, layout = self._connections.run(_read_state, self._keys.meta)
        checks.check_layout(self.location, layout)
        policy = None if self._allows_eviction else checks.evicting_leases(seen)
        return StorageFacts(
            schema="current" if layout else "missing",
            read_only="the server is a replica" if seen.get("role") == "slave" else None,
            now_ms=clock,
            connections=clients_,
            evicts=policy,
            evicts_tokens=policy is not None and checks.evicting_policy(seen) is not None,
            loses=_LOSES if checks.loses_all(seen) else None,
            hidden=tuple(
                name for name in ("save", "appendonly", "maxmemory-policy") if _is_hidden(name, seen)
            ),
        )

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        pages = reads.pages(self._connections, self._keys, after, limit)
        return (found_of(pair) for _, pairs in pages for pair in pairs)

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        if not names:
            return {}
        texts = self._connections.run(_read_many, [self._keys.leases + name for name in names])
        return {
            name: text.decode(errors="replace")
            for name, text in zip(names, texts, strict=True)
            if text is not None
        }

    def close(self) -> None:
        self._connections.close()


def _read_state(client: RedisClient, key: str) -> tuple[int, Usage | None, bytes | None]:
    """Return the server's time, its clients, and the store's layout."""
    node = clients.node_options(client, key)
    seconds, micros = client.execute_command("TIME", **node)
    layout: bytes | None = client.execute_command("HGET", key, "layout")
    return int(seconds) * 1000 + int(micros) // 1000, _clients_of(client, node), layout


def _clients_of(client: RedisClient, node: Mapping[str, Any]) -> Usage | None:
    try:
        info: Mapping[str, Any] = client.execute_command("INFO", "clients", **node)
        limit = info.get("maxclients")
        if limit is None:  # before Redis 7
            limit = client.execute_command("CONFIG GET", "maxclients", **node)["maxclients"]
        return Usage(int(info["connected_clients"]), int(limit))
    except (ResponseError, KeyError):
        return None


def _read_many(client: RedisClient, keys: list[str]) -> list[bytes | None]:
    found: list[bytes | None] = client.execute_command("MGET", *keys)
    return found


def _is_hidden(name: str, seen: Mapping[str, str]) -> bool:
    return name not in seen and not (name == "save" and seen.get("appendonly") == "yes")
