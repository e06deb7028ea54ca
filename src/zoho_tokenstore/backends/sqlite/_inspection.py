"""What a SQLite file shows of itself, read as it is: not created, adopted, closed to others or locked."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult

from zoho_tokenstore._inspection import StorageFacts
from zoho_tokenstore._util.urls import file_and_timeout
from zoho_tokenstore.backends._rows import OWN_COLUMNS, STORED, RawText, read_row
from zoho_tokenstore.backends.sqlite import _failures as failures
from zoho_tokenstore.backends.sqlite import _files as files
from zoho_tokenstore.backends.sqlite import _schema as schema
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Found

_BATCH: Final = 1000
_STEPS: Final = 10_000
"""After how many of SQLite's own steps it is asked whether there is still time."""


def inspect(parts: SplitResult, timeout: float) -> SQLiteInspection:
    """Return a look at the file that a URL names, with so many seconds for each question."""
    path, _ = file_and_timeout(parts, "zohooauth.db", timeout)
    return SQLiteInspection(Path(os.path.realpath(path)), timeout)


class SQLiteInspection:
    """A look at a database file."""

    def __init__(self, path: Path, timeout: float) -> None:
        self.location = str(path)
        self.files: tuple[Path, ...] = (path, *files.beside(path))
        self._path = path
        self._timeout = timeout
        self._connection: sqlite3.Connection | None = None
        self._select = ""

    def look(self, *, thorough: bool) -> StorageFacts:
        with self._failing() as connection:
            if thorough:
                self._check_pages(connection)
            (page_size,) = connection.execute("PRAGMA page_size").fetchone()
            files.check_length(self._path, page_size)
            missing = schema.upgrades(connection, self.location)
            columns = {
                name.lower()
                for (name,) in connection.execute("SELECT name FROM pragma_table_xinfo('oauthtoken')")
            }
        if not columns:
            return StorageFacts(schema="missing")
        self._select = _select(columns)
        return StorageFacts(schema="older" if missing else "current", outdated=_outdated(columns, missing))

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        left = limit
        condition, values = ("", ()) if after is None else ("WHERE id > ?", (after,))
        with self._failing() as connection:
            connection.text_factory = RawText
            statement = f"SELECT {self._select} FROM oauthtoken {condition} ORDER BY id LIMIT ?"  # noqa: S608
            cursor = connection.execute(statement, (*values, -1 if left is None else left))
            while batch := cursor.fetchmany(_BATCH):
                yield from map(read_row, batch)

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        with self._failing() as connection:
            if not connection.execute("SELECT 1 FROM pragma_table_info('zoho_tokenstore_lease')").fetchone():
                return {}
            found = connection.execute(
                "SELECT CAST(name AS BLOB), CAST(text AS BLOB) FROM zoho_tokenstore_lease "  # noqa: S608
                f"WHERE name IN ({', '.join('?' * len(names))})",
                names,
            )
            return {name.decode(): text.decode(errors="replace") for name, text in found}

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    @contextlib.contextmanager
    def _failing(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection; what fails is raised as ours."""
        try:
            yield self._open()
        except sqlite3.Error as error:
            raise failures.map_error(self.location, error) from failures.cause(error)

    def _open(self) -> sqlite3.Connection:
        """Connect so that nothing is left behind.

        A reader of a database with a log makes the files beside it, and leaves them if it may not write. So
        as long as nobody has it open, it is read as one that does not change.
        """
        if self._connection is None:
            is_in_use = any(file.exists() for file in files.beside(self._path))
            how = "mode=ro" if is_in_use else "immutable=1"
            self._connection = sqlite3.connect(
                f"{self._path.as_uri()}?{how}", uri=True, timeout=self._timeout, check_same_thread=False
            )
            ends = time.monotonic() + self._timeout
            self._connection.set_progress_handler(lambda: time.monotonic() > ends, _STEPS)
        return self._connection

    def _check_pages(self, connection: sqlite3.Connection) -> None:
        connection.set_progress_handler(None, 0)
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise BackendError(
                f"The token database {self.location} is damaged ({str(found)[:100]!r}). It was left as it "
                "is; "
                "restore it from a backup."
            )


def _select(columns: set[str]) -> str:
    """Return what is selected of a table that may lack our columns."""
    absent = {"etag": "0"}
    return ", ".join(name if name in columns else absent.get(name, "NULL") for name in STORED)


def _outdated(columns: set[str], missing: list[str]) -> str:
    lacking = [name for name in OWN_COLUMNS if name not in columns]
    if lacking:
        return "the table oauthtoken has only the columns of Zoho's published code"
    return f"{len(missing)} of its indexes, triggers or tables are missing" if missing else ""
