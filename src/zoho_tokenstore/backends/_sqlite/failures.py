"""SQLite's failures, told as ours."""

from __future__ import annotations

import sqlite3
from typing import Final

from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full. Free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write. Check the disk and the file system",
    sqlite3.SQLITE_READONLY: "it is read-only. Give this user the right to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Check that its folder exists and may be written",
    sqlite3.SQLITE_PERM: "access is denied. Give this user the right to write the file and its folder",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}

_DAMAGED: Final = {
    sqlite3.SQLITE_CORRUPT: "it is damaged or cut short. Restore it from a backup; it was left as it is",
    sqlite3.SQLITE_NOTADB: "it is no SQLite database. It was left as it is",
}

_IN_FUNCTION: Final = "user-defined function"
"""In the message of an error in a function: ours keeps its arguments, and fails if one is no text."""


def is_busy(error: sqlite3.Error) -> bool:
    """Tell whether another connection held a lock, so that trying again makes sense."""
    return primary_code(error) in _BUSY


def primary_code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary result code, or `None` if the error is one of Python's module."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def timed_out(location: str, seconds: float) -> BackendTimeoutError:
    """Return the error for a database that stayed locked."""
    return BackendTimeoutError(
        f"The token database {location} was locked by others for {seconds:g} s. "
        "Nothing was changed; try again, or find who holds a long transaction."
    )


def translated(location: str, error: sqlite3.Error) -> BackendError:
    """Return our error for one of SQLite's. The caller raises it `from` what `cause` returns."""
    code = primary_code(error)
    if code in _UNAVAILABLE:
        return BackendUnavailableError(f"The token database {location} did not work: {_UNAVAILABLE[code]}.")
    if code in _DAMAGED:
        return BackendError(f"The token database {location} cannot be used: {_DAMAGED[code]}.")
    if code is None or _IN_FUNCTION in str(error):
        return BackendError(
            f"The token database {location} holds a text that Python cannot read; it must be UTF-8. "
            "Correct or delete that row; the others are not affected."
        )
    return BackendError(f"The token database {location} failed: {error}.")


def cause(error: sqlite3.Error) -> sqlite3.Error | None:
    """Return the error to chain: not those of Python's module itself, which quote the stored value."""
    return None if primary_code(error) is None else error
