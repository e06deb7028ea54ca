"""Rows in Redis: for all processes of all hosts that reach the server."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from typing import Any, Final, Self, Unpack
from urllib.parse import SplitResult, quote

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.backend import SupportsCount, SupportsLeases, SupportsRehearsal, SupportsWriteMany
from zoho_tokenstore.errors import ConfigurationError, RetiredIdError, RowChangedError, UnreadableRowError

with needed_by("A Redis store", "redis-py", "redis"):
    import redis
    from redis.cluster import RedisCluster

from zoho_tokenstore._options import RedisConnectionOptions
from zoho_tokenstore._util.caches import MemoCache
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.redis import _checks as checks
from zoho_tokenstore.backends.redis import _read_scripts as reads
from zoho_tokenstore.backends.redis import _write_scripts as writes
from zoho_tokenstore.backends.redis._callers_client import CallersClient
from zoho_tokenstore.backends.redis._clients import OwnClients, RedisClient
from zoho_tokenstore.backends.redis._connections import ClientSource, RedisConnections
from zoho_tokenstore.backends.redis._key_names import RedisKeyNames
from zoho_tokenstore.backends.redis._leases import RedisLeases
from zoho_tokenstore.backends.redis._lua import LuaScript, run_script
from zoho_tokenstore.backends.redis._retired import RedisRetiredIds
from zoho_tokenstore.backends.redis._rows import VANISHED, Stored, fields_of, found_of, found_under, row_of
from zoho_tokenstore.backends.redis._urls import settings_of
from zoho_tokenstore.backends.redis._watch import ServerWatch
from zoho_tokenstore.records import Found, Row, UnreadableRow

__all__ = ["RedisBackend"]

DEFAULT_URL: Final = "redis://localhost:6379/0"
DEFAULT_PREFIX: Final = "zoho-tokens"
DEFAULT_TIMEOUT: Final = 5.0

_WRITE_BATCH: Final = 250  # rows per script, during which the server serves nobody else: a few milliseconds
_RETIRED: Final = -1
_MARK_LOST: Final = 2


class RedisBackend(SupportsLeases, SupportsRehearsal, SupportsCount, SupportsWriteMany):
    """Rows in a Redis server, behind Sentinels, or in a cluster: one hash each, and sets to find them.

    All threads share it; each command uses a pooled connection. What the URL says after its
    ``?`` overrides the argument of that name.

    Arguments:
        url: ``redis://[user:password@]host:6379/0``, ``redis+sentinel://host1,host2/service/0`` or
            ``redis+cluster://host1,host2``; with TLS each begins with ``rediss``.
        client: the caller's client instead of a URL, `timeout` and `extra`: for one server, for the
            primary behind Sentinels, or for a cluster. The caller closes it.
        prefix: the beginning of all the store's keys, in braces.
        timeout: how long each wait on the network may take, in seconds. A call is made at most
            twice, the second time only if its connection broke.
        allow_eviction: open the store even if the server may evict tokens when it is full.
        extra: ``ssl_…`` options of redis-py; ``sentinel_username`` and ``sentinel_password`` if the Sentinels
            have their own login.

    Raises:
        ConfigurationError: an argument or the client cannot be used, or the server may evict tokens.
        BackendUnavailableError: the server cannot be reached, is a replica, or refuses the login.
        BackendTimeoutError: it does not answer in time.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        client: redis.Redis | RedisCluster | None = None,
        prefix: str = DEFAULT_PREFIX,
        timeout: float = DEFAULT_TIMEOUT,
        allow_eviction: bool = False,
        **extra: Unpack[RedisConnectionOptions],
    ) -> None:
        if client is None:
            url = DEFAULT_URL if url is None else url
            settings = settings_of(
                url, prefix=prefix, timeout=timeout, allow_eviction=allow_eviction, **extra
            )
            source: ClientSource = OwnClients(settings)
            prefix, allow_eviction = settings.prefix, settings.allow_eviction
        else:
            _refuse_beside_a_client(url=url, timeout=None if timeout == DEFAULT_TIMEOUT else timeout, **extra)
            source = CallersClient(client)
        self._keys = RedisKeyNames(prefix)
        self.location = f"{source.address}?prefix={quote(prefix, safe='')}"
        self._connections = RedisConnections(source, self.location)
        self.leases: RedisLeases = RedisLeases(self._connections, self._keys)
        self.retired = RedisRetiredIds(self._connections, self._keys)
        self._known: MemoCache[Stored, Row | str | None] = MemoCache()
        try:
            mark = checks.check(self._connections, self._keys.probes, allow_eviction=allow_eviction)
        except BaseException:
            self._connections.close()
            raise
        self._watch = ServerWatch(self._connections, self._keys.meta, mark, may_evict=allow_eviction)

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open the store at a URL; its options are the arguments of the class."""
        return cls(parts.geturl())

    def __repr__(self) -> str:
        return f"RedisBackend({self.location!r})"

    def load(self, row_id: str) -> Row | None:
        stored = self._connections.run(reads.read_fields, self._keys.rows + row_id)
        found = found_under(row_id, self._known.of(row_id, stored, row_of))
        if found is None:
            found = self._check_absence(row_id)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def find(self, index: str, *keys: str) -> list[Found]:
        if not keys:
            return []
        sets = tuple(self._keys.lookup(index, key) for key in keys)
        mark, pairs = self._connections.run(run_script, reads.FIND, sets, self._keys.base, self._keys.ids)
        self._watch.note_mark(mark)
        # Also compared by value: the names of keys contain only digests of credentials.
        found = [
            row
            for row in map(found_of, pairs)
            if isinstance(row, UnreadableRow) or row.lookup_key(index) in keys
        ]
        return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        for mark, pairs in reads.pages(self._connections, self._keys, after, limit):
            self._watch.note_mark(mark)
            yield from map(found_of, pairs)

    def write(self, row: Row, *, expect: object) -> object:
        # Made here, so that a write whose answer was lost is distinguishable from others' writes.
        etag = secrets.token_hex(8)
        if self._write(writes.WRITE, row, expect, etag) == _MARK_LOST:
            self._watch.note_mark(etag.encode())
        self._watch.recheck()
        return etag

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        etags = [secrets.token_hex(8) for _ in rows]
        written: list[object] = []
        for start in range(0, len(rows), _WRITE_BATCH):
            given: list[Any] = []
            for row, etag in zip(rows[start : start + _WRITE_BATCH], etags[start:], strict=False):
                fields = fields_of(row)
                given += (row.id, etag, len(fields), *fields)
            mark, done = self._connections.run(
                run_script, writes.WRITE_MANY, (self._keys.ids,), self._keys.base, *given
            )
            self._watch.note_mark(mark)
            written += done
        self._watch.recheck()
        return [etag if is_written else None for etag, is_written in zip(etags, written, strict=True)]

    def count(self) -> int:
        count: int = self._connections.run(_count, self._keys.ids)
        return count

    def rehearse(self, row: Row, *, expect: object) -> None:
        """Check that the row can be written: do the same to keys nobody reads, in one script."""
        self._write(writes.REHEARSE, row, expect, secrets.token_hex(8))

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        keys, etag = (self._keys.rows + row_id, self._keys.ids), "" if expect is None else expect
        removed = self._connections.run(
            run_script, writes.REMOVE, keys, self._keys.base, row_id, now_ms(), etag, doubtful=0
        )
        return bool(removed)

    def clear(self) -> int:
        # Not repeated: the second time would not count what the first time deleted.
        count: int = self._connections.run(
            run_script, writes.CLEAR, (self._keys.ids,), self._keys.base, now_ms(), repeat=False
        )
        return count

    def close(self) -> None:
        self._connections.close()
        self._known.clear()

    def _check_absence(self, row_id: str) -> Found | None:
        """Distinguish a row that does not exist from one that should."""
        mark, pair, listed = self._connections.run(
            run_script, reads.CHECK_ABSENCE, (self._keys.ids,), self._keys.base, row_id
        )
        self._watch.note_mark(mark)
        found = found_under(row_id, row_of(pair[1]))
        return UnreadableRow(row_id, VANISHED) if found is None and listed else found

    def _write(self, script: LuaScript, row: Row, expect: object, etag: str) -> Any:
        done = self._connections.run(
            run_script,
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
            raise RetiredIdError(f"The id {row.id!r} belongs to a deleted row.")
        if not done:
            known = "exists already" if expect is None else "has changed since it was read"
            raise RowChangedError(f"Row {row.id!r} {known}.")
        return done


def _refuse_beside_a_client(**options: object) -> None:
    given = sorted(name for name, value in options.items() if value is not None)
    if given:
        raise ConfigurationError(
            f"A Redis store that is given a client cannot also take {', '.join(given)}: the client decides "
            "how to connect."
        )


def _count(client: RedisClient, ids: str) -> Any:
    return client.execute_command("ZCARD", ids)
