"""Opens a database, when it is told to. Prints the number of tokens in it, as JSON.

Arguments: the database, and its own number.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.sqlite.tokens import token
from tests.support.processes import ready
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository


def main(path: str, worker: str) -> None:
    ready()
    with TokenRepository(SQLiteBackend(Path(path))) as tokens:
        before = tokens.count()
        tokens.save(token(f"worker{worker}"))
    print(json.dumps(before))


if __name__ == "__main__":
    main(*sys.argv[1:])
