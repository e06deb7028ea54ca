"""Measure, judge, and write the results down."""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from benchmarks import cleanup, due, imports, lookups, report, saves, sealed, server_copies, servers, storm
from benchmarks.figures import LIMITS, Figure, missed
from benchmarks.scale import FULL, QUICK, Scale

BENCHMARKS: Final[dict[str, Callable[[Scale, Path], list[Figure]]]] = {
    "cleanup": cleanup.measure,
    "copies": server_copies.measure,
    "due": due.measure,
    "imports": imports.measure,
    "lookups": lookups.measure,
    "saves": saves.measure,
    "sealed": sealed.measure,
    "servers": servers.measure,
    "sessions": lookups.measure_sessions,
    "storm": storm.measure,
}

_WORK: Final = report.HERE / ".work"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 1 if a limit was missed, else 0."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure what the stores cost.")
    parser.add_argument(
        "--quick", action="store_true", help="small sizes, to see that it works; nothing is judged or written"
    )
    parser.add_argument("--only", choices=sorted(BENCHMARKS), action="append", help="leave out the others")
    options = parser.parse_args(arguments)
    names = options.only or list(BENCHMARKS)
    if options.quick:
        for name in names:
            print(report.figures_table(run(name, QUICK)), end="\n\n")
        return 0
    kept = [_measure_and_judge(name) for name in names]
    report.put_into(report.PAGE, report.tables(report.RESULTS))
    return 0 if all(kept) else 1


def run(name: str, scale: Scale) -> list[Figure]:
    """Run one benchmark in a folder of its own, on the disk of this checkout."""
    _WORK.mkdir(exist_ok=True)
    folder = Path(tempfile.mkdtemp(dir=_WORK))
    try:
        return BENCHMARKS[name](scale, folder)
    finally:
        shutil.rmtree(folder)


def _measure_and_judge(name: str) -> bool:
    measured = run(name, FULL)
    figures = {figure.key: figure for figure in measured}
    report.write(name, measured, report.RESULTS)
    print(
        report.figures_table(measured),
        report.limits_table(LIMITS.get(name, ()), figures),
        sep="\n\n",
        end="\n\n",
    )
    for limit in missed(name, figures):
        cost = report.cost_text(limit, limit.cost(figures))
        print(
            f"MISSED: {limit.title}: {cost}, at most {report.cost_text(limit, limit.most)}", file=sys.stderr
        )
    return not missed(name, figures)


if __name__ == "__main__":
    sys.exit(main())
