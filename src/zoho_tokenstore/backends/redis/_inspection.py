"""What a Redis server shows of itself and of a store, by commands that only read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import islice
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
from zoho_tokenstore.backends.redis._key_names import LAYOUT, RedisKeyNames
from zoho_tokenstore.backends.redis._lua import run_script
from zoho_tokenstore.backends.redis._rows import found_of
from zoho_tokenstore.backends.redis._urls import RedisSettings, settings_of
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.records import Found

_BATCH: Final = 500
_FULL: Final = "max number of clients"


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
        self._check_layout(layout)
        policy = None if self._allows_eviction else checks.evicting_leases(seen)
        return StorageFacts(
            schema="current" if layout else "missing",
            read_only=_read_only(seen),
            now_ms=clock,
            connections=clients_,
            evicts=policy,
            evicts_tokens=policy is not None and checks.evicting_policy(seen) is not None,
            loses=_loses(seen),
            hidden=tuple(
                name for name in ("save", "appendonly", "maxmemory-policy") if _is_hidden(name, seen)
            ),
        )

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return islice(self._pages(after), limit)

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        found: dict[str, str] = {}
        for start in range(0, len(names), _BATCH):
            some = names[start : start + _BATCH]
            texts = self._connections.run(_read_many, [self._keys.leases + name for name in some])
            found |= {
                name: text.decode(errors="replace")
                for name, text in zip(some, texts, strict=True)
                if text is not None
            }
        return found

    def close(self) -> None:
        self._connections.close()

    def _pages(self, after: str | None) -> Iterator[Found]:
        start = b"-" if after is None else b"(" + after.encode()
        while True:
            _, pairs = self._connections.run(
                run_script, reads.SCAN, (self._keys.ids,), self._keys.base, start, _BATCH
            )
            yield from map(found_of, pairs)
            if len(pairs) < _BATCH:
                return
            start = b"(" + pairs[-1][0]

    def _check_layout(self, layout: str | None) -> None:
        if layout is not None and layout != LAYOUT:
            raise BackendError(
                f"The token store {self.location} has layout {layout}; this release knows {LAYOUT}. "
                "Upgrade zoho-tokenstore to open it."
            )


def _read_state(client: RedisClient, key: str) -> tuple[int, Usage | None, str | None]:
    """Return the server's time, its clients, and the store's layout."""
    node = clients.node_options(client, key)
    seconds, micros = client.execute_command("TIME", **node)
    layout = client.execute_command("HGET", key, "layout")
    return (
        int(seconds) * 1000 + int(micros) // 1000,
        _clients_of(client, node),
        None if layout is None else layout.decode(errors="replace"),
    )


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


def _read_only(seen: Mapping[str, str]) -> str | None:
    return "the server is a replica" if seen.get("role") == "slave" else None


def _loses(seen: Mapping[str, str]) -> str | None:
    if seen.get("appendonly") == "yes" or seen.get("save"):
        return None
    if _is_hidden("save", seen) or _is_hidden("appendonly", seen):
        return None
    return "all tokens are lost when the server restarts (appendonly and save are off)"


def _is_hidden(name: str, seen: Mapping[str, str]) -> bool:
    return name not in seen and not (name == "save" and seen.get("appendonly") == "yes")
