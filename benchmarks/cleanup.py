"""A clean-up of all logins, a tenth of them overdue, and look-ups beside it.

`python -m benchmarks.cleanup URL` is the clean-up itself, in a process of its own: it prints how long it
took, in seconds, and how much memory it had at most, in megabytes.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from benchmarks import databases
from benchmarks.figures import Figure
from benchmarks.harness import Timing, seconds_each
from benchmarks.scale import Scale
from tests.sql import support as sql
from zoho_tokenstore import SessionPolicy, open_tokens
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends.sql import SQLBackend
from zoho_tokenstore.lifecycle import clean_up
from zoho_tokenstore.records import Row

POLICY: Final = SessionPolicy(idle=timedelta(days=30))
MOST_MEGABYTES: Final = 200
_ONE_OVERDUE_OF: Final = 10
_OVERDUE_MS: Final = int(timedelta(days=31).total_seconds() * 1000)
_AGE: Final = "UPDATE oauthtoken SET created_at_ms = ?, updated_at_ms = ?, etag = random() WHERE id = ?"
_BATCH: Final = 1000
_BLOCK: Final = 200
_BLOCKS_ALONE: Final = 100


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time look-ups of random logins without and beside a clean-up, on SQLite and PostgreSQL."""
    count = scale.store_sizes[-1]
    urls = {"sqlite": _fill_sqlite(folder, count), "postgresql": _fill_postgresql(folder, count)}
    return [figure for kind, url in urls.items() for figure in _measure(kind, url, count)]


def _measure(kind: str, url: str, count: int) -> Iterator[Figure]:
    ids = [row_id for n, row_id in enumerate(sorted(databases.ids(count))) if n % _ONE_OVERDUE_OF]
    random.Random(count).shuffle(ids)
    with open_tokens(url, sessions=POLICY) as tokens:
        blocks, read = _blocks(ids), tokens.lifecycle.renewer.get
        alone = [seconds_each(read, next(blocks)) for _ in range(_BLOCKS_ALONE)]
        done, beside = _beside(url, lambda: seconds_each(read, next(blocks)))
    assert done["overdue"] == len(range(0, count, _ONE_OVERDUE_OF)), done
    if done["megabytes"] > MOST_MEGABYTES:
        raise AssertionError(f"The clean-up took {done['megabytes']} MB.")
    name = f"{count:,} logins on {kind}"
    yield Figure(f"cleanup/{kind}/alone", f"look-up of one of {name}", _timing(alone))
    yield Figure(f"cleanup/{kind}/beside", "the same beside a clean-up", _timing(beside))
    each = done["seconds"] / count
    label = f"clean-up, each of {name}, a tenth overdue; {done['megabytes']} MB at most"
    yield Figure(f"cleanup/{kind}/login", label, Timing(each, each))


def _beside(url: str, block: Callable[[], float]) -> tuple[dict[str, Any], list[float]]:
    command = [sys.executable, "-m", "benchmarks.cleanup", url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()  # it begins
        taken = []
        while process.poll() is None:
            taken.append(block())
        return json.loads(process.stdout.read()), taken


def _blocks(ids: Sequence[str]) -> Iterator[list[str]]:
    endless = itertools.cycle(ids)
    while True:
        yield list(itertools.islice(endless, _BLOCK))


def _timing(taken: list[float]) -> Timing:
    return Timing(statistics.median(taken), statistics.fmean(taken))


def _fill_sqlite(folder: Path, count: int) -> str:
    path, then = folder / "tokens.db", now_ms() - _OVERDUE_MS
    databases.fill_ours(path, count)
    overdue = [(then, then, row_id) for row_id in sorted(databases.ids(count))[::_ONE_OVERDUE_OF]]
    with contextlib.closing(databases.bare(path)) as connection:
        connection.execute("BEGIN")
        connection.executemany(_AGE, overdue)
        connection.execute("COMMIT")
    return f"sqlite:///{path}"


def _fill_postgresql(folder: Path, count: int) -> str:
    url = sql.url("postgresql", folder)
    sql.make("postgresql", folder).close()
    with contextlib.closing(SQLBackend(url)) as backend:
        rows = map(_aged, itertools.count(), databases.rows(count))
        while batch := list(itertools.islice(rows, _BATCH)):
            backend.write_many(batch)
    return url


def _aged(number: int, row: Row) -> Row:
    if number % _ONE_OVERDUE_OF:
        return row
    then = now_ms() - _OVERDUE_MS
    return row._replace(created_at_ms=then, updated_at_ms=then)


def _peak_megabytes() -> int:
    # Not `ru_maxrss`, which begins with that of the process that started this one.
    status = Path("/proc/self/status").read_text("ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def main(url: str) -> None:
    """Clean up, and print what it cost."""
    with open_tokens(url, sessions=POLICY) as tokens:
        print("begins", flush=True)
        began = time.monotonic()
        report = clean_up(tokens)
        seconds = time.monotonic() - began
    megabytes = _peak_megabytes()
    print(json.dumps({"seconds": seconds, "megabytes": megabytes, "overdue": report.overdue}))


if __name__ == "__main__":
    main(*sys.argv[1:])
