"""Rows in a plain list: for tests, and for a handful of tokens that may vanish with the process."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Self
from urllib.parse import SplitResult

from zoho_tokenstore._local_leases import LocalLeases
from zoho_tokenstore._util import forks
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore._util.urls import refuse_address
from zoho_tokenstore.backend import SupportsLeases
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError
from zoho_tokenstore.records import RetiredId, Row

__all__ = ["ListBackend"]

_by_id = attrgetter("id")


class ListRetiredIds:
    """The retired ids of a list of rows, under the same lock."""

    def __init__(self, lock: threading.Lock) -> None:
        self._lock = lock
        self._at_ms: dict[str, int] = {}
        self._cleared_ms = 0

    def scan(self) -> Iterator[RetiredId]:
        with self._lock:
            return iter([RetiredId(row_id, at_ms) for row_id, at_ms in sorted(self._at_ms.items())])

    def add(self, ids: Iterable[RetiredId]) -> int:
        with self._lock:
            before = len(self._at_ms)
            self._at_ms = dict(ids) | self._at_ms
            return len(self._at_ms) - before

    def prune(self, before_ms: int) -> int:
        with self._lock:
            before = len(self._at_ms)
            self._at_ms = {row_id: at_ms for row_id, at_ms in self._at_ms.items() if at_ms >= before_ms}
            return before - len(self._at_ms)

    def cleared_ms(self) -> int:
        return self._cleared_ms

    def __contains__(self, row_id: str) -> bool:
        return row_id in self._at_ms

    def retire(self, rows: Iterable[Row], *, is_clear: bool = False) -> None:
        """Retire the ids of rows; the caller holds the lock."""
        now = now_ms()
        self._at_ms |= dict.fromkeys((row.id for row in rows), now)
        if is_clear:
            self._cleared_ms = max(now, self._cleared_ms + 1)


class ListBackend(SupportsLeases):
    """A list of rows behind a lock. After a fork, the child has its own copy."""

    location = "list://"

    def __init__(self) -> None:
        self._rows: list[Row] = []
        self._etags = itertools.count(1)
        self._closed = False
        self._lock = threading.Lock()
        self.retired = ListRetiredIds(self._lock)
        self.leases = LocalLeases()
        forks.pause_around_fork(self)

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open what ``list://`` names: a new, empty list."""
        refuse_address(parts)
        return cls()

    def load(self, row_id: str) -> Row | None:
        return next((row for row in self._snapshot() if row.id == row_id), None)

    def find(self, index: str, *keys: str) -> list[Row]:
        return [row for row in self._snapshot() if row.lookup_key(index) in keys]

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        rows = sorted(self._snapshot(), key=_by_id)
        return itertools.islice((row for row in rows if after is None or row.id > after), limit)

    def write(self, row: Row, *, expect: object) -> object:
        with self._lock:
            rows = self._open_rows()
            at = next((at for at, stored in enumerate(rows) if stored.id == row.id), None)
            if (None if at is None else rows[at].etag) != expect:
                raise RowChangedError(f"Row {row.id!r} has changed since it was read.")
            if at is None and row.id in self.retired:
                raise RetiredIdError(f"The id {row.id!r} belongs to a deleted row.")
            stored = row._replace(etag=next(self._etags))
            if at is None:
                rows.append(stored)
            else:
                rows[at] = stored
            return stored.etag

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        with self._lock:
            rows = self._open_rows()
            removed = [row for row in rows if row.id == row_id and expect in (None, row.etag)]
            self.retired.retire(removed)
            self._rows = [row for row in rows if row not in removed]
            return bool(removed)

    def clear(self) -> int:
        with self._lock:
            rows = self._open_rows()
            self.retired.retire(rows, is_clear=True)
            self._rows = []
            return len(rows)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            self._rows = []

    def pause(self) -> None:
        self._lock.acquire()

    def resume(self) -> None:
        self._lock.release()

    def _snapshot(self) -> list[Row]:
        with self._lock:
            return list(self._open_rows())

    def _open_rows(self) -> list[Row]:  # what every call passes: `testing.doubles` fails here
        if self._closed:
            raise BackendError("This list store has been closed.")
        return self._rows
