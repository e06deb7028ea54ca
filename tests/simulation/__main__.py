"""Run many schedules, and a fleet for a day, on all cores; or repeat one schedule and tell it."""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
import secrets
import sys
import time
from collections import Counter
from collections.abc import Sequence
from typing import Final

from tests.simulation import fleet
from tests.simulation.schedules import Outcome, run

_CHUNK: Final = 1000
_TELLS_EACH: Final = 100_000
_SHARES: Final = 200
_MOST_REQUESTS: Final = 1.01


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the simulation; return 1 if something happened that must not."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="repeat this schedule, and tell it")
    parser.add_argument("--schedules", type=int, default=1_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--first", type=int, help="the first seed (default: a random one, which is printed)")
    parser.add_argument("--logins", type=int, default=fleet.Fleet().logins, help="of the fleet; 0: no fleet")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="(default: all cores)")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        outcome = run(options.seed, tells=True)
        print("\n".join(outcome.story))
        return outcome.violation is not None
    with multiprocessing.Pool(options.processes) as pool:
        first = secrets.randbelow(10**9) if options.first is None else options.first
        failed = options.schedules > 0 and not _run_schedules(pool, first, options.schedules)
        if options.logins:
            failed = not _run_fleet(pool, fleet.Fleet(logins=options.logins), first) or failed
    return failed


def _run_schedules(pool: multiprocessing.pool.Pool, first: int, count: int) -> bool:
    began, events, requests, done = time.monotonic(), 0, 0, 0
    counts: Counter[str] = Counter()
    violations: list[Outcome] = []
    print(f"{count:,} schedules from seed {first} on", flush=True)
    chunks = [range(at, min(at + _CHUNK, first + count)) for at in range(first, first + count, _CHUNK)]
    for chunk in pool.imap_unordered(run_all, chunks):
        done += chunk.schedules
        events, requests, counts = events + chunk.events, requests + chunk.requests, counts + chunk.counts
        if done % _TELLS_EACH == 0:
            print(f"{done:,} so far, {done / (time.monotonic() - began):,.0f} a second", flush=True)
        for outcome in chunk.violations:
            violations.append(outcome)
            print(f"seed {outcome.seed}: {outcome.violation}", flush=True)
            print(f"  repeat it: python -m tests.simulation --seed {outcome.seed}", flush=True)
    seconds = time.monotonic() - began
    print(
        f"{done:,} schedules in {seconds:.0f} s: {done / seconds:,.0f} a second; {len(violations)} violations"
    )
    print(f"{events:,} steps, {requests:,} requests to Zoho; {_listed(counts)}", flush=True)
    return not violations


class Chunk:
    """What came of some schedules."""

    def __init__(self) -> None:
        self.schedules = self.events = self.requests = 0
        self.counts: Counter[str] = Counter()
        self.violations: list[Outcome] = []


def run_all(seeds: Sequence[int]) -> Chunk:
    """Run the schedules of these seeds."""
    chunk = Chunk()
    for seed in seeds:
        outcome = run(seed)
        chunk.schedules += 1
        chunk.events += outcome.events
        chunk.requests += outcome.requests
        chunk.counts.update(outcome.counts)
        if outcome.violation is not None:
            chunk.violations.append(outcome)
    return chunk


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{name}: {count:,}" for name, count in counts.most_common())


def _run_fleet(pool: multiprocessing.pool.Pool, size: fleet.Fleet, seed: int) -> bool:
    began, tally = time.monotonic(), fleet.Tally()
    part = functools.partial(_share, size, seed)
    for share in pool.imap_unordered(part, range(_SHARES)):
        tally += share
    print(
        f"{size.hosts:,} hosts, {size.logins:,} logins ({tally.in_use:,} in use), {size.hours:g} hours, "
        f"{tally.look_ups:,.0f} look-ups: {tally.requests:,} requests where {tally.needed:,} were needed, "
        f"{tally.ratio:.5f} for each; {tally.failures:,} failed; in {tally.contended:,} renewals "
        f"{tally.contenders:,} ran the protocol side by side, for {tally.longest_ms / 1000:.1f} s at most; "
        f"{time.monotonic() - began:.0f} s"
    )
    return tally.ratio <= _MOST_REQUESTS


def _share(size: fleet.Fleet, seed: int, share: int) -> fleet.Tally:
    return fleet.simulated(size, share, _SHARES, seed)


if __name__ == "__main__":
    sys.exit(main())
