"""SQLite's errors mapped to ours."""

from __future__ import annotations

import sqlite3
from typing import Final

from zoho_tokenstore.errors import BackendError, BackendTimeoutError, BackendUnavailableError

_BUSY: Final = frozenset({sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL})

_UNAVAILABLE: Final = {
    sqlite3.SQLITE_FULL: "the disk is full. Free some space and try again",
    sqlite3.SQLITE_IOERR: "the disk failed to read or write. Check its free space and the file system",
    sqlite3.SQLITE_READONLY: "it is read-only. Give this user permission to write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened. Check that its folder exists and may be written",
    sqlite3.SQLITE_PERM: "access is denied. Give this user permission to write the file and its folder",
    sqlite3.SQLITE_NOMEM: "there is not enough memory",
}

_DAMAGED: Final = {
    sqlite3.SQLITE_CORRUPT: "it is damaged or cut short. Restore it from a backup; it was left as it is",
    sqlite3.SQLITE_NOTADB: "it is not a SQLite database. It was left as it is",
}

_CONSTRAINTS: Final = {
    sqlite3.SQLITE_CONSTRAINT_TRIGGER: "a trigger on the table oauthtoken raised an error",
    sqlite3.SQLITE_CONSTRAINT_FOREIGNKEY: "a foreign key refused the row",
}
"""The texts for constraints if SQLite's own words do not name them, or may quote a stored value."""


def is_busy(error: sqlite3.Error) -> bool:
    """Return whether another connection held a lock, so that trying again makes sense."""
    return primary_code(error) in _BUSY


def primary_code(error: sqlite3.Error) -> int | None:
    """Return SQLite's primary result code, or `None` if the error is one of Python's module."""
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def lock_timeout(location: str, seconds: float) -> BackendTimeoutError:
    """Return the error for a database that stayed locked."""
    return BackendTimeoutError(
        f"The token database {location} was locked by others for {seconds:g} s. "
        "Nothing was changed; try again, or find who holds a long transaction."
    )


def map_error(location: str, error: sqlite3.Error) -> BackendError:
    """Return our error for one of SQLite's. The caller raises it `from` what `cause` returns."""
    code = primary_code(error)
    if code in _UNAVAILABLE:
        return BackendUnavailableError(f"The token database {location} did not work: {_UNAVAILABLE[code]}.")
    if code in _DAMAGED:
        return BackendError(f"The token database {location} cannot be used: {_DAMAGED[code]}.")
    if code in {sqlite3.SQLITE_CONSTRAINT, sqlite3.SQLITE_MISMATCH}:
        return BackendError(
            f"The token database {location} does not take this row: {constraint(error)}. Nothing was "
            "changed. Remove that constraint, or keep the tokens in a separate database."
        )
    what = "it holds text that is not UTF-8" if is_no_text(error) else error
    return BackendError(f"The token database {location} failed: {what}.")


def constraint(error: sqlite3.Error) -> str:
    """Describe a constraint, by its name or columns."""
    return _CONSTRAINTS.get(getattr(error, "sqlite_errorcode", 0), str(error))


def is_no_text(error: sqlite3.Error) -> bool:
    """Return whether a stored text is not UTF-8. Python's message quotes it: never show that error."""
    return str(error).startswith("Could not decode")


def cause(error: sqlite3.Error) -> sqlite3.Error | None:
    """Return the error to chain, unless it may quote a stored value: Python's own, and those of triggers."""
    if primary_code(error) is None or constraint(error) != str(error):
        return None
    return error
