"""Rows in Redis: for all processes of all hosts that reach the server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final, Self
from urllib.parse import SplitResult, quote

from zoho_tokenstore.backends._redis import checks, scripts
from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.connections import Connections
from zoho_tokenstore.backends._redis.keys import Keys
from zoho_tokenstore.backends._redis.leases import RedisLeases
from zoho_tokenstore.backends._redis.rows import ENCODED_FIELDS, fields_of, row_of
from zoho_tokenstore.backends._redis.settings import settings_of
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import Built, Row

DEFAULT_PREFIX: Final = "zoho-tokens"
DEFAULT_TIMEOUT: Final = 5.0

_BATCH: Final = 500

Stored = list[bytes | None]


class RedisBackend:
    """Rows in a Redis server, behind Sentinels, or in a cluster: a hash each, beside sets to find them.

    All threads share it; each command has a connection of a pool. What the URL says behind its
    ``?`` takes the place of the argument of that name.

    Arguments:
        url: ``redis://[user:password@]host:6379/0``, ``redis+sentinel://host1,host2/service/0`` or
            ``redis+cluster://host1,host2``; with TLS each begins with ``rediss``.
        prefix: what all keys of the store begin with, in braces.
        timeout: how long each wait on the network may take, in seconds. A call is made twice at
            most, the second time only if its connection broke.
        allow_eviction: open the store even if the server may throw tokens away when it is full.
        extra: ``ssl_…`` options of redis-py; ``sentinel_username`` and ``sentinel_password`` where
            the Sentinels have a login of their own.

    Raises:
        ConfigurationError: an argument cannot be used, or the server may evict tokens.
        BackendUnavailableError: the server cannot be reached, is a replica, or refuses the login.
        BackendTimeoutError: it does not answer in time.
    """

    def __init__(
        self,
        url: str,
        *,
        prefix: str = DEFAULT_PREFIX,
        timeout: float = DEFAULT_TIMEOUT,
        allow_eviction: bool = False,
        **extra: Any,
    ) -> None:
        settings = settings_of(url, prefix=prefix, timeout=timeout, allow_eviction=allow_eviction, **extra)
        self._keys = Keys(settings.prefix)
        self.location = f"{settings.address}?prefix={quote(settings.prefix, safe='')}"
        self._connections = Connections(settings, self.location)
        self.leases = RedisLeases(self._connections, self._keys)
        self._known: Built[Stored, Row | None] = Built()
        try:
            checks.check(self._connections, self._keys.probes, allow_eviction=settings.allow_eviction)
        except BaseException:
            self._connections.close()
            raise

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open the store at a URL; its options are the arguments of the class."""
        return cls(parts.geturl())

    def __repr__(self) -> str:
        return f"RedisBackend({self.location!r})"

    def load(self, row_id: str) -> Row | None:
        return self._known.of(row_id, self._connections.run(_load, self._keys.rows + row_id), self._row)

    def find(self, index: str, *keys: str) -> list[Row]:
        if not keys:
            return []
        sets = tuple(self._keys.lookup(index, key) for key in keys)
        stored = self._connections.run(scripts.run, scripts.FIND, sets, self._keys.base)
        # Compared by the text, too: in the names of keys there are only digests of credentials.
        found = [row for row in self._rows(stored) if row.lookup_key(index) in keys]
        return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        left = limit
        start = "-" if after is None else f"({after}".encode()
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            count, last, stored = self._connections.run(
                scripts.run, scripts.SCAN, (self._keys.ids,), self._keys.base, start, size
            )
            rows = self._rows(stored)
            yield from rows
            if count < size:
                return
            start = b"(" + last
            left = None if left is None else left - len(rows)

    def write(self, row: Row, *, expect: object) -> object:
        # Made here, so that a write whose answer was lost can be told from anybody else's.
        etag = secrets.token_hex(8)
        written = self._connections.run(
            scripts.run,
            scripts.WRITE,
            (self._keys.rows + row.id, self._keys.ids),
            self._keys.base,
            row.id,
            "" if expect is None else str(expect),
            etag,
            *fields_of(row),
            doubtful=0,
        )
        if not written:
            known = "exists already" if expect is None else "is not as it was when it was read"
            raise RowChangedError(f"Row {row.id!r} {known}.")
        return etag

    def remove(self, row_id: str) -> bool:
        keys = (self._keys.rows + row_id, self._keys.ids)
        removed = self._connections.run(
            scripts.run, scripts.REMOVE, keys, self._keys.base, row_id, doubtful=0
        )
        return bool(removed)

    def clear(self) -> int:
        # Not repeated: the second time would not count what the first time deleted.
        count: int = self._connections.run(
            scripts.run, scripts.CLEAR, (self._keys.ids,), self._keys.base, repeat=False
        )
        return count

    def close(self) -> None:
        self._connections.close()
        self._known.clear()

    def _row(self, stored: Stored) -> Row | None:
        return row_of(stored, self.location)

    def _rows(self, stored: list[Stored]) -> list[Row]:
        return [row for row in map(self._row, stored) if row is not None]


def _load(client: Client, key: str) -> Any:
    return client.execute_command("HMGET", key, *ENCODED_FIELDS)
