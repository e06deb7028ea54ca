"""The ids of deleted rows: a sorted set, by the time of retirement."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from zoho_tokenstore.backends.redis._clients import RedisClient
from zoho_tokenstore.backends.redis._connections import RedisConnections
from zoho_tokenstore.backends.redis._key_names import RedisKeyNames
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import RetiredId

_BATCH: Final = 500
_LATEST: Final = 2.0**53


class RedisRetiredIds:
    """The retired ids of a Redis store. The scripts that delete rows add to them."""

    def __init__(self, connections: RedisConnections, keys: RedisKeyNames) -> None:
        self._connections = connections
        self._keys = keys

    def scan(self) -> Iterator[RetiredId]:
        found: dict[bytes, float] = {}
        cursor = 0
        while True:
            cursor, page = self._connections.run(_page, self._keys.retired, cursor)
            found.update(page)
            if not cursor:
                return map(_retired_id, sorted(found.items()))

    def add(self, ids: Iterable[RetiredId]) -> int:
        left, count = list(ids), 0
        while left:
            batch, left = left[:_BATCH], left[_BATCH:]
            count += self._connections.run(_add, self._keys.retired, batch)
        return count

    def prune(self, before_ms: int) -> int:
        count: int = self._connections.run(_prune, self._keys.retired, before_ms)
        return count

    def cleared_ms(self) -> int:
        text = self._connections.run(_cleared, self._keys.meta)
        try:
            return int(text or 0)
        except ValueError:
            pass
        raise BackendError(
            f"The time of the last clear in {self._connections.location} is not a number. "
            f"Delete the field cleared_ms of the key {self._keys.meta}."
        )


def _page(client: RedisClient, key: str, cursor: int) -> Any:
    return client.execute_command("ZSCAN", key, cursor, "COUNT", _BATCH)


def _add(client: RedisClient, key: str, ids: list[RetiredId]) -> Any:
    pairs = (part for retired in ids for part in (retired.at_ms, retired.id))
    return client.execute_command("ZADD", key, "NX", *pairs)


def _prune(client: RedisClient, key: str, before_ms: int) -> Any:
    return client.execute_command("ZREMRANGEBYSCORE", key, "-inf", f"({before_ms}")


def _cleared(client: RedisClient, key: str) -> Any:
    return client.execute_command("HGET", key, "cleared_ms")


def _retired_id(stored: tuple[bytes, float]) -> RetiredId:
    row_id, score = stored
    return RetiredId(row_id.decode(errors="backslashreplace"), int(max(0.0, min(score, _LATEST))))
