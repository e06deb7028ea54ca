"""A durable save after a refresh, beside a bare durable UPDATE of the same two columns."""

from __future__ import annotations

import contextlib
import functools
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from benchmarks import databases
from benchmarks.figures import Figure
from benchmarks.harness import interleave, seconds_each, taking
from benchmarks.scale import Scale
from zoho_tokenstore import SQLiteStore

BLOCK: Final = 5

_LABELS: Final = {
    "save/update_published": "bare `UPDATE`, the published table alone",
    "save/update_ours": "bare `UPDATE`, our table with its indexes and triggers",
    "save/store": "`SQLiteStore.save_token`",
}


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time saves of random tokens, each of which got a new access token and a new expiry.

    Every case has a database of its own: a commit of one would empty the page cache of the others.
    """
    published, ours, stores = (folder / f"saves-{name}.db" for name in ("published", "ours", "store"))
    databases.fill_published(published, scale.usual_size)
    for path in (ours, stores):
        databases.fill_ours(path, scale.usual_size)
    with contextlib.ExitStack() as stack:
        bare = [stack.enter_context(contextlib.closing(databases.bare(path))) for path in (published, ours)]
        store = stack.enter_context(SQLiteStore(stores))
        next_ids = [taking(databases.ids(scale.usual_size), BLOCK) for _ in range(3)]
        cases = {
            "save/update_published": functools.partial(update, bare[0], next_ids[0]),
            "save/update_ours": functools.partial(update, bare[1], next_ids[1]),
            "save/store": functools.partial(save, store, next_ids[2]),
        }
        for case in cases.values():
            # A log that still grows makes every commit slower: until the first checkpoint.
            for _ in range(scale.settling_saves // BLOCK):
                case()
        timings = interleave(cases, rounds=scale.rounds, turns=scale.turns)
    return [Figure(key, _LABELS[key], timing) for key, timing in timings.items()]


def update(connection: sqlite3.Connection, next_ids: Callable[[], list[str]]) -> float:
    """Return the seconds that a bare durable `UPDATE` takes."""
    values = [(databases.secret(), databases.new_expiry(), row_id) for row_id in next_ids()]
    begin = time.perf_counter()
    for row in values:
        connection.execute(databases.BARE_UPDATE, row)
    return (time.perf_counter() - begin) / len(values)


def save(store: SQLiteStore, next_ids: Callable[[], list[str]]) -> float:
    """Return the seconds that a save after a refresh takes."""
    found = [store.find_token_by_id(row_id) for row_id in next_ids()]
    for token in found:
        token.set_access_token(databases.secret())
        token.set_expires_in(databases.new_expiry())
    return seconds_each(store.save_token, found)
