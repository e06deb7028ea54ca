"""What the operating system refuses, told as ours."""

from __future__ import annotations

import contextlib
import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.errors import BackendUnavailableError, TokenStoreError

_FULL: Final = "the disk is full. Free some space and try again"
_DENIED: Final = (
    "access is denied. Give this user the right to write the folder, the file, and those beside it "
    "whose names begin like its own"
)
_NO_LOCKS: Final = "its file system has no locks. Move it to a local disk"
_WHAT: Final = {
    errno.ENOSPC: _FULL,
    errno.EDQUOT: _FULL,
    errno.EACCES: _DENIED,
    errno.EPERM: _DENIED,
    errno.EROFS: "its file system is read-only. Let it be written, or move the file",
    errno.EBUSY: "it is a mount of its own, and cannot be replaced. Mount its folder instead",
    errno.EIO: "the disk failed to read or write. Check the disk and the file system",
    errno.ENOENT: (
        "it is gone, or its folder is. Restore it; or open the store anew to begin with an empty one"
    ),
    errno.ENOSYS: _NO_LOCKS,
    errno.ENOLCK: _NO_LOCKS,
    errno.ENOTSUP: _NO_LOCKS,
}


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` into one of ours that says what to look at."""
    try:
        yield
    except TokenStoreError:  # some of ours are OSErrors, too
        raise
    except OSError as error:
        raise unavailable(path, error) from error


def unavailable(path: Path, error: OSError) -> BackendUnavailableError:
    """Return our error for one of the operating system's. The caller raises it `from` that one."""
    what = _WHAT.get(error.errno or 0) or f"{error.strerror or type(error).__name__}. Check the file system"
    return BackendUnavailableError(f"The token file {path} cannot be used: {what}.")
