"""A copy of all rows from one server to another: what each row takes, the comparison in the end included."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from benchmarks import databases
from benchmarks.figures import Figure
from benchmarks.harness import Timing
from benchmarks.scale import Scale
from benchmarks.server_saves import Place, durable, opened
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.sealing._cipher import NullCipher

PAIRS: Final = (
    ("postgresql", "mariadb"),
    ("mariadb", "postgresql"),
    ("postgresql", "redis"),
    ("redis", "postgresql"),
)

_NAMES: Final = {"postgresql": "PostgreSQL", "mariadb": "MariaDB", "redis": "Redis"}


def measure(scale: Scale, _folder: Path) -> list[Figure]:
    """Time one copy of all tokens for each pair of servers, which flush every commit."""
    with contextlib.ExitStack() as stack:
        kinds = {kind for pair in PAIRS for kind in pair}
        return list(_measure(scale, {kind: stack.enter_context(durable(kind)) for kind in kinds}))


def _measure(scale: Scale, places: Mapping[str, Place]) -> Iterator[Figure]:
    for number, pair in enumerate(PAIRS):
        urls = [places[kind](f"tokens_{number}_{kind}") for kind in pair]
        seconds = _seconds(pair, urls, scale.usual_size) / scale.usual_size
        one, other = (_NAMES[kind] for kind in pair)
        label = f"copy from {one} to {other}, each of {scale.usual_size:,} tokens"
        yield Figure(f"copy/{'/'.join(pair)}", label, Timing(seconds, seconds))


def _seconds(kinds: Sequence[str], urls: Sequence[str], count: int) -> float:
    with contextlib.ExitStack() as stack:
        stores = [
            stack.enter_context(contextlib.closing(opened(kind, url)))
            for kind, url in zip(kinds, urls, strict=True)
        ]
        stores[0].write_many(list(databases.rows(count)))
        begin = time.perf_counter()
        done = copy_rows(*(Endpoint(store, NullCipher()) for store in stores))
        seconds = time.perf_counter() - begin
        if (done.copied, done.is_complete) != (count, True):
            raise RuntimeError(f"The copy is not complete: {done}")
        for store in stores:
            store.clear()
        return seconds
