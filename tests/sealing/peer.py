"""Another process with a sealed store open, which does what it is told, line by line.

Arguments: the database, and how it gets its keys: ``file`` (a key file), ``callable`` (a function that
reads the file as a key service is asked) or ``text`` (once, from the file); the file. Lines: get ID,
find USER, token ACCESS_TOKEN, save USER ACCESS_TOKEN, count, ids. It answers with an access token,
or the name of an error.
"""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

from zoho_tokenstore import Keyset, TokenRecord, TokenRepository, TokenStoreError
from zoho_tokenstore.backends.sqlite import SQLiteBackend

MAX_AGE = timedelta(seconds=0.2)


def ring(kind: str, path: Path) -> Keyset:
    if kind == "file":
        return Keyset.from_file(path)
    if kind == "callable":
        return Keyset.from_callable(path.read_text, max_age=MAX_AGE)
    return Keyset.from_text(path.read_text())


class Peer:
    def __init__(self, database: str, kind: str, path: str) -> None:
        self._keys = ring(kind, Path(path))
        self._tokens = TokenRepository(SQLiteBackend(database), keys=self._keys)

    def get(self, token_id: str) -> str:
        return self._told(self._tokens.get(token_id))

    def find(self, user_name: str) -> str:
        return self._told(self._tokens.find(TokenRecord(user_name=user_name)))

    def token(self, access_token: str) -> str:
        return self._told(self._tokens.find(TokenRecord(access_token=access_token)))

    def save(self, user_name: str, access_token: str) -> str:
        return self._told(self._tokens.save(TokenRecord(user_name=user_name, access_token=access_token)))

    def count(self) -> str:
        return str(self._tokens.count())

    def ids(self) -> str:
        return " ".join(self._keys.ids)

    def _told(self, found: TokenRecord | None) -> str:
        return str(found and found.access_token)


def main() -> None:
    peer = Peer(*sys.argv[1:])
    print("ready", flush=True)
    for line in sys.stdin:
        command, *arguments = line.split()
        try:
            print(getattr(peer, command)(*arguments), flush=True)
        except TokenStoreError as error:
            print(type(error).__name__, flush=True)


if __name__ == "__main__":
    main()
