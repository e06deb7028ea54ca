"""A backend of zoho-tokenstore: a JSON file for each row, in one folder of a host. Not for Windows."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Self
from urllib.parse import SplitResult, unquote

from zoho_tokenstore import BackendError, BackendTimeoutError, BackendUnavailableError, ConfigurationError
from zoho_tokenstore.errors import RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import Found, RetiredId, Row, UnreadableRow

_PATIENCE = 10.0  # seconds
_CLEARED = ""  # no id: beside the retired ids, when the store was last cleared


class JSONFolderBackend:
    """Rows in the files of a folder, which is created if there is none.

    A lock file lets one process write, or any number read.
    """

    def __init__(self, folder: Path) -> None:
        self.location = str(folder)
        self._folder = folder
        self._is_closed = False
        self.retired = RetiredFile(self)
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
        with self.locked(fcntl.LOCK_SH):
            found = self._read(self._file(row_id))
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(row_id, found.reason, self.location)
        return found

    def find(self, index: str, *keys: str) -> list[Found]:
        # A file that is no row names nobody: it cannot be what is looked for.
        return [row for row in self._rows() if isinstance(row, Row) and row.lookup_key(index) in keys]

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        rows = sorted(self._rows(), key=lambda row: row.id)
        return iter([row for row in rows if after is None or row.id > after][:limit])

    def write(self, row: Row, *, expect: object) -> object:
        etag = uuid.uuid4().hex
        with self.locked(fcntl.LOCK_EX):
            stored = self._read(self._file(row.id))
            if getattr(stored, "etag", stored) != expect:
                raise RowChangedError(f"Row {row.id!r} is not as it was when it was read.")
            if expect is None and row.id in self.retired.read():
                raise RetiredIdError(f"The id {row.id!r} is that of a row that was deleted.")
            self.replace(self._file(row.id), row._replace(etag=etag, digests=dict(row.digests))._asdict())
        return etag

    def remove(self, row_id: str) -> bool:
        with self.locked(fcntl.LOCK_EX):
            file = self._file(row_id)
            if not file.exists():
                return False
            self.retired.retire([row_id])  # first: who is cut off here has deleted nothing yet
            file.unlink()
            return True

    def clear(self) -> int:
        with self.locked(fcntl.LOCK_EX):
            files = list(self._folder.glob("*.json"))
            found = [row for row in map(self._read, files) if row is not None]
            self.retired.retire([row.id for row in found], is_clear=True)
            for file in files:
                file.unlink()
            return len(files)

    def close(self) -> None:
        self._is_closed = True

    def _file(self, row_id: str) -> Path:
        return self._folder / f"{hashlib.sha256(row_id.encode()).hexdigest()}.json"  # an id may be any text

    def _rows(self) -> list[Found]:
        with self.locked(fcntl.LOCK_SH):
            found = [self._read(file) for file in self._folder.glob("*.json")]
        return [row for row in found if row is not None]

    def _read(self, file: Path) -> Found | None:
        try:
            row = Row(**json.loads(file.read_bytes()))
        except FileNotFoundError:
            return None
        except (ValueError, TypeError, RecursionError):
            return UnreadableRow(file.stem, "its file holds no row")
        texts = all(value is None or isinstance(value, str) for value in row[:10])
        times = all(value is None or isinstance(value, int) for value in row[10:14])
        good = texts and times and row.id is not None and isinstance(row.digests, dict)
        return row if good else UnreadableRow(file.stem, "a column is of a wrong type")

    def replace(self, file: Path, content: dict[str, object]) -> None:
        """Put new content into a file, as a whole or not at all."""
        scratch = file.with_suffix(".new")
        with os.fdopen(os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w") as opened:
            json.dump(content, opened)
            opened.flush()
            os.fsync(opened.fileno())
        scratch.replace(file)
        folder = os.open(self._folder, os.O_RDONLY)
        os.fsync(folder)
        os.close(folder)

    @contextlib.contextmanager
    def locked(self, how: int) -> Iterator[None]:
        """Let nobody write in the block, or, exclusively, nobody do anything."""
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


class RetiredFile:
    """The retired ids, in one file beside the rows: when each was retired, in milliseconds."""

    def __init__(self, backend: JSONFolderBackend) -> None:
        self._backend = backend
        self._path = Path(backend.location) / "retired"

    def scan(self) -> Iterator[RetiredId]:
        with self._backend.locked(fcntl.LOCK_SH):
            return iter([RetiredId(*item) for item in sorted(self.read().items()) if item[0] != _CLEARED])

    def add(self, ids: Iterable[RetiredId]) -> int:
        with self._backend.locked(fcntl.LOCK_EX):
            known = self.read()
            self._backend.replace(self._path, {**dict(ids), **known})
            return len(self.read()) - len(known)

    def prune(self, before_ms: int) -> int:
        with self._backend.locked(fcntl.LOCK_EX):
            known = self.read()
            left = {row_id: at for row_id, at in known.items() if at >= before_ms or row_id == _CLEARED}
            self._backend.replace(self._path, {**left})
            return len(known) - len(left)

    def cleared_ms(self) -> int:
        with self._backend.locked(fcntl.LOCK_SH):
            return self.read().get(_CLEARED, 0)

    def read(self) -> dict[str, int]:
        """Return what the file holds; the caller has the lock."""
        try:
            return dict(json.loads(self._path.read_bytes()))
        except FileNotFoundError:
            return {}

    def retire(self, ids: list[str], *, is_clear: bool = False) -> None:
        """Note ids; the caller has the lock."""
        known, now = self.read(), time.time_ns() // 1_000_000
        cleared = {_CLEARED: max(now, known.get(_CLEARED, 0) + 1)} if is_clear else {}
        self._backend.replace(self._path, {**known, **dict.fromkeys(ids, now), **cleared})
