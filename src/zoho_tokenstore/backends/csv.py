"""Rows in a CSV file of the form that the SDK's `FileStore` writes: for all processes of one host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Self
from urllib.parse import SplitResult, unquote

from zoho_tokenstore.backends._csv.cells import Cells, cells_of, etag_of
from zoho_tokenstore.backends._csv.leases import CSVLeases
from zoho_tokenstore.backends._csv.locks import HostLock
from zoho_tokenstore.backends._csv.retired import CSVRetiredIds
from zoho_tokenstore.backends._csv.table import Table
from zoho_tokenstore.backends._csv.tokenfile import TokenFile
from zoho_tokenstore.backends._urls import options_of, seconds
from zoho_tokenstore.errors import (
    BackendError,
    ConfigurationError,
    RetiredIdError,
    RowChangedError,
    UnreadableRowError,
)
from zoho_tokenstore.records import Found, Row, UnreadableRow

DEFAULT_PATH: Final = "sdk_tokens.txt"
DEFAULT_TIMEOUT: Final = 10.0
_UNREADABLE: Final = object()


class CSVBackend:
    """A CSV file of tokens.

    The file is created if there is none (readable and writable by its owner alone); one that the
    SDK's `FileStore` wrote is taken over in place. A look-up takes no lock, and reads the file only
    if it has changed. A change writes a new file, flushes it and puts it in the place of the old
    one, under a lock that all processes of the host share.

    Arguments:
        path: the file; a relative one means the folder that is current now, also after a chdir.
        timeout: how long to wait for others who write, in seconds.

    Raises:
        ConfigurationError: the path is a folder, or its folder does not exist.
        BackendError: the file is no token file, or not all of it can be read.
        BackendUnavailableError: it cannot be read or written.
        BackendTimeoutError: others held it locked for longer than the timeout.
        MissingDependencyError: filelock is not installed.
    """

    def __init__(
        self, path: str | os.PathLike[str] = DEFAULT_PATH, *, timeout: float = DEFAULT_TIMEOUT
    ) -> None:
        absolute = _absolute(path)
        lock = HostLock(absolute.with_name(absolute.name + ".lock"), absolute, timeout)
        self._file = TokenFile(absolute, lock, timeout)
        self._file.open()
        self.retired = CSVRetiredIds(absolute, lock)
        self.retired.open()
        self.leases = CSVLeases(absolute, timeout)
        self.leases.open()

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``csv:///relative/path`` or ``csv:////absolute/path``, with ``?timeout=SECONDS``."""
        options = options_of(parts, "timeout")
        path = unquote(parts.path[1:])
        if parts.netloc or not path:
            raise ConfigurationError(
                "A CSV URL has three slashes before a relative path, four before an absolute one: "
                "csv:///sdk_tokens.txt, csv:////var/lib/portal/sdk_tokens.txt."
            )
        return cls(path, timeout=seconds("timeout", options.get("timeout", str(DEFAULT_TIMEOUT))))

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

        def put(table: Table) -> Table:
            self._check(row, expect, cells, table)
            return table.put(row.id, cells)

        self._file.change(put)
        return etag_of(cells)

    def rehearse(self, row: Row, *, expect: object) -> None:
        """Raise what `write` would, as far as that can be known without taking the lock."""
        table = self._file.table()
        cells = cells_of(row)
        self._check(row, expect, cells, table)
        self._file.check_space()

    def remove(self, row_id: str) -> bool:
        def remove(table: Table) -> Table | None:
            if table.load(row_id) is None:
                return None
            self.retired.retire([row_id])
            return table.without(row_id)

        return self._file.change(remove) is not None

    def clear(self) -> int:
        def remove_all(table: Table) -> Table | None:
            self.retired.retire(table.ids(), is_clear=True)
            return table.emptied() if table.lines else None

        replaced = self._file.change(remove_all)
        return 0 if replaced is None else len(replaced.lines)

    def scrub(self) -> None:
        """Remove what killed processes have left of new versions of the files.

        That is all a file can do: the blocks of a replaced version are given back to the file
        system, which overwrites them when it needs them.
        """
        self._file.remove_strays()
        self.leases.open()

    def close(self) -> None:
        self._file.close()
        self.retired.close()
        self.leases.close()

    def _check(self, row: Row, expect: object, cells: Cells, table: Table) -> None:
        """Refuse a write that is outdated, or of a row that must not be or could not be read by others."""
        stored = table.load(row.id)
        if (None if stored is None else getattr(stored, "etag", _UNREADABLE)) != expect:
            raise RowChangedError(f"Row {row.id!r} is not as it was when it was read.")
        if stored is None and row.id in self.retired:
            raise RetiredIdError(f"The id {row.id!r} is that of a row that was deleted.")
        unfit = table.form.unfit(cells, table.stored(row.id))
        if unfit is not None:
            raise BackendError(
                f"The {unfit} of row {row.id!r} has a comma, a quote or a line end, or begins with a "
                f"backslash. The SDK that began {self.location} would take it for other cells. Nothing was "
                "written; keep such a token in another store."
            )


def _absolute(path: str | os.PathLike[str]) -> Path:
    """Return where the path leads now. Links are followed once, so that all use one file and lock."""
    text = os.fspath(path)
    if not isinstance(text, str) or not text or "\0" in text:
        raise ConfigurationError("The path of a CSV store must be a non-empty text without NUL.")
    return Path(os.path.realpath(text))
