"""Saves 25 tokens as fast as it can, when it is told to begin. Prints what it saved, as JSON.

Arguments: the database, how many owners there are (0: everybody their own), and its number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.sqlite.tokens import token
from tests.support.processes import ready
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository

SAVES = 25


def main(path: str, owners: str, worker: str) -> None:
    ready()
    saved = []
    with TokenRepository(SQLiteBackend(Path(path))) as tokens:
        for number in range(SAVES):
            owner = f"user{number % int(owners)}" if int(owners) else f"user{worker}-{number}"
            stored = tokens.save(token(owner, f"access-{worker}-{number}"))
            saved.append((stored.id, stored.user_name, stored.access_token))
    print(json.dumps(saved))


if __name__ == "__main__":
    main(*sys.argv[1:])
