"""Many processes that wake to one expired token: what Zoho sees, and how long until all are served."""

from __future__ import annotations

import csv
import statistics
from pathlib import Path
from typing import Any, Final

from benchmarks.figures import Figure
from benchmarks.harness import Timing
from benchmarks.scale import Scale
from tests.refresh.support import Report, Site
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import COLUMNS

_ANSWER_SECONDS: Final = 0.1  # what a refresh takes at Zoho, about
_CSV_HEADER: Final = ["redirect_uri" if name == "redirect_url" else name for name in COLUMNS]


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Let the unmodified SDK meet one expired token in many processes at once, with our store and its own."""
    runs: dict[str, list[tuple[Report, int]]] = {"sqlite": [], "file_store": []}
    for number in range(min(scale.rounds, 5)):
        for who, results in runs.items():
            results.append(_storm(who, folder / f"{who}-{number}", scale.storm_processes))
    return [_figure(who, results, scale.storm_processes) for who, results in runs.items()]


def _storm(who: str, folder: Path, processes: int) -> tuple[Report, int]:
    folder.mkdir()
    with Emulator() as zoho:
        site = Site(zoho, folder)
        token = site.store_token()
        zoho.fault("token:refresh_token", "slow", seconds=_ANSWER_SECONDS)
        orders: dict[str, Any] = {"file_store": _file_store(site, token)} if who == "file_store" else {}
        return site.fleet([token], processes=processes, **orders), site.requests


def _file_store(site: Site, token: dict[str, str]) -> str:
    """Write the same token into a file of the SDK's own store."""
    path = site.database.with_suffix(".csv")
    record = site.stored(token)
    fields = {**vars(record), "expiry_time": str(record.expires_at_ms)}
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(_CSV_HEADER)
        writer.writerow([fields[name] for name in COLUMNS])
    return str(path)


def _figure(who: str, results: list[tuple[Report, int]], processes: int) -> Figure:
    requests = max(requests for _, requests in results)
    failed = max(len(report.failures) for report, _ in results)
    served = [report.slowest for report, _ in results]
    if who == "sqlite" and (requests, failed) != (1, 0):
        raise RuntimeError(f"The fleet made {requests} requests, and {failed} calls failed; 1 and 0 are due.")
    name = "`SQLiteStore`" if who == "sqlite" else "the SDK's `FileStore`"
    label = f"{processes} processes, one expired token, {name}: {requests} requests, {failed} failed calls"
    return Figure(f"storm/{who}", label, Timing(statistics.median(served), statistics.fmean(served)))
