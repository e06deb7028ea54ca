"""Places full of made-up tokens: our table, the published table without ours, the SDK's own file."""

from __future__ import annotations

import contextlib
import csv
import random
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from zoho_tokenstore import Keyset
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends._rows import DIGEST_COLUMNS, DIGESTED
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.records import COLUMNS, NO_DIGESTS, Row
from zoho_tokenstore.sealing._cipher import AESGCMCipher

BARE_SELECT: Final = f"SELECT {', '.join(COLUMNS)} FROM oauthtoken WHERE id = ?"
BARE_UPDATE: Final = "UPDATE oauthtoken SET access_token = ?, expiry_time = ? WHERE id = ?"

_PUBLISHED_TABLE: Final = (
    "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, "
    + ", ".join(f"{name} varchar({20 if name == 'expiry_time' else 255})" for name in COLUMNS[1:])
    + ", PRIMARY KEY (id))"
)
_FAR_FUTURE_MS: Final = 4_102_444_800_000
_TIMES_MS: Final = (now_ms(), now_ms())
_rng = random.Random("tokens")


def secret() -> str:
    """Return a text of the form and length of Zoho's tokens."""
    return f"1000.{_rng.getrandbits(128):032x}.{_rng.getrandbits(128):032x}"


def new_expiry() -> str:
    """Return an expiry of its own, far in the future: nothing here is due for a refresh."""
    return str(_FAR_FUTURE_MS + _rng.randrange(1_000_000_000))


def ids(count: int) -> list[str]:
    """Return the ids of a database of `count` tokens, in random order."""
    numbers = [9_000_000_000 + 700 * number for number in range(count)]
    random.Random(count).shuffle(numbers)
    return [str(number) for number in numbers]


def fill_ours(path: Path, count: int, keys: Keyset | None = None) -> None:
    """Make a database of ours with `count` tokens, sealed if there are keys."""
    SQLiteBackend(path).close()
    own = ("created_at_ms", "updated_at_ms", "etag")
    digests = () if keys is None else DIGEST_COLUMNS
    rows = _rows(count) if keys is None else _sealed(_rows(count), keys)
    _fill(path, (*COLUMNS, *digests, *own), ((*row, *_TIMES_MS, _rng.getrandbits(63)) for row in rows))


def fill_published(path: Path, count: int) -> None:
    """Make a database with the published table and nothing else, in write-ahead mode."""
    with contextlib.closing(bare(path)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_PUBLISHED_TABLE)
    _fill(path, COLUMNS, _rows(count))


def fill_csv(path: Path, count: int) -> None:
    """Make a token file as the SDK's `FileStore` keeps it."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow("redirect_uri" if name == "redirect_url" else name for name in COLUMNS)
        writer.writerows(_rows(count))


def bare(path: Path) -> sqlite3.Connection:
    """Return a connection as anybody would make it: committing each statement, durably."""
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    return connection


def _fill(path: Path, columns: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    with contextlib.closing(bare(path)) as connection:
        connection.execute("PRAGMA cache_size = -400000")  # the indexes are filled in random order
        connection.execute("BEGIN")
        connection.executemany(
            f"INSERT INTO oauthtoken ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})", rows
        )
        connection.execute("COMMIT")


def rows(count: int) -> Iterator[Row]:
    """Yield so many rows, as a repository would store them in clear."""
    return (Row._make((*row, *_TIMES_MS, None, None, NO_DIGESTS, None)) for row in _rows(count))


def _sealed(rows: Iterator[tuple[Any, ...]], keys: Keyset) -> Iterator[tuple[object, ...]]:
    cipher = AESGCMCipher(keys)
    for clear in rows:
        row = cipher.seal(Row(*clear))
        yield (*row[: len(COLUMNS)], *map(row.digests.get, DIGESTED))


def _rows(count: int) -> Iterator[tuple[Any, ...]]:
    for row_id in sorted(ids(count)):
        yield (
            row_id,
            f"coordinator{row_id}@zylker.example:60001234567",
            "1000.CLIENTOFZYLKERACADEMYPORTAL0",
            f"{_rng.getrandbits(168):042x}",
            secret(),
            secret(),
            None,
            new_expiry(),
            "https://portal.zylker.example/callback",
            "https://www.zohoapis.eu",
        )
