"""Stores a first text beside other processes, and counts in another. Arguments: the URL, a number."""

from __future__ import annotations

import json
import sys
from typing import Any

from tests.support.processes import ready
from zoho_tokenstore.registry import open_backend

TURNS = 10
KEEP_MS = 60_000


def main(url: str, number: str) -> None:
    backend: Any = open_backend(url)
    ready()
    is_first = backend.leases.replace("first", "", number, KEEP_MS)
    done = 0
    while done < TURNS:
        was = backend.leases.read("count").text
        counted = int(was.partition(" ")[0] or "0") + 1
        done += backend.leases.replace("count", was, f"{counted} {number}/{done}", KEEP_MS)
    backend.close()
    print(json.dumps(is_first))


if __name__ == "__main__":
    main(*sys.argv[1:])
