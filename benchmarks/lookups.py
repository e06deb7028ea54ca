"""Look-ups by id, as before every API call: our layers, a bare SELECT, and the SDK's FileStore."""

from __future__ import annotations

import contextlib
import functools
import itertools
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore

from benchmarks import databases
from benchmarks.figures import Figure
from benchmarks.harness import Block, interleave, seconds_each, taking
from benchmarks.scale import Scale
from zoho_tokenstore import Keyset, SessionPolicy, SQLiteStore

_HOT_TOKENS: Final = 50
_WARM_UP: Final = 500

_SESSIONS: Final = SessionPolicy(idle=timedelta(days=3650), absolute=timedelta(days=3650), per_user=3)

Read = Callable[[Sequence[str]], float]
"""Looks each of these ids up, and returns the seconds that one took."""

LABELS: Final = {
    "select": "bare `SELECT` of the ten columns",
    "repository": "`repository.get`",
    "store": "`SQLiteStore.find_token_by_id`",
    "sessions": "the same with a session policy",
    "off": "the same with `refresh=None`",
    "file_store": "the SDK's `FileStore.find_token_by_id`",
}


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time hot look-ups (the same few tokens), and those of random tokens in stores of several sizes."""
    paths = {count: folder / f"lookups-{count}.db" for count in scale.store_sizes}
    for count, path in paths.items():
        databases.fill_ours(path, count)
    return [*_hot(scale, paths), *_random(scale, paths), *_file_store(scale, folder)]


def measure_sessions(scale: Scale, folder: Path) -> list[Figure]:
    """Time the same look-ups with and without a session policy."""
    count, path = scale.usual_size, folder / "sessions.db"
    databases.fill_ours(path, count)
    with contextlib.ExitStack() as stack:
        found = readers(path, stack)
        cases: dict[str, Block] = {}
        for who in ("store", "sessions"):
            cases[f"hot/{who}/{count}"] = hot_block(found[who], count)
            lookups = RandomLookups(who, path, databases.ids(count))
            cases[f"random/{who}/{count}"] = stack.enter_context(lookups)
        figures = list(_figures(cases, scale))
    return [Figure(f"sessions/{one.key}", one.label, one.timing) for one in figures]


def _hot(scale: Scale, paths: dict[int, Path]) -> Iterator[Figure]:
    count = scale.usual_size
    with contextlib.ExitStack() as stack:
        cases = {
            f"hot/{who}/{count}": hot_block(read, count)
            for who, read in readers(paths[count], stack).items()
            if who != "sessions"
        }
        yield from _figures(cases, scale)


def hot_block(read: Read, count: int) -> Block:
    """Return look-ups of a few tokens in rotation."""
    return functools.partial(read, databases.ids(count)[:_HOT_TOKENS] * 4)


def _random(scale: Scale, paths: dict[int, Path]) -> Iterator[Figure]:
    with contextlib.ExitStack() as stack:
        cases = {
            f"random/{who}/{count}": stack.enter_context(RandomLookups(who, path, databases.ids(count)))
            for count, path in paths.items()
            for who in ("select", "repository", "store")
        }
        yield from _figures(cases, scale)


class RandomLookups:
    """Look-ups of tokens that the reader has not met before, in random order.

    When all have been looked up, the reader is opened anew: otherwise a store of 1,000 tokens would
    be measured from our memory, and one of 1,000,000 from the disk.
    """

    def __init__(
        self, who: str, path: Path, ids: list[str], size: int = 100, keys: Keyset | None = None
    ) -> None:
        self._who = who
        self._keys = keys
        self._path = path
        self._ids = ids
        self._size = size
        self._left: Iterator[str] = iter(())
        self._stack = contextlib.ExitStack()
        self._read: Read = lambda _: 0.0

    def __enter__(self) -> RandomLookups:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stack.close()

    def __call__(self) -> float:
        some = list(itertools.islice(self._left, self._size))
        if not some:
            self._reopen()
            some = list(itertools.islice(self._left, self._size))
        return self._read(some)

    def _reopen(self) -> None:
        self._stack.close()
        self._read = readers(self._path, self._stack, only=self._who, keys=self._keys)[self._who]
        # Ids that nobody has, between those that are there: they bring the index into the page cache.
        self._read([str(int(row_id) + 1) for row_id in self._ids[:_WARM_UP]])
        self._left = iter(self._ids)


def readers(
    path: Path, stack: contextlib.ExitStack, only: str | None = None, keys: Keyset | None = None
) -> dict[str, Read]:
    """Return who looks up in a database, by name: all of them, or one."""
    found: dict[str, Read] = {}
    if only in (None, "select"):
        connection = stack.enter_context(contextlib.closing(sqlite3.connect(path, isolation_level=None)))
        found["select"] = functools.partial(_bare, connection)
    if only != "select":
        store = stack.enter_context(SQLiteStore(path, keys=keys))
        found["repository"] = functools.partial(seconds_each, store.repository.get)
        found["store"] = functools.partial(seconds_each, store.find_token_by_id)
    if only in (None, "sessions"):
        limited = stack.enter_context(SQLiteStore(path, keys=keys, sessions=_SESSIONS))
        found["sessions"] = functools.partial(seconds_each, limited.find_token_by_id)
    if only is None:
        plain = stack.enter_context(SQLiteStore(path, keys=keys, refresh=None))
        found["off"] = functools.partial(seconds_each, plain.find_token_by_id)
    return found


def _bare(connection: sqlite3.Connection, ids: Sequence[str]) -> float:
    begin = time.perf_counter()
    for row_id in ids:
        connection.execute(databases.BARE_SELECT, (row_id,)).fetchone()
    return (time.perf_counter() - begin) / len(ids)


def _file_store(scale: Scale, folder: Path) -> Iterator[Figure]:
    cases: dict[str, Block] = {}
    for count in scale.file_store_sizes:
        path = folder / f"lookups-{count}.csv"
        databases.fill_csv(path, count)
        cases[f"random/file_store/{count}"] = functools.partial(
            _file_store_block, FileStore(str(path)), taking(databases.ids(count), 2)
        )
    yield from _figures(cases, scale, turns=5)


def _file_store_block(store: Any, next_ids: Callable[[], list[str]]) -> float:
    return seconds_each(store.find_token_by_id, next_ids())


def _figures(cases: Mapping[str, Block], scale: Scale, turns: int | None = None) -> Iterator[Figure]:
    timings = interleave(cases, rounds=scale.rounds, turns=turns or scale.turns)
    for key, timing in timings.items():
        kind, who, count = key.split("/")
        yield Figure(key, f"{kind} token of {int(count):,}, {LABELS[who]}", timing)
