"""Processes save without end, are killed with SIGKILL at random moments, and replaced.

Arguments: the URL of a store in a file, how many processes work at once, the longest life of one in
seconds, the number of kills, a seed. Prints as JSON what the killed processes had acknowledged, as the
newest number of each owner, and after how many kills the file was not whole. Every process acknowledges a
save after it returned; the owners are those of its place, the numbers of its successor are greater.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path
from typing import NamedTuple

import zoho_tokenstore.sealing._keyset  # noqa: F401  # a short life is for saves, not for imports
from tests.support.tokens import token
from zoho_tokenstore.backends.csv._content import is_whole, parse
from zoho_tokenstore.registry import open_repository

OWNERS_OF_A_PLACE = 3
NUMBERS_OF_A_LIFE = 100_000
TTL = 30_000


class Life(NamedTuple):
    process: int
    acknowledged: int  # the pipe
    until: float


def save_without_end(url: str, place: int, first: int, pipe: int) -> None:
    tokens = open_repository(f"{url}?timeout=30")
    for number in range(first, first + NUMBERS_OF_A_LIFE):
        owners = [f"place{place}-{number % OWNERS_OF_A_PLACE}"]
        if number % 4 == 0:
            owners.append(f"place{place}-new-{number}")
        if number % 5 == 0:
            tokens.save(token("everybody", f"access-{number}"))
            was = tokens.leases.read(f"{place}").text
            tokens.leases.replace(f"{place}", was, f"{place} {number} {os.getpid()}", TTL)
        for owner in owners:
            tokens.save(token(owner, f"access-{number}"))
            os.write(pipe, f"{owner} {number}\n".encode())


def begin(url: str, place: int, first: int, longest: float) -> Life:
    acknowledged, pipe = os.pipe()
    process = os.fork()
    if process == 0:
        status = 1
        try:
            save_without_end(url, place, first, pipe)
        except BaseException as error:  # noqa: BLE001  # told to the test, as an owner of no place
            os.write(pipe, f"{type(error).__name__}:{str(error).replace(' ', '_')} 0\n".encode())
        finally:
            os._exit(status)
    os.close(pipe)
    return Life(process, acknowledged, time.monotonic() + random.uniform(0.001, longest))


def end(life: Life, newest: dict[str, int]) -> None:
    time.sleep(max(0.0, life.until - time.monotonic()))
    os.kill(life.process, signal.SIGKILL)
    os.waitpid(life.process, 0)
    with open(life.acknowledged, encoding="utf-8") as pipe:  # noqa: PTH123  # a descriptor
        for line in pipe:
            owner, number = line.split()
            newest[owner] = max(newest.get(owner, 0), int(number))


def is_torn(url: str) -> bool:
    """Whether a CSV file is none that was written to its end. SQLite's is looked at when all are dead."""
    scheme, _, name = url.partition(":///")
    path = Path(name)
    if scheme != "csv" or not path.exists():
        return False
    data = path.read_bytes()
    return not (is_whole(data) and parse(data, "file").is_ours)


def main(url: str, places: str, longest: str, kills: str, seed: str) -> None:
    random.seed(int(seed))
    newest: dict[str, int] = {}
    torn = 0
    lives = {place: begin(url, place, 0, float(longest)) for place in range(int(places))}
    for kill in range(1, int(kills) + 1):
        place = min(lives, key=lambda at: lives[at].until)
        end(lives.pop(place), newest)
        torn += is_torn(url)
        if kill + len(lives) < int(kills):
            lives[place] = begin(url, place, kill * NUMBERS_OF_A_LIFE, float(longest))
    print(json.dumps({"newest": newest, "torn": torn}))


if __name__ == "__main__":
    main(*sys.argv[1:])
