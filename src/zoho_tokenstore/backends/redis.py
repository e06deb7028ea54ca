"""Rows in Redis: for all processes of all hosts that reach the server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self
from urllib.parse import SplitResult, quote

from zoho_tokenstore.backends._redis import checks, scripts
from zoho_tokenstore.backends._redis.clients import Client
from zoho_tokenstore.backends._redis.connections import Connections
from zoho_tokenstore.backends._redis.keys import Keys, utf8
from zoho_tokenstore.backends._redis.leases import RedisLeases
from zoho_tokenstore.backends._redis.retired import RedisRetiredIds
from zoho_tokenstore.backends._redis.rows import (
    VANISHED,
    Stored,
    fields_of,
    found_of,
    found_under,
    row_of,
)
from zoho_tokenstore.backends._redis.settings import settings_of
from zoho_tokenstore.backends._redis.watch import Watch
from zoho_tokenstore.clock import now_ms
from zoho_tokenstore.errors import RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import Built, Found, Row, UnreadableRow

DEFAULT_PREFIX: Final = "zoho-tokens"
DEFAULT_TIMEOUT: Final = 5.0

_BATCH: Final = 500
_AT_ONCE: Final = 250  # rows of one script, during which the server serves nobody else: some milliseconds
_RETIRED: Final = -1
_MARK_LOST: Final = 2


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
        self.retired = RedisRetiredIds(self._connections, self._keys)
        self._known: Built[Stored, Row | str | None] = Built()
        may_evict = settings.allow_eviction
        try:
            mark = checks.check(self._connections, self._keys.probes, allow_eviction=may_evict)
        except BaseException:
            self._connections.close()
            raise
        self._watch = Watch(self._connections, self._keys.meta, mark, may_evict=may_evict)

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open the store at a URL; its options are the arguments of the class."""
        return cls(parts.geturl())

    def __repr__(self) -> str:
        return f"RedisBackend({self.location!r})"

    def load(self, row_id: str) -> Row | None:
        stored = self._connections.run(scripts.fields_at, self._keys.rows + row_id)
        found = found_under(row_id, self._known.of(row_id, stored, row_of))
        if found is None:
            found = self._look_again(row_id)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def find(self, index: str, *keys: str) -> list[Found]:
        if not keys:
            return []
        sets = tuple(self._keys.lookup(index, key) for key in keys)
        mark, pairs = self._connections.run(scripts.run, scripts.FIND, sets, self._keys.base, self._keys.ids)
        self._watch.saw(mark)
        # Compared by the text, too: in the names of keys there are only digests of credentials.
        found = [
            row
            for row in map(found_of, pairs)
            if isinstance(row, UnreadableRow) or row.lookup_key(index) in keys
        ]
        return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        left = limit
        start = b"-" if after is None else b"(" + utf8(after)
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            mark, pairs = self._connections.run(
                scripts.run, scripts.SCAN, (self._keys.ids,), self._keys.base, start, size
            )
            self._watch.saw(mark)
            yield from map(found_of, pairs)
            if len(pairs) < size:
                return
            start = b"(" + pairs[-1][0]
            left = None if left is None else left - size

    def write(self, row: Row, *, expect: object) -> object:
        # Made here, so that a write whose answer was lost can be told from anybody else's.
        etag = secrets.token_hex(8)
        if self._write(scripts.WRITE, row, expect, etag) == _MARK_LOST:
            self._watch.saw(etag.encode())
        self._watch.look()
        return etag

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        etags = [secrets.token_hex(8) for _ in rows]
        written: list[object] = []
        for start in range(0, len(rows), _AT_ONCE):
            given: list[Any] = []
            for row, etag in zip(rows[start : start + _AT_ONCE], etags[start:], strict=False):
                fields = fields_of(row)
                given += (row.id, etag, len(fields), *fields)
            mark, done = self._connections.run(
                scripts.run, scripts.WRITE_MANY, (self._keys.ids,), self._keys.base, *given
            )
            self._watch.saw(mark)
            written += done
        self._watch.look()
        return [etag if is_written else None for etag, is_written in zip(etags, written, strict=True)]

    def count(self) -> int:
        count: int = self._connections.run(_count, self._keys.ids)
        return count

    def rehearse(self, row: Row, *, expect: object) -> None:
        """See that the row can be written: does the same to keys that nobody reads, in one script."""
        self._write(scripts.REHEARSE, row, expect, secrets.token_hex(8))

    def remove(self, row_id: str) -> bool:
        keys = (self._keys.rows + row_id, self._keys.ids)
        removed = self._connections.run(
            scripts.run, scripts.REMOVE, keys, self._keys.base, row_id, now_ms(), doubtful=0
        )
        return bool(removed)

    def clear(self) -> int:
        # Not repeated: the second time would not count what the first time deleted.
        count: int = self._connections.run(
            scripts.run, scripts.CLEAR, (self._keys.ids,), self._keys.base, now_ms(), repeat=False
        )
        return count

    def close(self) -> None:
        self._connections.close()
        self._known.clear()

    def _look_again(self, row_id: str) -> Found | None:
        """Tell a row that is not there from one that should be."""
        mark, pair, listed = self._connections.run(
            scripts.run, scripts.LOOK, (self._keys.ids,), self._keys.base, row_id
        )
        self._watch.saw(mark)
        found = found_under(row_id, row_of(pair[1]))
        return UnreadableRow(row_id, VANISHED) if found is None and listed else found

    def _write(self, script: scripts.Script, row: Row, expect: object, etag: str) -> Any:
        done = self._connections.run(
            scripts.run,
            script,
            (self._keys.rows + row.id, self._keys.ids),
            self._keys.base,
            row.id,
            "" if expect is None else str(expect),
            etag,
            *fields_of(row),
            doubtful=0,
        )
        if done == _RETIRED:
            raise RetiredIdError(f"The id {row.id!r} is that of a row that was deleted.")
        if not done:
            known = "exists already" if expect is None else "is not as it was when it was read"
            raise RowChangedError(f"Row {row.id!r} {known}.")
        return done


def _count(client: Client, ids: str) -> Any:
    return client.execute_command("ZCARD", ids)
