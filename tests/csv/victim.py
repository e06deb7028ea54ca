"""A process is killed in the middle of a save, at its first file operation, at its second, and so on.

Arguments: a folder. Prints as JSON for each time what was there afterwards, and in the end what
was there when nobody was killed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any, NoReturn

from tests.csv.support import NAME, beside, open_tokens, token
from tests.support import Faults, os_faults
from zoho_tokenstore.backends.csv._content import is_whole
from zoho_tokenstore.records import TokenRecord


def save_and_die(path: Path, n: int) -> NoReturn:
    tokens = open_tokens(path)
    count = 0

    def strike(_faults: Faults, _operation: str, _name: str) -> None:
        nonlocal count
        count += 1
        if count == n:
            os.kill(os.getpid(), signal.SIGKILL)

    Faults.strike = strike  # type: ignore[assignment, method-assign]
    with os_faults(path.parent):
        tokens.save(token("alice", "access-2"))
    os._exit(0)


def access_token(path: Path) -> str | None:
    with open_tokens(path) as tokens:
        found = tokens.find(TokenRecord(user_name="alice"))
    return None if found is None else found.access_token


def kill_at(folder: Path, n: int) -> dict[str, Any]:
    path = folder / str(n) / NAME
    path.parent.mkdir()
    with open_tokens(path) as tokens:
        tokens.save(token("alice", "access-1"))
    child = os.fork()
    if child == 0:
        save_and_die(path, n)
    _, status = os.waitpid(child, 0)
    whole, found = is_whole(path.read_bytes()), access_token(path)
    left = sorted(beside(path) - {"*.lock", "*.leases.lock"})
    with open_tokens(path) as tokens:
        tokens.save(token("alice", "access-3"))
    killed = os.WIFSIGNALED(status)
    return {"killed": killed, "whole": whole, "found": found, "left": left, "again": access_token(path)}


def main(folder: str) -> None:
    cases = [kill_at(Path(folder), 1)]
    while cases[-1]["killed"]:
        cases.append(kill_at(Path(folder), len(cases) + 1))
    print(json.dumps(cases))


if __name__ == "__main__":
    main(*sys.argv[1:])
