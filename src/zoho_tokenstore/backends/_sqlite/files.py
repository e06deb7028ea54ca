"""The database file: looked at before it is opened, and created whole or not at all.

Nothing here opens an existing database: POSIX drops all locks that a process has on a file when
the process closes any descriptor of it, also those of SQLite connections that other threads are
using (https://www.sqlite.org/howtocorrupt.html, 2.2). What a file holds is for SQLite to read.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from zoho_tokenstore.backends import _forks
from zoho_tokenstore.backends._files import check_mount, check_place, sync
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, ConfigurationError, TokenStoreError

_OWNER_ONLY: Final = 0o600
_SMALLEST: Final = 512
"""Bytes in the smallest page that SQLite knows, and so in the smallest database."""

_SCRATCH: Final = re.compile(r"\.[0-9a-f]{16}\.new(-wal|-shm|-journal)?\Z")
_STRAY_AGE: Final = 600.0
"""Seconds after which a database that is still being built is taken for abandoned; it takes milliseconds."""


def prepare(path: Path, build: Callable[[Path], None], *, patience: float) -> None:
    """See to it that there is a database at `path`.

    Arguments:
        path: where the database is, or shall be.
        build: makes a new database of the empty file it is given.
        patience: for how many seconds an empty file may be one that somebody else is creating.

    Raises:
        ConfigurationError: the path is no file's, or in no folder.
        BackendError: the file is too small for a database. It was left as it is.
        BackendUnavailableError: the file cannot be created or written.
    """
    with explained(path):
        if not path.parent.is_dir():
            raise ConfigurationError(
                f"The folder {path.parent} of the token database does not exist. Create it."
            )
        check_place(path, *beside(path))
        if path.exists():
            _remove_strays(path)
        else:
            _create(path, build)
        _check(path, patience)
        check_mount(path)


@contextlib.contextmanager
def explained(path: Path) -> Iterator[None]:
    """Turn an `OSError` into one of ours that says what to look at."""
    try:
        yield
    except TokenStoreError:  # some of ours are OSErrors, too
        raise
    except OSError as error:
        raise unusable(path, error) from error


def unusable(path: Path, error: OSError) -> BackendUnavailableError:
    """Return the error for a database whose files cannot be used."""
    return BackendUnavailableError(
        f"The token database {path} cannot be used: {error.strerror or type(error).__name__}. "
        "Check that its folder exists, that this user may write the folder and the file, "
        "and that the disk has room."
    )


def check_length(path: Path, page_size: int) -> None:
    """Raise a `BackendError` if the last page of the database is incomplete.

    SQLite notices missing pages, but takes the missing part of a page for zeros. While there is a
    journal, the page may be one whose writing was cut off, and SQLite has what it needs to mend it.
    The caller holds the write lock.
    """
    wal, _, journal = beside(path)
    if path.stat().st_size % page_size and not (_size(wal) or _size(journal)):
        raise BackendError(
            f"The token database {path} is cut short: its end is missing. It was left as it is; "
            "restore it from a backup."
        )


def beside(path: Path) -> tuple[Path, ...]:
    """Return the files that SQLite keeps beside a database; they need not exist."""
    return tuple(path.with_name(path.name + suffix) for suffix in ("-wal", "-shm", "-journal"))


def _create(path: Path, build: Callable[[Path], None]) -> None:
    """Build the database under another name and link it into place when it is complete.

    So no process ever meets a half-made one, and a creation that is cut off leaves nothing under
    the real name. The file is the owner's alone from its first moment on, and SQLite gives its
    journal and shared-memory files the same rights.
    """
    with _forks.held_off(), _scratch_file(path) as scratch:
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
        os.close(os.open(scratch, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))
        yield scratch


def _remove_strays(path: Path) -> None:
    """Remove what a creation that was killed has left beside the database.

    One that had been linked into place already is a second name of the database, tokens and all.
    """
    with os.scandir(path.parent) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(f".{path.name}.")]
    for stray in (path.with_name(name) for name in names if _SCRATCH.search(name)):
        with contextlib.suppress(OSError):  # another process was first, or it is another user's
            if stray.samefile(path) or time.time() - stray.stat().st_mtime > _STRAY_AGE:
                stray.unlink()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _check(path: Path, patience: float) -> None:
    mode = path.stat().st_mode
    if stat.S_ISDIR(mode):
        raise ConfigurationError(f"{path} is a folder; the token database needs the path of a file.")
    if not stat.S_ISREG(mode):
        raise ConfigurationError(f"{path} is no regular file; the token database needs one.")
    size, names = _settled(path, time.monotonic() + patience)
    if names > 1:
        raise BackendUnavailableError(
            f"The token database {path} has {names} names (hard links). Programs that open it by different "
            "names do not see each other's log, and lose tokens. Remove the others; find them with: "
            f"find / -samefile '{path}'"
        )
    if not size:
        raise BackendError(
            f"The token database {path} is empty (0 bytes), which a database never is: its content was "
            "lost, or it never was one. Restore it, or delete the file to begin with a new store."
        )
    if size < _SMALLEST:
        raise BackendError(
            f"{path} is no SQLite database, or what is left of one that was cut short. It was left as it "
            "is; restore it from a backup, or choose another path."
        )
    # SQLite would open it for reading, and find out when the first token is to be saved.
    if not os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids):
        raise BackendUnavailableError(
            f"The token database {path} is read-only. Give this user the right to write the file and "
            "its folder."
        )


def _settled(path: Path, deadline: float) -> tuple[int, int]:
    """Return the file's size and number of names, giving a program that is creating it time to be done."""
    while True:
        known = path.stat()
        if (known.st_size and known.st_nlink <= 1) or time.monotonic() >= deadline:
            return known.st_size, known.st_nlink
        time.sleep(0.01)
