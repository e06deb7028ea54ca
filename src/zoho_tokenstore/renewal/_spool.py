"""Tokens whose save failed, on disk: what a process that could not save them leaves to the next one.

Each is one file, in a folder that only its owner can write to. Its content is sealed like a row of the
store, bound to the file's name and to the store; without keys it is unsealed, in a file of mode 0600.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import stat
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from zoho_tokenstore._saving import Fence
from zoho_tokenstore._util import forks
from zoho_tokenstore.errors import BackendUnavailableError, ConfigurationError, TokenStoreError
from zoho_tokenstore.records import SECRET_COLUMNS, Row, TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore.sealing._cipher import Cipher

_FORMAT: Final = 1
_NAME: Final = re.compile(r"[0-9]{20}-[0-9a-f]{16}\.token")
_SCRATCH: Final = re.compile(rf"\.{_NAME.pattern}\.[0-9a-f]{{16}}\.new")
"""A file that is being written, by `write_atomically`."""

_STALE_AFTER_S: Final = 3600.0
"""A temporary file this old, in seconds, was left by a process killed before it was complete."""

_MAX_BYTES: Final = 1 << 20
_FLAGS: Final = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)


class SpooledSave(NamedTuple):
    """A token that could not be saved: what `PendingSaves` knows of it."""

    record: TokenRecord
    fence: Fence
    identified: bool
    row_id: str | None
    actor: str | None = None


class Spool:
    """The folder of a store's tokens that could not be saved yet.

    The folder is created if missing; what is there for another store is left alone.
    """

    def __init__(self, folder: str | os.PathLike[str], location: str, cipher: Cipher) -> None:
        from zoho_tokenstore._util.atomic_files import write_atomically
        from zoho_tokenstore._util.file_rights import check_place  # loaded only for a spool

        self._folder = Path(folder).absolute()
        self._check_place, self._write = check_place, write_atomically
        self._location = location
        self._cipher = cipher
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(f"The spool {folder} cannot be made: {error.strerror}.") from error
        self._check_place(self._folder / "a file")
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Start with its own lock."""
        self._lock = threading.Lock()
        self._last = 0

    def put(self, entry: SpooledSave) -> str:
        """Write an entry, whole or not at all; return the name of its file."""
        name = f"{self._next():020}-{secrets.token_hex(8)}.token"
        row = self._cipher.seal(Row(name, user_name=self._location, access_token=_text_of(entry)))
        secret = {column: value for column in SECRET_COLUMNS if (value := getattr(row, column))}
        data = json.dumps({"format": _FORMAT, "store": self._location, **secret}).encode()
        try:
            self._write(self._folder / name, data)
        except OSError as error:
            raise BackendUnavailableError(
                f"The spool {self._folder} cannot be written: {error.strerror}. The token is only in the "
                "memory of this process."
            ) from error
        return name

    def remove(self, name: str) -> None:
        """Remove an entry that is no longer needed, if it is still there."""
        try:
            (self._folder / name).unlink(missing_ok=True)
        except OSError as error:
            raise BackendUnavailableError(
                f"The file {name} in the spool {self._folder} cannot be removed: {error.strerror}."
            ) from error

    def scan(self) -> Iterator[tuple[str, SpooledSave | str]]:
        """Yield the names of all entries, oldest first, and each entry, or why it cannot be used."""
        try:
            names = sorted(entry.name for entry in self._folder.iterdir())
        except OSError as error:
            raise BackendUnavailableError(
                f"The spool {self._folder} cannot be read: {error.strerror}."
            ) from error
        for name in names:
            if name.startswith("."):
                self._remove_if_abandoned(name)
                continue
            with contextlib.suppress(FileNotFoundError):  # another process has saved it
                yield name, self._read(name)

    def _read(self, name: str) -> SpooledSave | str:
        if not _NAME.fullmatch(name):
            return "it is not a spooled token"
        path = self._folder / name
        try:
            self._check_place(path)
            kept = json.loads(_read(path))
            if kept["format"] != _FORMAT:
                return "it was written by a newer release"
            if kept["store"] != self._location:
                return f"it belongs to another store, {kept['store']!r}"
            secret = {column: kept[column] for column in SECRET_COLUMNS if column in kept}
            row = self._cipher.open(Row(name, user_name=self._location, **secret))
            return _entry_of(row.access_token or "")
        except FileNotFoundError:
            raise
        except TokenStoreError as error:  # some of ours are also OSErrors
            return str(error)
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        except (ValueError, TypeError, LookupError, AttributeError):
            return "it is damaged"

    def _remove_if_abandoned(self, name: str) -> None:
        path = self._folder / name
        with contextlib.suppress(OSError):
            if _SCRATCH.fullmatch(name) and path.lstat().st_mtime < time.time() - _STALE_AFTER_S:
                path.unlink()

    def _next(self) -> int:
        """Return a number above all returned by this process before: the order of entries."""
        with self._lock:
            self._last = max(self._last + 1, time.time_ns())
            return self._last


def _text_of(entry: SpooledSave) -> str:
    record = {name: value for name, value in asdict(entry.record).items() if value is not None}
    fence = entry.fence._asdict()
    return json.dumps(
        {
            "record": record,
            "fence": fence,
            "identified": entry.identified,
            "row_id": entry.row_id,
            "actor": entry.actor,
        }
    )


def _entry_of(text: str) -> SpooledSave:
    kept: dict[str, Any] = json.loads(text)
    fence = Fence(**kept["fence"])
    if not all(isinstance(value, int | None) for value in (fence.saved_ms, fence.cleared_ms)):
        raise TypeError
    record, actor = TokenRecord(**kept["record"]), kept.get("actor")
    if not isinstance(actor, str | None):
        raise TypeError
    return SpooledSave(record, fence, bool(kept["identified"]), kept["row_id"], actor)


def _read(path: Path) -> bytes:
    handle = os.open(path, os.O_RDONLY | _FLAGS | getattr(os, "O_NONBLOCK", 0))
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise ValueError
        data = file.read(_MAX_BYTES + 1)
    if len(data) > _MAX_BYTES:
        raise ValueError
    return data
