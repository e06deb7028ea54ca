"""Rows in a CSV file in the format of the SDK's `FileStore`: for all processes of one host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.backend import SupportsLeases, SupportsRehearsal, SupportsScrub
from zoho_tokenstore.errors import (
    BackendError,
    ConfigurationError,
    RetiredIdError,
    RowChangedError,
    UnreadableRowError,
)

with needed_by("A CSV store", "filelock", "csv"):
    import filelock  # noqa: F401  # only to tell whether it is there

from zoho_tokenstore._util.urls import file_and_timeout
from zoho_tokenstore.backends.csv._beside import lock_of
from zoho_tokenstore.backends.csv._cells import Cells, cells_of, etag_of
from zoho_tokenstore.backends.csv._leases import CSVLeases
from zoho_tokenstore.backends.csv._retired import CSVRetiredIds
from zoho_tokenstore.backends.csv._table import CSVTable
from zoho_tokenstore.backends.csv._tokenfile import TokenFile
from zoho_tokenstore.records import Found, Row, UnreadableRow

__all__ = ["CSVBackend"]

DEFAULT_PATH: Final = "sdk_tokens.txt"
DEFAULT_TIMEOUT: Final = 10.0
_UNREADABLE: Final = object()


class CSVBackend(SupportsLeases, SupportsRehearsal, SupportsScrub):
    """A CSV file of tokens.

    The file is created if there is none (readable and writable only by its owner); one that the
    SDK's `FileStore` wrote is adopted in place. A look-up takes no lock, and reads the file only
    if it has changed. A change writes a new file, flushes it and replaces the old
    one with it, under a lock shared by all processes of the host.

    Arguments:
        path: the file; a relative one is resolved now, and unaffected by a later chdir.
        timeout: how long to wait for other writers, in seconds.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file is not a token file, or not all of it can be read.
        BackendUnavailableError: it cannot be read or written.
        BackendTimeoutError: others held it locked for longer than the timeout.
        MissingDependencyError: filelock is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str] = DEFAULT_PATH, *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        absolute = _absolute(path)
        lock = lock_of(absolute, timeout)
        self._file = TokenFile(absolute, lock, timeout)
        self._file.open()
        self.retired = CSVRetiredIds(absolute, lock)
        self.retired.open()
        self.leases: CSVLeases = CSVLeases(absolute, timeout)
        self.leases.open()

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``csv:///relative/path`` or ``csv:////absolute/path``, with ``?timeout=SECONDS``."""
        path, timeout = file_and_timeout(parts, DEFAULT_PATH, DEFAULT_TIMEOUT)
        return cls(path, timeout=timeout)

    @property
    def location(self) -> str:
        return self._file.location

    def load(self, row_id: str) -> Row | None:
        found = self._file.table().load(row_id)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def find(self, index: str, *keys: str) -> list[Found]:
        return self._file.table().find(index, keys)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return self._file.table().scan(after, limit)

    def write(self, row: Row, *, expect: object) -> object:
        cells = cells_of(row)

        def put(table: CSVTable) -> CSVTable:
            self._check(row, expect, cells, table)
            return table.put(row.id, cells)

        self._file.change(put)
        return etag_of(cells)

    def rehearse(self, row: Row, *, expect: object) -> None:
        """Raise what `write` would, as far as that is known without the lock."""
        table = self._file.table()
        cells = cells_of(row)
        self._check(row, expect, cells, table)
        self._file.check_space()

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        def remove(table: CSVTable) -> CSVTable | None:
            found = table.load(row_id)
            if found is None or expect not in (None, getattr(found, "etag", None)):
                return None
            self.retired.retire([row_id])
            return table.without(row_id)

        return self._file.change(remove) is not None

    def clear(self) -> int:
        def remove_all(table: CSVTable) -> CSVTable | None:
            self.retired.retire(table.ids(), is_clear=True)
            return table.empty() if table.lines else None

        replaced = self._file.change(remove_all)
        return 0 if replaced is None else len(replaced.lines)

    def scrub(self) -> None:
        """Remove what killed processes left of new file versions.

        A file can do no more: the blocks of a replaced version return to the file
        system, which overwrites them when it needs them.
        """
        self._file.remove_strays()
        self.leases.open()

    def close(self) -> None:
        self._file.close()
        self.retired.close()
        self.leases.close()

    def _check(self, row: Row, expect: object, cells: Cells, table: CSVTable) -> None:
        """Refuse an outdated write, or one of a row that must not exist or that others could not read."""
        stored = table.load(row.id)
        if (None if stored is None else getattr(stored, "etag", _UNREADABLE)) != expect:
            raise RowChangedError(f"Row {row.id!r} has changed since it was read.")
        if stored is None and row.id in self.retired:
            raise RetiredIdError(f"The id {row.id!r} belongs to a deleted row.")
        unfit = table.form.unfit(cells, table.stored(row.id))
        if unfit is not None:
            raise BackendError(
                f"The {unfit} of row {row.id!r} contains a comma, quote or line end, or begins with a "
                f"backslash. The SDK that began {self.location} would misread it as other cells. Nothing was "
                "written; keep such a token in another store."
            )


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return where the path leads now. Links are followed once, so that all use one file and lock."""
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError("The path of a CSV store must be a non-empty string without NUL.")
    return Path(os.path.realpath(text))
