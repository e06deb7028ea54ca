"""The database file: looked at before it is opened, and created whole or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError

_MAGIC: Final = b"SQLite format 3\0"
_OWNER_ONLY: Final = 0o600


def prepare(path: Path, build: Callable[[Path], None], *, patience: float) -> None:
    """See to it that there is a database at `path`.

    Arguments:
        path: where the database is, or shall be.
        build: makes a new database of the empty file it is given.
        patience: for how many seconds an empty file may be one that somebody else is creating.

    Raises:
        ConfigurationError: the path is that of a folder, or in none.
        BackendError: the file is no database, or cut short. It was left as it is.
        BackendUnavailableError: the file cannot be created or read.
    """
    try:
        if not path.exists():
            _create(path, build)
        _check(path, patience)
    except OSError as error:
        raise BackendUnavailableError(
            f"The token database {path} cannot be used: {error.strerror or type(error).__name__}. "
            "Check that its folder exists and that this user may write the folder and the file."
        ) from error


def close_to_others(path: Path) -> None:
    """Take from everybody but owner and group the right to read or write the file.

    The published code creates it by the process's umask, world-readable as a rule. The group's
    rights stay: in a roll-out, both may run under one group.
    """
    with contextlib.suppress(PermissionError):  # another owner's file: only he can do it
        mode = path.stat().st_mode
        if mode & 0o007:
            path.chmod(mode & 0o770)


def _create(path: Path, build: Callable[[Path], None]) -> None:
    """Build the database under another name and link it into place when it is complete.

    So no process ever meets a half-made one, and a creation that is cut off leaves nothing under
    the real name. The file is the owner's alone from its first moment on, and SQLite gives its
    journal and shared-memory files the same rights.
    """
    if not path.parent.is_dir():
        raise ConfigurationError(f"The folder {path.parent} of the token database does not exist. Create it.")
    with _scratch_file(path) as scratch:
        build(scratch)
        _sync(scratch)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(scratch, path)
    _sync(path.parent)


@contextlib.contextmanager
def _scratch_file(path: Path) -> Iterator[Path]:
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))
    try:
        yield scratch
    finally:
        for suffix in ("", "-wal", "-shm", "-journal"):
            scratch.with_name(scratch.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    if os.name == "nt":  # Windows has no fsync for folders, and journals the file's creation
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check(path: Path, patience: float) -> None:
    if path.is_dir():
        raise ConfigurationError(f"{path} is a folder; the token database needs the path of a file.")
    header = _read_header(path, time.monotonic() + patience)
    if not header:
        raise BackendError(
            f"The token database {path} is empty (0 bytes), which a database never is: its content was "
            "lost, or it never was one. Restore it, or delete the file to begin with a new store."
        )
    if not header.startswith(_MAGIC):
        raise BackendError(f"{path} is no SQLite database. It was left as it is.")
    if _is_cut_short(path, header):
        raise BackendError(
            f"The token database {path} is cut short: its end is missing. It was left as it is; "
            "restore it from a backup."
        )


def _read_header(path: Path, deadline: float) -> bytes:
    """Return the first 100 bytes, giving somebody who is creating the file time to fill it."""
    while True:
        with path.open("rb") as file:
            header = file.read(100)
        if header or time.monotonic() >= deadline:
            return header
        time.sleep(0.01)


def _is_cut_short(path: Path, header: bytes) -> bool:
    """Tell whether pages are missing, by the header's page count (SQLite file format, 1.3.7).

    A write-ahead log may hold the missing ones; then SQLite itself decides.
    """
    if len(header) < 100:
        return True
    log = path.with_name(path.name + "-wal")
    if log.exists() and log.stat().st_size > 0:
        return False
    page_size = int.from_bytes(header[16:18]) or 1
    page_size = 65536 if page_size == 1 else page_size
    count_is_valid = header[24:28] == header[92:96]
    return count_is_valid and path.stat().st_size < page_size * int.from_bytes(header[28:32])
