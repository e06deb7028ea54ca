"""Another process with the same database open, which does what it is told, line by line.

Arguments: the database, and how long to wait for locks, in seconds. Lines: save USER ACCESS_TOKEN,
find USER, lock, unlock, reopen.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from tests.sqlite.tokens import by_name, token
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository


class Peer:
    def __init__(self, path: str, timeout: str) -> None:
        self._path, self._timeout = Path(path), float(timeout)
        self._locked: sqlite3.Connection | None = None
        self._tokens = self._open()

    def _open(self) -> TokenRepository:
        return TokenRepository(SQLiteBackend(self._path, timeout=self._timeout))

    def save(self, user_name: str, access_token: str) -> str:
        return str(self._tokens.save(token(user_name, access_token)).id)

    def find(self, user_name: str) -> str:
        found = self._tokens.find(by_name(user_name))
        return str(found and found.access_token)

    def delete(self, token_id: str) -> str:
        return str(self._tokens.delete(token_id))

    def lock(self) -> str:
        self._locked = sqlite3.connect(self._path, isolation_level=None)
        self._locked.execute("BEGIN IMMEDIATE")
        return "locked"

    def unlock(self) -> str:
        assert self._locked
        self._locked.execute("ROLLBACK")
        self._locked.close()
        return "unlocked"

    def reopen(self) -> str:
        self._tokens.close()
        self._tokens = self._open()
        return "open"

    def close(self) -> str:
        self._tokens.close()
        return "closed"


def main() -> None:
    peer = Peer(*sys.argv[1:])
    print("ready", flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        print(getattr(peer, command)(*arguments), flush=True)


if __name__ == "__main__":
    main()
