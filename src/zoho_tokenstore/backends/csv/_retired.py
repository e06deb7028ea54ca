"""The ids of deleted rows, in a file next to the tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final, NamedTuple

from zoho_tokenstore._util import atomic_files
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore._util.file_locks import HostLock
from zoho_tokenstore._util.os_errors import map_os_errors
from zoho_tokenstore.backends.csv._beside import RETIRED, JSONFile
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import RetiredId

_NONE: Final = {"cleared_ms": 0, "ids": {}}


class _Stored(NamedTuple):
    at_ms: dict[str, int]
    cleared_ms: int


class CSVRetiredIds(JSONFile):
    """The retired ids of a token file, as JSON, with the time of each; it contains no secret.

    A row's id is written here before the row is removed, under the token file's lock: whatever happens
    in between, no removed row's id is missing. An unreadable file is never started over.
    """

    def __init__(self, tokens: Path, lock: HostLock) -> None:
        super().__init__(tokens, RETIRED, _NONE)
        self._lock = lock

    def scan(self) -> Iterator[RetiredId]:
        return iter([RetiredId(row_id, at_ms) for row_id, at_ms in sorted(self._read().at_ms.items())])

    def add(self, ids: Iterable[RetiredId]) -> int:
        with map_os_errors(self.path), self._lock.held():
            stored = self._read()
            at_ms = dict(ids) | stored.at_ms
            self._write(stored, stored._replace(at_ms=at_ms))
        return len(at_ms) - len(stored.at_ms)

    def prune(self, before_ms: int) -> int:
        with map_os_errors(self.path), self._lock.held():
            stored = self._read()
            at_ms = {row_id: then for row_id, then in stored.at_ms.items() if then >= before_ms}
            self._write(stored, stored._replace(at_ms=at_ms))
        return len(stored.at_ms) - len(at_ms)

    def cleared_ms(self) -> int:
        return self._read().cleared_ms

    def __contains__(self, row_id: str) -> bool:
        return row_id in self._read().at_ms

    def retire(self, ids: Iterable[str], *, is_clear: bool = False) -> None:
        """Retire the ids of rows that are about to be removed; the caller holds the lock."""
        with map_os_errors(self.path):
            stored, now = self._read(), now_ms()
            cleared_ms = max(now, stored.cleared_ms + 1) if is_clear else stored.cleared_ms
            self._write(stored, _Stored(stored.at_ms | dict.fromkeys(ids, now), cleared_ms))

    def open(self) -> None:
        """Check that the ids can be read, and remove what killed processes left of their work."""
        with map_os_errors(self.path), self._lock.held():
            atomic_files.remove_strays(self.path)
            self._read()

    def _read(self) -> _Stored:
        try:
            with map_os_errors(self.path):
                return _stored(self.load())
        except ValueError:
            raise BackendError(
                f"The ids of deleted tokens in {self.path} cannot be read. Restore that file from a backup. "
                "If there is none, delete it: then a deleted id may be given to another user."
            ) from None

    def _write(self, before: _Stored, stored: _Stored) -> None:
        if stored != before:
            self.dump({"cleared_ms": stored.cleared_ms, "ids": stored.at_ms})


def _stored(content: object) -> _Stored:
    match content:
        case {"cleared_ms": int() as cleared_ms, "ids": dict() as at_ms} if all(
            isinstance(then, int) for then in at_ms.values()
        ):
            return _Stored(at_ms, cleared_ms)
    raise ValueError("no retired ids")
