"""The database file: looked at before it is opened, and created whole or not at all.

Nothing here opens an existing database: POSIX drops all locks that a process has on a file when
the process closes any descriptor of it, even those of SQLite connections that other threads are
using (https://www.sqlite.org/howtocorrupt.html, 2.2). Only SQLite reads a file's content.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore._util import forks
from zoho_tokenstore._util.atomic_files import OWNER_ONLY, strays, sync
from zoho_tokenstore._util.file_rights import check_mount, check_names, check_place
from zoho_tokenstore._util.os_errors import map_os_errors
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError

KIND: Final = "token database"
"""The file's name in messages."""

_MIN_SIZE: Final = 512
"""Bytes in SQLite's smallest page, and so in the smallest database."""

_STRAY_AGE: Final = 600.0
"""Seconds after which a database that is still being built counts as abandoned; it takes milliseconds."""


def prepare(path: Path, build: Callable[[Path], None], *, timeout: float) -> None:
    """Ensure that there is a database at `path`.

    `build` makes a new database in the empty file it receives. For `timeout` seconds, an empty file may be
    one that somebody else is creating.
    """
    with map_os_errors(path, KIND):
        if not path.parent.is_dir():
            raise ConfigurationError(
                f"The folder {path.parent} of the token database does not exist. Create it."
            )
        check_place(path, *beside(path))
        if path.exists():
            _remove_strays(path)
        else:
            _create(path, build)
        _check(path, timeout)
        check_mount(path)


def check_length(path: Path, page_size: int) -> None:
    """Raise a `BackendError` if the last page of the database is incomplete.

    SQLite notices missing pages, but reads the missing part of a page as zeros. While there is a
    journal, the page's write may have been cut off, and SQLite can repair it.
    The caller holds the write lock.
    """
    wal, _, journal = beside(path)
    if path.stat().st_size % page_size and not (_size(wal) or _size(journal)):
        raise BackendError(
            f"The token database {path} is cut short: its end is missing. It was left as it is; "
            "restore it from a backup."
        )


def beside(path: Path) -> tuple[Path, ...]:
    """Return the files that SQLite keeps next to a database; they need not exist."""
    return tuple(path.parent / (path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))


def _create(path: Path, build: Callable[[Path], None]) -> None:
    """Build the database under another name and link it into place when it is complete.

    So no process ever sees a half-made one, and an interrupted creation leaves nothing under
    the real name. The file is private to its owner from the first moment, and SQLite gives its
    journal and shared-memory files the same permissions.
    """
    with forks.no_forks(), _scratch_file(path) as scratch:
        build(scratch)
        sync(scratch)
        with contextlib.suppress(FileExistsError):  # another process was first
            os.link(scratch, path)
    sync(path.parent)


@contextlib.contextmanager
def _scratch_file(path: Path) -> Iterator[Path]:
    scratch = path.with_name(f".{path.name}.{secrets.token_hex(8)}.new")
    with contextlib.ExitStack() as afterwards:
        for file in (scratch, *beside(scratch)):
            afterwards.callback(file.unlink, missing_ok=True)
        os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, OWNER_ONLY))
        yield scratch


def _remove_strays(path: Path) -> None:
    """Remove what a killed creation left next to the database.

    One that was already linked into place is a second name of the database, tokens and all.
    """
    for stray in strays(path):
        with contextlib.suppress(OSError):  # another process was first, or it is another user's
            if stray.samefile(path) or time.time() - stray.stat().st_mtime > _STRAY_AGE:
                stray.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check(path: Path, timeout: float) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} is a folder; the token database needs the path of a file.")
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"{path} is not a regular file; the token database needs one.")
    size = _wait_for_content(path, time.monotonic() + timeout)
    check_names(path)
    if not size:
        raise BackendError(
            f"The token database {path} is empty (0 bytes), which a database never is: its content was "
            "lost, or it never was one. Restore it, or delete the file to begin with a new store."
        )
    if size < _MIN_SIZE:
        raise BackendError(
            f"{path} is not a SQLite database, or one that was cut short. It was left as it "
            "is; restore it from a backup, or choose another path."
        )
    # SQLite would open it read-only, and notice only at the first save.
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise BackendUnavailableError(
            f"The token database {path} is read-only. Give this user permission to write the file and "
            "its folder."
        )


def _wait_for_content(path: Path, deadline: float) -> int:
    """Return the file's size, giving a program that is creating it time to finish."""
    while True:
        known = path.stat()
        if (known.st_size and known.st_nlink <= 1) or time.monotonic() >= deadline:
            return known.st_size
        time.sleep(0.01)
