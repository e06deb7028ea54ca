"""Big sealed stores, made in one go, and a look at what is left of keys and secrets on the disk."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import ROW_FIELDS, Row
from zoho_tokenstore.sealing import Keyset
from zoho_tokenstore.sealing._cipher import AESGCMCipher

CLIENT: Final = ("1000.ZYLKER", "the-secret-of-zylker")
_DIGESTS: Final = ("refresh_token", "access_token", "grant_token")


def token_id(number: int) -> str:
    return str(9_000_000_000 + number)


def row_of(number: int) -> Row:
    """The clear row of a user, by number."""
    return Row(
        id=token_id(number),
        user_name=f"user{number}@zylker.example",
        client_id=CLIENT[0],
        client_secret=CLIENT[1],
        refresh_token=f"1000.refresh.{number:032d}",
        access_token=f"1000.access.{number:032d}.0",
        expiry_time="4102444800000",
        api_domain="https://www.zohoapis.eu",
        created_at_ms=1,
        updated_at_ms=2,
    )


def refresh_token(number: int) -> bytes:
    """The refresh token of a user, as it is found on a disk."""
    return str(row_of(number).refresh_token).encode()


def fill(path: Path, count: int, keys: Keyset | None) -> None:
    """Make a database with so many users, sealed or clear, in one transaction."""
    SQLiteBackend(path).close()
    names = (*ROW_FIELDS, *(f"{name}_digest" for name in _DIGESTS), "etag")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            f"INSERT INTO oauthtoken ({', '.join(names)}) VALUES ({', '.join('?' * len(names))})",
            _rows(count, keys),
        )


def _rows(count: int, keys: Keyset | None) -> Iterator[tuple[object, ...]]:
    cipher = None if keys is None else AESGCMCipher(keys)
    for number in range(count):
        row = row_of(number) if cipher is None else cipher.seal(row_of(number))
        yield (*row[: len(ROW_FIELDS)], *map(row.digests.get, _DIGESTS), number)


def bytes_on_disk(folder: Path) -> bytes:
    """Everything that the files of a folder hold: database, log, shared memory and what else is there."""
    return b"\n".join(path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file())
