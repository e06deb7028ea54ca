"""Eight processes save 25 tokens of different owners each, at once, in a new file; so many times over.

Arguments: a folder, how many times. Prints as JSON for each time how many owners the file has at
the end, and what went wrong in the processes.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

from tests.csv.support import NAME, lines_of, open_tokens, token

PROCESSES = 8
SAVES = 25


def at_once(count: int, work: Callable[[int], object]) -> list[str]:
    """Do some work in so many forked processes, all let go together; return their errors."""
    wait, go = os.pipe()
    report, told = os.pipe()
    children = []
    for number in range(count):
        child = os.fork()
        if child == 0:
            os.close(go)
            os.read(wait, 1)  # ends when the parent closes the other end
            _do(work, number, told)
        children.append(child)
    for handle in (wait, go, told):
        os.close(handle)
    with open(report, encoding="utf-8") as pipe:  # noqa: PTH123  # a descriptor
        errors = pipe.read().splitlines()
    for child in children:
        os.waitpid(child, 0)
    return errors


def _do(work: Callable[[int], object], number: int, told: int) -> None:
    try:
        work(number)
    except BaseException as error:  # noqa: BLE001  # told to the test
        os.write(told, f"{type(error).__name__}: {error}\n".encode())
    finally:
        os._exit(0)


def save_all(path: Path, process: int) -> None:
    with open_tokens(path, timeout=30) as tokens:
        for number in range(SAVES):
            tokens.save(token(f"user{process}-{number}"))


def main(folder: str, rounds: str) -> None:
    told = []
    for number in range(int(rounds)):
        path = Path(folder) / str(number) / NAME
        path.parent.mkdir()
        errors = at_once(PROCESSES, lambda process, path=path: save_all(path, process))  # type: ignore[misc]
        told.append([len({line[1] for line in lines_of(path)[1:]}), errors])
    print(json.dumps(told))


if __name__ == "__main__":
    main(*sys.argv[1:])
