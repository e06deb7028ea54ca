"""Files that are replaced whole: never written in place, never seen half-written, never open to others."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Final

Identity = tuple[int, int]
Fingerprint = tuple[int, int, int, int, int]

OWNER_ONLY: Final = 0o600
_GROUP_AT_MOST: Final = 0o660
_SCRATCH: Final = re.compile(r"[0-9a-f]{16}\.new(-wal|-shm|-journal)?\Z")  # with what SQLite adds
_BINARY: Final = getattr(os, "O_BINARY", 0)  # Windows would translate line ends


def read(path: Path) -> tuple[bytes, os.stat_result, bool]:
    """Return a file's bytes, its state before, and whether that was unchanged afterwards."""
    handle = os.open(path, os.O_RDONLY | _BINARY)
    try:
        before = os.fstat(handle)
        parts = []
        while part := os.read(handle, before.st_size + 1):
            parts.append(part)
        after = os.fstat(handle)
    finally:
        os.close(handle)
    return b"".join(parts), before, fingerprint(before) == fingerprint(after)


def identity(path: Path) -> Identity | None:
    """Return the device and inode of the file at a path, which identify it; `None` for no file."""
    try:
        known = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    return known.st_dev, known.st_ino


def fingerprint(known: os.stat_result) -> Fingerprint:
    """Return what differs once another file is at a path, or its content was written."""
    return known.st_mtime_ns, known.st_size, known.st_ino, known.st_dev, known.st_ctime_ns


@contextlib.contextmanager
def new_version(path: Path, data: bytes, rights_of: Path | None = None) -> Iterator[Path]:
    """Write `data` to a new file next to `path` and flush it; in the block it can take the path.

    Only its owner may access it, unless it inherits another file's permissions. What is left of it
    afterwards is removed. The caller holds the lock, so a file of this kind
    found while holding the lock was left by a killed process.
    """
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    try:  # from before the file is there: Ctrl+C may come at any moment
        handle = os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _BINARY, OWNER_ONLY)
        try:
            if rights_of is not None:
                copy_rights(rights_of, handle)
            _write_all(handle, data)
            os.fsync(handle)
        finally:
            os.close(handle)
        yield scratch
    finally:
        _discard(scratch)


def write_atomically(path: Path, data: bytes, rights_of: Path | None = None) -> None:
    """Put a file with this content at `path`, whole or not at all; the caller holds the lock."""
    with new_version(path, data, rights_of) as scratch:
        os.replace(scratch, path)  # noqa: PTH105  # where the tests' faults strike
    sync(path.parent)


def sync(path: Path) -> None:
    """Make a file, or the names in a folder, survive a loss of power."""
    if os.name == "nt":  # Windows has no fsync for folders, and journals what is created and renamed in them
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def copy_rights(path: Path, handle: int) -> None:
    """Give a new file the owner, group and their permissions of the one at `path`, if any.

    Others get none. If the group cannot be set, it gets none either: it would be another group.
    """
    if not hasattr(os, "fchown") or not path.exists():
        return
    wanted, own = path.stat(), os.fstat(handle)
    mode = wanted.st_mode & _GROUP_AT_MOST | OWNER_ONLY
    if (wanted.st_uid, wanted.st_gid) != (own.st_uid, own.st_gid) and not _give_away(handle, wanted):
        mode = OWNER_ONLY
    if mode != own.st_mode & 0o777:
        os.fchmod(handle, mode)


def strays(path: Path) -> list[Path]:
    """Return what killed processes left of new versions of the file."""
    start = f".{path.name}."
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(start)]
    return [path.with_name(name) for name in names if _SCRATCH.fullmatch(name, len(start))]


def remove_strays(path: Path) -> None:
    """Remove what killed processes left of new versions of the file; the caller holds the lock."""
    for stray in strays(path):
        _discard(stray)


def _give_away(handle: int, wanted: os.stat_result) -> bool:
    for owner in (wanted.st_uid, -1):  # only root may change the owner
        with contextlib.suppress(PermissionError):
            os.fchown(handle, owner, wanted.st_gid)
            return True
    return False


def _write_all(handle: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(handle, left) :]


def _discard(scratch: Path) -> None:
    """Remove the file; if that is impossible, empty it, so that no secret is left in it."""
    try:
        os.unlink(scratch)  # noqa: PTH108  # where the tests' faults strike
    except FileNotFoundError:  # it has replaced the other
        pass
    except OSError:
        with contextlib.suppress(OSError):
            if not scratch.is_symlink():
                os.truncate(scratch, 0)
