"""Checks another program's table before use for what could refuse, change or hide a token."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from typing import Final

from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import COLUMNS

_QUOTED: Final = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`|\[[^]]*\]|--[^\n]*|/\*.*?\*/", re.DOTALL)
_CHECK: Final = re.compile(r"(?:\bCONSTRAINT\s+(\S+)\s+)?\bCHECK\s*\(", re.IGNORECASE)
_TEXT: Final = re.compile("CHAR|CLOB|TEXT", re.IGNORECASE)
_GENERATED: Final = (2, 3)

_NAMES: Final = ", ".join(COLUMNS)
_ANEW: Final = (
    "open the store again, which makes the published table, and copy the rows back: "  # noqa: S608
    f"INSERT INTO oauthtoken ({_NAMES}) SELECT {_NAMES} FROM oauthtoken_old"
)
_RENAME: Final = f"Rename it (ALTER TABLE oauthtoken RENAME TO oauthtoken_old), {_ANEW}"
_COPY: Final = f"Copy it (CREATE TABLE oauthtoken_old AS SELECT * FROM oauthtoken), drop it, {_ANEW}"  # noqa: S608
_DUMP: Final = "Recreate the database in UTF-8: sqlite3 OLD .dump | sqlite3 NEW"


def check(connection: sqlite3.Connection, location: str) -> list[str]:
    """Return the columns of the token table, in lower case; none if there is no such table.

    Raises:
        BackendError: it is not the published one, or could refuse a token; it says why.
    """
    for kind, sql in connection.execute(
        "SELECT type, sql FROM sqlite_master WHERE lower(name) = 'oauthtoken'"
    ).fetchall():
        if kind != "table" or sql.upper().startswith("CREATE VIRTUAL"):
            raise refusal(location, f"it is a {kind if kind != 'table' else 'virtual table'}", _COPY)
    columns = connection.execute(
        "SELECT lower(name), type, \"notnull\", dflt_value, hidden FROM pragma_table_xinfo('oauthtoken')"
    ).fetchall()
    names = [name for name, *_ in columns]
    missing = [name for name in COLUMNS if name not in names]
    if columns and missing:
        raise BackendError(
            f"The table oauthtoken in {location} is not the published one: it lacks {', '.join(missing)}. "
            "It was left as it is. Choose another path, or add these columns."
        )
    for reason, way_out in _faults(connection, columns) if columns else ():
        raise refusal(location, reason, way_out)
    return names


def refusal(location: str, reason: str, way_out: str = _RENAME) -> BackendError:
    """Return the error for an unusable table, with the remedy."""
    return BackendError(
        f"The table oauthtoken in {location} cannot keep every token: {reason}. It was left as it is. "
        f"{way_out}."
    )


def _faults(
    connection: sqlite3.Connection, columns: list[tuple[str, str, int, str | None, int]]
) -> Iterator[tuple[str, str]]:
    """Yield what is wrong, and the remedy."""
    (encoding,) = connection.execute("PRAGMA encoding").fetchone()
    if encoding != "UTF-8":
        yield f"the database is in {encoding}, which sorts text differently", _DUMP
    for column in columns:
        if reason := _wrong_column(*column):
            yield reason, _RENAME
    yield from _wrong_keys(connection)
    (sql,) = connection.execute("SELECT sql FROM sqlite_master WHERE lower(name) = 'oauthtoken'").fetchone()
    for name in _CHECK.findall(_QUOTED.sub(_mask, sql)):
        yield f"it has a CHECK constraint{f' {name}' if name else ''}, which may refuse a token", _RENAME
    for table, column in connection.execute(
        'SELECT "table", "from" FROM pragma_foreign_key_list(\'oauthtoken\')'
    ):
        yield f"its column {column} is a foreign key to {table}, which a token does not satisfy", _RENAME


def _mask(quoted: re.Match[str]) -> str:
    """Drop comments, and reduce quoted names to their letters."""
    return re.sub(r"\W", "_", quoted[0][1:-1]) if quoted[0][0] in '"`[' else " "


def _wrong_column(name: str, type_: str, notnull: int, default: str | None, hidden: int) -> str | None:
    if name not in COLUMNS:
        needed = notnull and (default is None or hidden in _GENERATED)
        return f"its column {name} is NOT NULL, and this store does not fill it" if needed else None
    if hidden:
        return f"its column {name} is generated, and cannot be written"
    if notnull and name != "id":
        return f"its column {name} is NOT NULL, and a token may lack it"
    # Otherwise SQLite would turn digits into numbers, or keep numbers that no string finds.
    if name != "expiry_time" and ("INT" in type_.upper() or not _TEXT.search(type_)):
        held = f"the type {type_}" if type_ else "no type"
        return f"its column {name} has {held}, not a text type such as varchar(255)"
    return None


def _wrong_keys(connection: sqlite3.Connection) -> Iterator[tuple[str, str]]:
    is_unique = False
    for index, origin, partial in connection.execute(
        "SELECT name, origin, partial FROM pragma_index_list('oauthtoken') WHERE \"unique\""
    ).fetchall():
        columns = [
            name.lower() if name else "an expression"
            for (name,) in connection.execute("SELECT name FROM pragma_index_info(?)", (index,))
        ]
        is_unique |= columns == ["id"] and not partial
        if "id" not in columns:
            what = f"the index {index}" if origin == "c" else "a constraint"
            way_out = f"Drop the index {index}" if origin == "c" else _RENAME
            yield f"{what} makes {', '.join(columns)} UNIQUE, and several tokens may share that", way_out
    if not is_unique:
        yield (
            "its column id alone is not a key, so that two rows can have one id",
            "Delete the duplicates, and run: CREATE UNIQUE INDEX oauthtoken_id ON oauthtoken (id)",
        )
