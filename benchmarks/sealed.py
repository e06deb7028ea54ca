"""What sealing costs: the look-ups and saves of a sealed store, beside bare statements."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from benchmarks import databases, lookups, saves
from benchmarks.figures import Figure
from benchmarks.harness import interleave, taking
from benchmarks.scale import Scale
from zoho_tokenstore import Keyset, SQLiteStore

_WHO: Final = ("select", "repository", "store")


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time look-ups in a sealed store beside a bare SELECT in it, and saves beside a bare UPDATE.

    The bare UPDATE is that of a store whose secrets are clear, as for saves without sealing.
    """
    keys = Keyset.generate()
    sealed, clear = folder / "sealed.db", folder / "clear.db"
    databases.fill_ours(sealed, scale.usual_size, keys)
    databases.fill_ours(clear, scale.usual_size)
    return [*_lookups(scale, sealed, keys), *_saves(scale, clear, sealed, keys)]


def _lookups(scale: Scale, path: Path, keys: Keyset) -> Iterator[Figure]:
    count = scale.usual_size
    with contextlib.ExitStack() as stack:
        found = lookups.readers(path, stack, keys=keys)
        hot = {f"sealed/hot/{who}": lookups.hot_block(found[who], count) for who in _WHO}
        timings = interleave(hot, rounds=scale.rounds, turns=scale.turns)
    with contextlib.ExitStack() as stack:
        ids = databases.ids(count)
        random = {
            f"sealed/random/{who}": stack.enter_context(lookups.RandomLookups(who, path, ids, keys=keys))
            for who in _WHO
        }
        timings |= interleave(random, rounds=scale.rounds, turns=scale.turns)
    for key, timing in timings.items():
        _, kind, who = key.split("/")
        yield Figure(key, f"{kind} sealed token of {count:,}, {lookups.LABELS[who]}", timing)


def _saves(scale: Scale, clear: Path, sealed: Path, keys: Keyset) -> Iterator[Figure]:
    with contextlib.ExitStack() as stack:
        connection = stack.enter_context(contextlib.closing(databases.bare(clear)))
        store = stack.enter_context(SQLiteStore(sealed, keys=keys))
        next_ids = [taking(databases.ids(scale.usual_size), saves.BLOCK) for _ in range(2)]
        cases = {
            "sealed/save/update": functools.partial(saves.update, connection, next_ids[0]),
            "sealed/save/store": functools.partial(saves.save, store, next_ids[1]),
        }
        for case in cases.values():
            for _ in range(scale.settling_saves // saves.BLOCK):
                case()
        timings = interleave(cases, rounds=scale.rounds, turns=scale.turns)
    yield Figure("sealed/save/update", "bare `UPDATE`, our table, clear", timings["sealed/save/update"])
    yield Figure("sealed/save/store", "sealed `SQLiteStore.save_token`", timings["sealed/save/store"])
