"""What a look-up and a save cost in a CSV file of 10, 1,000 and 10,000 tokens, beside the SDK's FileStore.

Prints the table of docs/reference/stores/csv.md. Both stores have a file of their own in the folder
for temporary files, and take turns; a figure is the first quartile of what was measured.
"""

from __future__ import annotations

import csv
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore

from tests.csv.support import NAME, SDK_NAMES
from zoho_tokenstore import RepositoryStore, TokenRepository
from zoho_tokenstore.backends.csv import CSVBackend

SIZES = (10, 1_000, 10_000)
ROUNDS = 15
LOOK_UPS = 20


class Pair(NamedTuple):
    """The same thing measured on both stores, in seconds."""

    ours: list[float]
    theirs: list[float]

    def row(self, size: int, what: str) -> str:
        if not self.theirs:
            return f"| {size:,} | {what} | {_shown(statistics.quantiles(self.ours, n=4)[0])} | none | |"
        ours, theirs = (statistics.quantiles(times, n=4)[0] for times in self)
        ratio = theirs / ours
        digits = 0 if ratio >= 100 else 1
        beside = f"{ratio:,.{digits}f} × as fast" if ratio >= 1 else f"{1 / ratio:,.1f} × as slow"
        return f"| {size:,} | {what} | {_shown(ours)} | {_shown(theirs)} | {beside} |"


def _shown(seconds: float) -> str:
    return f"{seconds * 1e6:,.0f} µs" if seconds < 1e-3 else f"{seconds * 1e3:,.1f} ms"


def fill(path: Path, size: int) -> None:
    """Write a file as FileStore does, with tokens of the length of Zoho's."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(SDK_NAMES.split(","))
        for number in range(1, size + 1):
            secrets = [f"1000.{letter}{number:064}" for letter in "ra"]
            name = f"coordinator{number}@zylker.example:60{number}"
            client = ["1000.PORTAL", "s" * 42]
            writer.writerow(
                [number, name, *client, *secrets, "", "4102444800000", "", "https://www.zohoapis.com"]
            )


def took(call: Callable[[], object], times: int = 1) -> float:
    began = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - began) / times


def save(store: Any, token_id: str, turn: int) -> float:
    """Save a token that has been refreshed."""
    token = store.find_token_by_id(token_id)
    token.set_access_token(f"1000.a{turn:064}")
    return took(lambda: store.save_token(token))


def flush(path: Path) -> None:
    """Replace a file by a copy and flush both, as a save does, and nothing else."""
    scratch = path.with_name("scratch")
    handle = os.open(scratch, os.O_CREAT | os.O_WRONLY)
    os.write(handle, path.read_bytes())
    os.fsync(handle)
    os.close(handle)
    scratch.replace(path.with_name("copy"))
    folder = os.open(path.parent, os.O_RDONLY)
    os.fsync(folder)
    os.close(folder)


def measure(folder: Path, size: int) -> list[str]:
    paths = [folder / str(size) / who / NAME for who in ("ours", "theirs")]
    for path in paths:
        path.parent.mkdir(parents=True)
        fill(path, size)
    ours, other = (RepositoryStore(TokenRepository(CSVBackend(paths[0]))) for _ in range(2))
    theirs = FileStore(str(paths[1]))
    middle = str(size // 2)
    hot, fresh, saves, flushes = (Pair([], []) for _ in range(4))
    for turn in range(ROUNDS):
        saves.ours.append(save(ours, middle, turn))
        saves.theirs.append(save(theirs, middle, turn))
        flushes.ours.append(took(lambda: flush(paths[0])))
        fresh.ours.append(took(lambda: other.find_token_by_id(middle)))
        fresh.theirs.append(took(lambda: theirs.find_token_by_id(middle)))
        time.sleep(0.11)
        ours.find_token_by_id(middle)
        hot.ours.append(took(lambda: ours.find_token_by_id(middle), LOOK_UPS))
        hot.theirs.append(took(lambda: theirs.find_token_by_id(middle), LOOK_UPS))
    return [
        hot.row(size, "look-up by id, file unchanged"),
        fresh.row(size, "the first look-up after another process's save"),
        saves.row(size, "save"),
        flushes.row(size, "a save's writing and flushing alone"),
    ]


def main() -> None:
    folder = Path(tempfile.mkdtemp())
    try:
        print("| tokens | what | this store | `FileStore` | this store is |")
        print("| --- | --- | --- | --- | --- |")
        for size in SIZES:
            print("\n".join(measure(folder, size)), flush=True)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
