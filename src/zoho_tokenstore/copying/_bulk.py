"""New rows written together, if the destination can do that.

Only rows that nothing else matches: their owners have no row in the destination, nor another among
them. All others are left to the careful way, one by one.
"""

from __future__ import annotations

import contextlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Final, NamedTuple, TypeVar

from zoho_tokenstore import _matching as matching
from zoho_tokenstore.copying._endpoints import Endpoint, content, record_of, times
from zoho_tokenstore.errors import BackendError, InvalidTokenError
from zoho_tokenstore.records import Found, Row

BATCH: Final = 500
"""How many rows are looked at together."""

T = TypeVar("T")

Batch = list[tuple[Found | None, Found | None]]
"""Rows of the source and of the destination, those with one id together."""

_Key = tuple[str, str]


class Written(NamedTuple):
    """The etag that a row was written with, and the row as found by its key; `None` if it was not found."""

    etag: object
    found: Row | None


def in_batches(pairs: Iterable[T]) -> Iterator[list[T]]:
    """Yield the rows in lists; if reading fails partway, what was read before comes first."""
    batch: list[T] = []
    try:
        for pair in pairs:
            batch.append(pair)
            if len(batch) == BATCH:
                yield batch
                batch = []
    except BackendError:
        yield batch
        raise
    yield batch


def write_ahead(
    batches: Iterable[Batch], write: Callable[[Batch], Mapping[str, Written]]
) -> Iterator[tuple[Batch, Mapping[str, Written]]]:
    """Yield each batch with what `write` wrote of it, and write the next one meanwhile if that cannot matter.

    It could if a row of the batch is left to the careful way: one of the next batch may be its owner's.
    """
    batch: Batch = []
    written: Mapping[str, Written] = {}
    with ThreadPoolExecutor(1, thread_name_prefix="zoho-tokenstore-copy") as writer:
        try:
            for following in batches:
                is_done = all(row is None or row.id in written for row, _ in batch)
                ahead = writer.submit(write, following) if is_done else None
                yield batch, written
                batch, written = [], {}  # a failure from here on is not about these
                written = write(following) if ahead is None else ahead.result()
                batch = following
        except BackendError:
            yield batch, written
            raise
        yield batch, written


def write_new(destination: Endpoint, rows: Sequence[Row]) -> Mapping[str, Written]:
    """Write those of the rows that are certainly new, look them up by their keys, and return both by id."""
    keys = {row.id: _keys(destination, row) for row in rows}
    times_used = Counter(key for found_by in keys.values() for key in found_by)
    alone = [row for row in rows if keys[row.id] and all(times_used[key] == 1 for key in keys[row.id])]
    taken = _taken(destination, (key for row in alone for key in keys[row.id]))
    new = [row for row in alone if taken.isdisjoint(keys[row.id])]
    etags: Sequence[object] = ()
    with contextlib.suppress(BackendError, InvalidTokenError):  # the careful way will report it
        etags = destination.write_many(new) if new else ()
    written = {row.id: (row, etag) for row, etag in zip(new, etags, strict=False) if etag is not None}
    found = {
        row.id: row
        for row in map(destination.open, _find(destination, (keys[row_id][0] for row_id in written)))
        if isinstance(row, Row)
    }
    return {row.id: Written(etag, _if_same(found.get(row.id), row, etag)) for row, etag in written.values()}


def _keys(side: Endpoint, row: Row) -> list[_Key]:
    """Return what a row is found by on a side; the first key decides."""
    keys = matching.keys_to_save(record_of(row).changed(id=None))
    return [(key.index, text) for key in keys for text in side.lookup_keys(key)]


def _find(side: Endpoint, keys: Iterable[_Key]) -> Iterator[Found]:
    by_index: defaultdict[str, list[str]] = defaultdict(list)
    for index, text in keys:
        by_index[index].append(text)
    for index, texts in by_index.items():
        yield from side.backend.find(index, *texts)


def _taken(side: Endpoint, keys: Iterable[_Key]) -> set[_Key]:
    """Return those of the keys that lead to a row; all of them if one leads to an unreadable row."""
    keys = list(keys)
    found = list(_find(side, keys))
    rows = [row for row in found if isinstance(row, Row)]
    if len(rows) < len(found):
        return set(keys)
    return {(index, row.lookup_key(index) or "") for row in rows for index in {key[0] for key in keys}}


def _if_same(found: Row | None, row: Row, etag: object) -> Row | None:
    is_same = found is not None and found.etag == etag and content(found) == content(row)
    return found if is_same and found is not None and times(found) == times(row) else None
