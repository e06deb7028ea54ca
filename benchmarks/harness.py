"""Timing of cases that are to be compared with each other, on a machine that has other things to do.

The cases run in short blocks, one after the other, again and again, so that whatever slows the
machine down slows all of them. A round is a number of such turns, and counts by its medians. Of
all rounds the calmest one is the result, so that all figures of one result belong together.
"""

from __future__ import annotations

import gc
import itertools
import math
import platform
import sqlite3
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")

Block = Callable[[], float]
"""Runs a case some times, and returns the seconds that one of them took."""


@dataclass(frozen=True)
class Timing:
    """What one operation takes, in seconds: the median block of the round, and the mean of all its blocks."""

    median: float
    mean: float


def interleave(cases: Mapping[str, Block], *, rounds: int, turns: int) -> dict[str, Timing]:
    """Return the timings of the calmest round. One round before them is not counted.

    Python's garbage collector stays on, as it is in an application.
    """
    results = [_round(cases, turns) for _ in range(1 + rounds)]
    return min(results[1:], key=_unrest)


def _round(cases: Mapping[str, Block], turns: int) -> dict[str, Timing]:
    gc.collect()
    taken: dict[str, list[float]] = {name: [] for name in cases}
    order: Sequence[str] = list(cases)
    for _ in range(turns):
        for name in order:
            taken[name].append(cases[name]())
        order = order[::-1]  # nobody always runs behind the same neighbour
    return {name: Timing(statistics.median(times), statistics.fmean(times)) for name, times in taken.items()}


def _unrest(timings: Mapping[str, Timing]) -> float:
    """Rank a round: logarithms, so that a slow case counts no more than a fast one."""
    return sum(math.log(timing.median) for timing in timings.values())


def seconds_each(operation: Callable[[T], object], arguments: Sequence[T]) -> float:
    """Call `operation` with each of the arguments, and return the seconds that one call took."""
    begin = time.perf_counter()
    for argument in arguments:
        operation(argument)
    return (time.perf_counter() - begin) / len(arguments)


def percentile_each(operation: Callable[[T], object], arguments: Sequence[T], percent: int) -> float:
    """Call `operation` likewise, and return the seconds that so many percent of the calls took at most."""
    taken = []
    for argument in arguments:
        begin = time.perf_counter()
        operation(argument)
        taken.append(time.perf_counter() - begin)
    return sorted(taken)[math.ceil(len(taken) * percent / 100) - 1]


def taking(source: Iterable[T], size: int) -> Callable[[], list[T]]:
    """Return a function that gives the next `size` items each time, from the start again at the end."""
    endless = itertools.cycle(source)
    return lambda: list(itertools.islice(endless, size))


def machine() -> dict[str, str]:
    """Describe what the figures were measured on, without saying whose it is."""
    return {
        "processor": _processor(),
        "system": platform.system(),
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "sqlite": sqlite3.sqlite_version,
        "sdk": f"zohocrmsdk8-0 {version('zohocrmsdk8-0')}",
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{len(names)} × {names[0]}" if names else platform.machine()
