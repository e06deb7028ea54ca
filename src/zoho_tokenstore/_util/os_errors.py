"""What the operating system refuses, as one of our errors that says what to do."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.errors import BackendUnavailableError, TokenStoreError

_FULL: Final = "the disk is full. Free some space and try again"
_DENIED: Final = (
    "access is denied. Give this user permission to write the folder, the file, and those next to it "
    "whose names begin the same"
)
_NO_LOCKS: Final = "its file system has no locks. Move it to a local disk"
_ADVICE: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "its file system is read-only. Make it writable, or move the file",
    errno.EBUSY: "it is a mount point, and cannot be replaced. Mount its folder instead",
    errno.EIO: "the disk failed to read or write. Check the disk and the file system",
    errno.ENOENT: (
        "it is gone, or its folder is. Restore it; or reopen the store to start with an empty one"
    ),
    errno.ENOSYS: _NO_LOCKS,
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
}


@contextlib.contextmanager
def map_os_errors(path: Path, kind: str = "token file") -> Iterator[None]:
    """Turn an `OSError` in the block into a `BackendUnavailableError` that says what to do."""
    try:
        yield
    except TokenStoreError:  # some of ours are also OSErrors
        raise
    except OSError as error:
        raise unavailable_error(path, error, kind) from error


def exists(path: Path) -> bool:
    """Return whether there is such a file.

    Raises:
        BackendUnavailableError: this user may not look, of which `Path.exists` would make "no".
    """
    with map_os_errors(path, "file"):
        try:
            path.stat()
        except (FileNotFoundError, NotADirectoryError, ValueError):  # a NUL is in no name
            return False
    return True


def unavailable_error(path: Path, error: OSError, kind: str = "token file") -> BackendUnavailableError:
    """Return our error for one of the operating system's. The caller raises it `from` that one."""
    known = _ADVICE.get(error.errno or 0)
    advice = known or f"{error.strerror or type(error).__name__}. Check the file system"
    return BackendUnavailableError(f"The {kind} {path} cannot be used: {advice}.")
