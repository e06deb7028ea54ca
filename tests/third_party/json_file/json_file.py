"""A backend of zoho-tokenstore: rows, retired ids and leases in one JSON file of a host."""

import contextlib
import json
import os
import time
import uuid
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Self
from urllib.parse import SplitResult, unquote

from filelock import FileLock, Timeout

from zoho_tokenstore.backend import LeaseState, SupportsLeases
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    RetiredIdError,
    RowChangedError,
)
from zoho_tokenstore.records import RetiredId, Row

_EMPTY = '{"rows": {}, "retired": {}, "leases": {}, "cleared": 0}'


class JSONFileBackend(SupportsLeases):
    """Rows in a JSON file, which is created if there is none; a lock file lets in one caller at a time."""

    def __init__(self, path: Path) -> None:
        self.location, self._path, self._is_closed = str(path), path, False
        self.retired, self.leases = JSONRetiredIds(self), JSONLeases(self)
        list(self.scan())

    @classmethod
    def from_url(cls, parts: SplitResult) -> Self:
        return cls(Path(unquote(parts.path[1:])).absolute())

    @contextlib.contextmanager
    def open(self) -> Iterator[dict[str, Any]]:
        """Yield what is in the file; what is changed of it is stored unless an error is raised."""
        if self._is_closed:
            raise BackendError(f"The store {self.location} has been closed.")
        try:
            with FileLock(f"{self._path}.lock", timeout=10, mode=0o600, thread_local=False):
                before = self._path.read_text("utf-8") if self._path.exists() else _EMPTY
                yield (content := json.loads(before))
                if (after := json.dumps(content)) != before:
                    scratch = self._path.with_suffix(".new")
                    with os.fdopen(
                        os.open(scratch, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600), "w"
                    ) as file:
                        file.write(after)
                        file.flush()
                        os.fsync(file.fileno())
                    scratch.replace(self._path)
        except Timeout as error:
            raise BackendTimeoutError(f"Others held {self.location} locked. Try again.") from error
        except (OSError, ValueError) as error:
            raise BackendUnavailableError(f"The file {self.location} cannot be used: {error}.") from error

    def load(self, row_id: str) -> Row | None:
        return next((row for row in self.scan() if row.id == row_id), None)

    def find(self, index: str, *keys: str) -> list[Row]:
        return [row for row in self.scan() if row.lookup_key(index) in keys]

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        with self.open() as content:
            ids = sorted(row_id for row_id in content["rows"] if after is None or row_id > after)
            return iter([Row(**content["rows"][row_id]) for row_id in ids[:limit]])

    def write(self, row: Row, *, expect: object) -> object:
        etag = uuid.uuid4().hex
        with self.open() as content:
            if content["rows"].get(row.id, {"etag": None})["etag"] != expect:
                raise RowChangedError(f"Row {row.id!r} is not as it was when it was read.")
            if expect is None and row.id in content["retired"]:
                raise RetiredIdError(f"The id {row.id!r} is that of a row that was deleted.")
            content["rows"][row.id] = row._replace(etag=etag, digests=dict(row.digests))._asdict()
        return etag

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        with self.open() as content:
            row = content["rows"].get(row_id)
            if row is None or expect not in (None, row["etag"]):
                return False
            content["retired"][row_id] = _now_ms()
            del content["rows"][row_id]
            return True

    def clear(self) -> int:
        with self.open() as content:
            rows, content["rows"] = content["rows"], {}
            content["retired"] |= dict.fromkeys(rows, _now_ms())
            content["cleared"] = max(_now_ms(), content["cleared"] + 1)
            return len(rows)

    def close(self) -> None:
        self._is_closed = True


class JSONRetiredIds:
    def __init__(self, file: JSONFileBackend) -> None:
        self._open = file.open

    def scan(self) -> Iterator[RetiredId]:
        with self._open() as content:
            return iter([RetiredId(*item) for item in sorted(content["retired"].items())])

    def add(self, ids: Iterable[RetiredId]) -> int:
        with self._open() as content:
            before, content["retired"] = content["retired"], {**dict(ids), **content["retired"]}
            return len(content["retired"]) - len(before)

    def prune(self, before_ms: int) -> int:
        with self._open() as content:
            old = [row_id for row_id, at_ms in content["retired"].items() if at_ms < before_ms]
            return len([content["retired"].pop(row_id) for row_id in old])

    def cleared_ms(self) -> int:
        with self._open() as content:
            return int(content["cleared"])


class JSONLeases:
    def __init__(self, file: JSONFileBackend) -> None:
        self._open = file.open

    def read(self, name: str) -> LeaseState:
        with self._open() as content:
            return LeaseState(content["leases"].get(name, ["", 0])[0], _now_ms())

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        with self._open() as content:
            is_free = content["leases"].get(name, ["", 0])[0] in (was, text)
            content["leases"] |= {name: [text, _now_ms() + keep_ms]} if is_free else {}
            return is_free


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
