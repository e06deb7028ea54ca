"""What a token file shows of itself, read as it is: not created, adopted, closed to others or locked."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from urllib.parse import SplitResult

from zoho_tokenstore._inspection import StorageFacts
from zoho_tokenstore._util import atomic_files
from zoho_tokenstore._util.os_errors import map_os_errors
from zoho_tokenstore._util.urls import file_and_timeout
from zoho_tokenstore.backends.csv._beside import LEASES, JSONFile, beside
from zoho_tokenstore.backends.csv._content import parse
from zoho_tokenstore.backends.csv._leases import stored_in
from zoho_tokenstore.backends.csv._table import CSVTable
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import Found


def inspect(parts: SplitResult, timeout: float) -> CSVInspection:
    """Return a look at the file that a URL names."""
    path, _ = file_and_timeout(parts, "sdk_tokens.txt", timeout)
    return CSVInspection(Path(os.path.realpath(path)))


class CSVInspection:
    """A look at a token file, as it is at one moment."""

    def __init__(self, path: Path) -> None:
        self.location = str(path)
        self._path = path
        self._leases = JSONFile(path, LEASES, {})
        self.files: tuple[Path, ...] = (path, *beside(path))
        self._table: CSVTable | None = None

    def look(self, *, thorough: bool) -> StorageFacts:  # noqa: ARG002  # all of it is read anyway
        with map_os_errors(self._path):
            data, _, _ = atomic_files.read(self._path)
        content = parse(data, self.location)
        self._table = CSVTable(content.lines, content.form)
        if content.is_ours:
            return StorageFacts()
        return StorageFacts(schema="older", outdated="it has only the columns of the SDK's FileStore")

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return iter(()) if self._table is None else self._table.scan(after, limit)

    def entries(self, names: Sequence[str]) -> Mapping[str, str]:
        try:
            with map_os_errors(self._leases.path):
                stored = stored_in(self._leases.load())
        except ValueError:
            raise BackendError(
                f"The leases in {self._leases.path} cannot be read: the file is not one of ours. The next "
                "renewal moves it away and begins a new one."
            ) from None
        return {name: stored[name][0] for name in names if name in stored}

    def close(self) -> None:
        self._table = None
