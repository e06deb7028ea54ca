"""Leases in a file next to the tokens, seen by every process of the host."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Final

from zoho_tokenstore._util import atomic_files
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.os_errors import map_os_errors
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.backends.csv._beside import LEASES, JSONFile, lock_of

_log: Final = logging.getLogger("zoho_tokenstore")

Stored = dict[str, tuple[str, int]]


class CSVLeases(JSONFile):
    """The leases of a token file, as JSON: under each name its text, and how long it is kept.

    They hold among all processes of the host. A file that cannot be read as
    leases is moved to another name, which is logged, and a new one started: then a refresh in progress
    may be sent a second time.
    """

    def __init__(self, tokens: Path, timeout: float, clock: Clock = now_ms) -> None:
        super().__init__(tokens, LEASES, {})
        self._lock = lock_of(self.path, timeout)
        self._clock = clock

    def read(self, name: str) -> LeaseState:
        with map_os_errors(self.path):
            try:
                stored = stored_in(self.load())
            except ValueError:
                with self._lock.held():
                    stored = self._read_or_begin_anew()
        return LeaseState(_text(stored, name), self._clock())

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        with map_os_errors(self.path), self._lock.held():
            stored = self._read_or_begin_anew()
            if _text(stored, name) not in (was, text):
                return False
            now = self._clock()
            needed = {name: entry for name, entry in stored.items() if entry[1] >= now}
            self.dump({**needed, name: (text, now + keep_ms)})
        return True

    def open(self) -> None:
        """Make the lock, and remove what killed processes left of their work."""
        with map_os_errors(self.path):
            self._lock.create(rights_of=self._tokens)
            with self._lock.held():
                atomic_files.remove_strays(self.path)

    def _read_or_begin_anew(self) -> Stored:
        try:
            return stored_in(self.load())
        except ValueError:
            aside = self.path.with_name(self.path.name + ".broken")
            self.path.replace(aside)
            _log.error("The leases in %s cannot be read. The file is now %s.", self.path, aside)
            return {}


def stored_in(content: object) -> Stored:
    """Return the leases in the content of a file; raise a `ValueError` if it is something else."""
    if not isinstance(content, dict):
        raise ValueError("not an object")  # noqa: TRY004  # as json itself raises
    return {name: _entry(entry) for name, entry in content.items()}


def _text(stored: Stored, name: str) -> str:
    return stored.get(name, ("", 0))[0]


def _entry(entry: object) -> tuple[str, int]:
    match entry:
        case [str() as text, int() as until_ms]:
            return text, until_ms
    raise ValueError("not a lease")
