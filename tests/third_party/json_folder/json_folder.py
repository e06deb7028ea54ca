"""A backend of zoho-tokenstore: a JSON file for each row, in one folder of a host. Not for Windows."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote

from zoho_tokenstore import BackendError, BackendTimeoutError, BackendUnavailableError, ConfigurationError
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import Row

_PATIENCE = 10.0  # seconds


class JSONFolderBackend:
    """Rows in the files of a folder, which is created if there is none.

    A lock file lets one process write, or any number read.
    """

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder
        self._is_closed = False
        with self._told():
            folder.mkdir(mode=0o700, exist_ok=True)

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        """Open ``json-folder:///relative/folder`` or ``json-folder:////absolute/folder``."""
        path = unquote(parts.path[1:])
        if parts.netloc or parts.query or not path:
            raise ConfigurationError("Write json-folder:///folder, or json-folder:////absolute/folder.")
        return cls(Path(path).absolute())

    def load(self, row_id: str) -> Row | None:
        with self._locked(fcntl.LOCK_SH):
            return self._read(self._file(row_id))

    def find(self, index: str, *keys: str) -> list[Row]:
        return [row for row in self._rows() if row.lookup_key(index) in keys]

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        rows = sorted(self._rows(), key=lambda row: row.id)
        return iter([row for row in rows if after is None or row.id > after][:limit])

    def write(self, row: Row, *, expect: object) -> object:
        etag = uuid.uuid4().hex
        with self._locked(fcntl.LOCK_EX):
            stored = self._read(self._file(row.id))
            if (None if stored is None else stored.etag) != expect:
                raise RowChangedError(f"Row {row.id!r} is not as it was when it was read.")
            self._replace(self._file(row.id), row._replace(etag=etag, digests=dict(row.digests)))
        return etag

    def remove(self, row_id: str) -> bool:
        with self._locked(fcntl.LOCK_EX):
            file = self._file(row_id)
            existed = file.exists()
            file.unlink(missing_ok=True)
            return existed

    def clear(self) -> int:
        with self._locked(fcntl.LOCK_EX):
            files = list(self._folder.glob("*.json"))
            for file in files:
                file.unlink()
            return len(files)

    def close(self) -> None:
        self._is_closed = True

    def _file(self, row_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(row_id.encode()).hexdigest()}.json"  # an id may be any text

    def _rows(self) -> list[Row]:
        with self._locked(fcntl.LOCK_SH):
            found = [self._read(file) for file in self._folder.glob("*.json")]
        return [row for row in found if row is not None]

    def _read(self, file: Path) -> Row | None:
        try:
            return Row(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError):  # the cause would show what stands in the file
            raise BackendError(f"{file} is no token of this store. Restore it, or remove it.") from None

    def _replace(self, file: Path, row: Row) -> None:
        scratch = file.with_suffix(".new")
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as opened:
            json.dump(row._asdict(), opened)
            opened.flush()
            os.fsync(opened.fileno())
        scratch.replace(file)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    @contextlib.contextmanager
    def _locked(self, how: int) -> Iterator[None]:
        if self._is_closed:
            raise BackendError(f"The store {self.location} has been closed.")
        with self._told(), (self._folder / "lock").open("a") as lock:  # each caller has its own
            self._wait(lock.fileno(), how)
            try:
                yield
            finally:
                fcntl.flock(lock, fcntl.LOCK_UN)  # a child that was forked meanwhile has a copy

    def _wait(self, lock: int, how: int) -> None:
        deadline = time.monotonic() + _PATIENCE
        while True:
            try:
                return fcntl.flock(lock, how | fcntl.LOCK_NB)
            except BlockingIOError as error:
                if time.monotonic() > deadline:
                    raise BackendTimeoutError(f"Others held {self.location} locked. Try again.") from error
                time.sleep(0.002)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            if isinstance(error, BackendError):  # those are errors of the system, too
                raise
            text = f"The folder {self.location} cannot be used: {error.strerror}."
            raise BackendUnavailableError(text) from error
