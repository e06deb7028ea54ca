"""The rows of an `oauthtoken` table: the statements, and nothing about where the database is."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from typing import Any, Final

from zoho_tokenstore.backends._sqlite.connections import GIVE, Connections, Handle
from zoho_tokenstore.backends._sqlite.schema import DIGEST_COLUMNS, DIGESTED, LOOKUP_EXPRESSIONS
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import NO_DIGESTS, ROW_FIELDS, Row

_BATCH: Final = 1000
_DIGESTS: Final = slice(len(ROW_FIELDS), len(ROW_FIELDS) + len(DIGESTED))
_NULLS: Final = (None,) * len(DIGESTED)
_new: Final = tuple.__new__

_STORED: Final = (*ROW_FIELDS, *DIGEST_COLUMNS, "etag")
# The names below are this module's own constants; every value is bound.
_SELECT: Final = f"SELECT {', '.join(_STORED)} FROM oauthtoken "  # noqa: S608
_LOAD: Final = f"SELECT {GIVE}({', '.join(_STORED)}) FROM oauthtoken WHERE id = ?"  # noqa: S608
_FIND: Final = {index: _SELECT + f"WHERE {expression} " for index, expression in LOOKUP_EXPRESSIONS.items()}
_SCAN: Final = _SELECT + "WHERE id > ? ORDER BY id LIMIT ?"
_INSERT: Final = f"INSERT INTO oauthtoken ({', '.join(_STORED)}) VALUES ({', '.join('?' * len(_STORED))})"  # noqa: S608


class Table:
    """The seven calls of a `Backend` on a SQLite table."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    @property
    def location(self) -> str:
        return self._connections.location

    def load(self, row_id: str) -> Row | None:
        return self._connections.run(_load, row_id)

    def find(self, index: str, *keys: str) -> list[Row]:
        return self._connections.run(
            _fetch, f"{_FIND[index]}IN ({', '.join('?' * len(keys))}) ORDER BY id", keys
        )

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        left = limit
        last = after or ""
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            rows = self._connections.run(_fetch, _SCAN, (last, size))
            yield from rows
            if len(rows) < size:
                return
            last = rows[-1].id
            left = None if left is None else left - size

    def write(self, row: Row, *, expect: object) -> object:
        # An etag is random, not counted: a row that was deleted and made anew never has an old one.
        etag = secrets.randbits(63)
        if expect is None:
            self._connections.run(_insert, row, etag)
        else:
            self._connections.run(_update, row, etag, expect)
        return etag

    def remove(self, row_id: str) -> bool:
        return self._connections.run(_remove, row_id)

    def clear(self) -> int:
        return self._connections.run(_clear)

    def close(self) -> None:
        self._connections.close()


def _load(handle: Handle, row_id: str) -> Row | None:
    row = handle.recent.get(row_id)
    if row is not None and handle.is_current():
        return row
    found = handle.read_row(_LOAD, (row_id,))
    if found is None:
        return None
    row = _row(found)
    if handle.recent.is_asked_again(row_id):
        handle.recent.keep(row_id, row)
    return row


def _fetch(handle: Handle, statement: str, values: tuple[object, ...]) -> list[Row]:
    return [_row(found) for found in handle.open().execute(statement, values)]


def _insert(handle: Handle, row: Row, etag: int) -> None:
    try:
        handle.open().execute(_INSERT, (row.id, *_values(row), etag))
    except sqlite3.IntegrityError as error:
        raise RowChangedError(f"Row {row.id!r} exists already.") from error


def _update(handle: Handle, row: Row, etag: int, expect: object) -> None:
    known = handle.recent.get(row.id)
    if known is None or known.etag != expect:
        known = _load(handle, row.id)
    handle.forget(row.id)
    if known is not None and known.etag == expect:
        # SQLite rewrites the index of every column that is named: so only what changes is.
        names, values = _changes(known, row)
        statement = f"UPDATE oauthtoken SET {names}etag = ? WHERE id = ? AND etag IS ?"  # noqa: S608
        if handle.open().execute(statement, (*values, etag, row.id, expect)).rowcount == 1:
            return
    raise RowChangedError(f"Row {row.id!r} is not as it was when it was read.")


def _changes(known: Row, row: Row) -> tuple[str, list[Any]]:
    """Return what differs: the columns' assignments, and the new values."""
    names, changed = "", []
    for name, old, new in zip(_STORED[1:-1], _values(known), _values(row), strict=True):
        if new != old:
            names += f"{name} = ?, "
            changed.append(new)
    return names, changed


def _remove(handle: Handle, row_id: str) -> bool:
    handle.forget(row_id)
    return handle.open().execute("DELETE FROM oauthtoken WHERE id = ?", (row_id,)).rowcount > 0


def _clear(handle: Handle) -> int:
    handle.forget()
    return handle.open().execute("DELETE FROM oauthtoken").rowcount


def _values(row: Row) -> tuple[Any, ...]:
    """Return the stored values behind the id, without the etag."""
    digests = row.digests
    return row[1 : _DIGESTS.start] + (tuple(map(digests.get, DIGESTED)) if digests else _NULLS)


def _row(stored: tuple[Any, ...]) -> Row:
    digests: Mapping[str, str] = NO_DIGESTS
    refresh_token, access_token, grant_token = found = stored[_DIGESTS]
    if found != _NULLS:
        digests = {}
        if refresh_token is not None:
            digests["refresh_token"] = refresh_token
        if access_token is not None:
            digests["access_token"] = access_token
        if grant_token is not None:
            digests["grant_token"] = grant_token
    # Not by the class: its constructor would unpack and check the values again.
    return _new(Row, stored[: _DIGESTS.start] + (digests, stored[-1]))  # noqa: RUF005  # faster so
