"""Stores to copy between, rows to copy, and what is left of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from typer.testing import CliRunner, Result

from zoho_tokenstore.backend import Backend, SupportsWriteMany
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.backends.memory import MemoryBackend
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.errors import RetiredIdError, RowChangedError
from zoho_tokenstore.records import COLUMNS, NO_DIGESTS, Row
from zoho_tokenstore.sealing import Keyset
from zoho_tokenstore.sealing._cipher import AESGCMCipher, Cipher, NullCipher

KINDS: Final = ("sqlite", "memory", "list", "csv")
CLIENT: Final = {"client_id": "1000.ZYLKER", "client_secret": "the-secret-of-zylker"}
DOMAIN: Final = "https://www.zohoapis.eu"
SECRET: Final = re.compile(r"1000\.(refresh|access|grant)\.\w|the-secret-of|ztk1_")
"""What no command may print."""


class BulkBackend(ListBackend, SupportsWriteMany):
    """A list that takes many rows at once."""

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        return list(map(self._try_to_write, rows))

    def _try_to_write(self, row: Row) -> object:
        try:
            return self.write(row, expect=None)
        except (RowChangedError, RetiredIdError):
            return None


def make_backend(kind: str, folder: Path) -> Backend:
    """Return a store in a folder, or in this process."""
    if kind == "sqlite":
        return SQLiteBackend(folder / "tokens.db")
    if kind == "csv":
        return CSVBackend(folder / "tokens.csv")
    return BulkBackend() if kind == "list" else MemoryBackend()


def sealing(keys: Keyset | None) -> Cipher:
    """Return how a store with these keys, or none, keeps its secrets."""
    return NullCipher() if keys is None else AESGCMCipher(keys)


def side(backend: Backend, keys: Keyset | None = None) -> Endpoint:
    """Return a store as a side of a copy."""
    return Endpoint(backend, sealing(keys))


def row(row_id: str, user: str | None = "alice", **columns: Any) -> Row:
    """Return a clear row of a user, with tokens of its own."""
    return Row(
        **{
            "id": row_id,
            "user_name": user,
            **CLIENT,
            "refresh_token": f"1000.refresh.{row_id}",
            "access_token": f"1000.access.{row_id}",
            "expiry_time": "4102444800000",
            "api_domain": DOMAIN,
            "created_at_ms": 1_700_000_000_000,
            "updated_at_ms": 1_700_000_000_001,
            **columns,
        }
    )


def numbered(number: int) -> Row:
    """Return the row of one of many users, no two alike: some lack what may be missing."""
    row_id = str(number) if number % 3 else str(9_000_000_000 + number * 7919)
    return row(
        row_id,
        None if number % 11 == 5 else f"user{number}@zylker.example:60{number:04d}",
        grant_token=f"1000.grant.{number}" if number % 4 == 0 else None,
        expiry_time=None if number % 13 == 6 else str(1_750_000_000_000 + number),
        redirect_url="https://portal.zylker.example/callback" if number % 2 else None,
        created_at_ms=1_700_000_000_000 + number,
        updated_at_ms=1_710_000_000_000 + number * 3,
        last_used_at_ms=1_720_000_000_000 + number if number % 5 == 0 else None,
        identified_at_ms=1_700_000_000_000 + number if number % 7 == 0 else None,
    )


def put(backend: Backend, rows: Iterable[Row], keys: Keyset | None = None) -> None:
    """Write rows into an empty store, or replace those with their ids."""
    kept = sealing(keys)
    for one in rows:
        stored = backend.load(one.id)
        backend.write(kept.seal(one), expect=None if stored is None else stored.etag)


def rows_of(backend: Backend, keys: Keyset | None = None) -> list[Row]:
    """Return all rows of a store, in clear, as they were before they had etags."""
    kept = sealing(keys)
    return [
        kept.open(stored)._replace(digests=NO_DIGESTS, etag=None)
        for stored in backend.scan()
        if isinstance(stored, Row)
    ]


def in_order(rows: Iterable[Row]) -> list[Row]:
    """Return rows in the order of their ids."""
    return sorted(rows, key=lambda one: one.id)


def columns_of(rows: Iterable[Row]) -> list[tuple[object, ...]]:
    """Return the ten columns of rows."""
    return [one[: len(COLUMNS)] for one in rows]


def run(*arguments: object, env: dict[str, str] | None = None) -> Result:
    """Run `zoho-tokens copy` in this process. It prints no secret, and no traceback."""
    done = CliRunner().invoke(
        app, ["copy", *map(str, arguments)], env={"COLUMNS": "200", "TERM": "dumb", **(env or {})}
    )
    assert not SECRET.search(done.output), "a secret was printed"
    assert "Traceback" not in done.output
    assert done.exception is None or isinstance(done.exception, SystemExit), repr(done.exception)
    return done
