"""The rows of an `oauthtoken` table: only the statements, regardless of where the database is."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from typing import Any, Final

from zoho_tokenstore.backend import SupportsCount, SupportsRehearsal
from zoho_tokenstore.backends._rows import (
    STORED,
    Stored,
    is_literal,
    is_text,
    read_row,
    text_of,
    values_of,
)
from zoho_tokenstore.backends.sqlite._connections import SQLiteConnections, SQLiteHandle, write_lock
from zoho_tokenstore.backends.sqlite._retired import SQLiteRetiredIds
from zoho_tokenstore.backends.sqlite._schema import LOOKUP_EXPRESSIONS, NOW
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import Found, Row, UnreadableRow

_BATCH: Final = 1000
_TRIES: Final = 3  # another row may come after each

# The names below are this module's own constants; every value is bound.
_SELECT: Final = f"SELECT {', '.join(STORED)} FROM oauthtoken "  # noqa: S608
LOAD: Final = _SELECT + "WHERE id = ?"
FIND: Final = {index: _SELECT + f"WHERE {expression} " for index, expression in LOOKUP_EXPRESSIONS.items()}
# The id has a name, as `?1` is a DeprecationWarning in Python 3.12.0 to 3.12.3.
INSERT: Final = f"""
INSERT INTO oauthtoken ({", ".join(STORED)}) WITH new (row_id) AS (SELECT ?)
SELECT new.row_id, {", ".join("?" * (len(STORED) - 1))} FROM new
WHERE NOT EXISTS (SELECT 1 FROM oauthtoken WHERE id = new.row_id)
AND NOT EXISTS (SELECT 1 FROM zoho_tokenstore_retired WHERE id = new.row_id)"""  # noqa: S608
_IS_RETIRED: Final = "SELECT 1 FROM zoho_tokenstore_retired WHERE id = ?"
_WITHOUT_ID: Final = _SELECT + "WHERE id IS NULL"
_COUNT: Final = "SELECT count(*) FROM oauthtoken"
_EXISTS: Final = "SELECT 1 FROM oauthtoken WHERE id IS "
_DELETE: Final = "DELETE FROM oauthtoken WHERE "
DELETE: Final = _DELETE + "id = ?"
_CLEARED: Final = f"""
INSERT OR REPLACE INTO zoho_tokenstore (name, value) SELECT 'cleared_ms', max({NOW}, 1 + coalesce(
  (SELECT CAST(value AS INTEGER) FROM zoho_tokenstore WHERE name = 'cleared_ms'), 0))"""  # noqa: S608


class SQLiteTable(SupportsRehearsal, SupportsCount):
    """The calls of a `Backend` on a SQLite table."""

    def __init__(self, connections: SQLiteConnections) -> None:
        self._connections = connections
        self.retired = SQLiteRetiredIds(connections)

    @property
    def location(self) -> str:
        return self._connections.location

    def load(self, row_id: str) -> Row | None:
        row = self._connections.run(_load, row_id)
        if isinstance(row, UnreadableRow):
            raise UnreadableRowError.of(row.id, row.reason, self.location)
        return row

    def find(self, index: str, *keys: str) -> list[Found]:
        statement = f"{FIND[index]}IN ({', '.join('?' * len(keys))}) ORDER BY id"
        return list(map(read_row, self._connections.run(SQLiteHandle.read_all, statement, keys)))

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        """Yield the rows in the order of their ids; those whose id is not text come last."""
        left = limit
        condition, values = (">= ?", ("",)) if after is None else _after(after, not is_literal(after))
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            statement = f"{_SELECT}WHERE id {condition} ORDER BY id LIMIT ?"
            batch = self._connections.run(SQLiteHandle.read_all, statement, (*values, size))
            yield from map(read_row, batch)
            left = None if left is None else left - len(batch)
            if len(batch) < size:
                break
            last = batch[-1][0]
            condition, values = _after(text_of(last), is_text(last))
        if left != 0 and after != "NULL":
            yield from map(read_row, self._connections.run(SQLiteHandle.read_all, _WITHOUT_ID)[:left])

    def count(self) -> int:
        stored = self._connections.run(SQLiteHandle.read_one, _COUNT)
        return int(stored[0]) if stored else 0

    def write(self, row: Row, *, expect: object) -> object:
        # An etag is random, not counted: a row that was deleted and recreated never has an old one.
        etag = secrets.randbits(63)
        self._connections.commit(_write, row, etag, expect)
        return etag

    def rehearse(self, row: Row, *, expect: object) -> None:
        self._connections.commit(_rehearse, row, expect)

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        return self._connections.commit(_remove, row_id, expect)

    def clear(self) -> int:
        return self._connections.commit(_clear)

    def close(self) -> None:
        self._connections.close()


def _after(last: str, is_text: bool) -> tuple[str, Stored]:
    """Return the condition on the ids that come after one, and the values for it."""
    return ("> ?", (last,)) if is_text else (f"> {last}", ())


def _load(handle: SQLiteHandle, row_id: str) -> Found | None:
    row: Found | None = handle.recent.get(row_id)
    if row is not None and handle.is_current():
        return row
    stored = handle.read_one(LOAD, (row_id,))
    if stored is None:
        if is_literal(row_id) and handle.read_one(_EXISTS + row_id):
            return UnreadableRow(row_id, "its id is not text")
        return None
    row = read_row(stored)
    if isinstance(row, Row) and handle.recent.is_second_hit(row_id):
        handle.recent.keep(row_id, row)
    return row


def _write(handle: SQLiteHandle, row: Row, etag: int, expect: object) -> None:
    if expect is None:
        _insert(handle, row, etag)
    else:
        _update(handle, row, etag, expect)


def _rehearse(handle: SQLiteHandle, row: Row, expect: object) -> None:
    with write_lock(handle.open(), keep=False):
        _write(handle, row, secrets.randbits(63), expect)


def _insert(handle: SQLiteHandle, row: Row, etag: int) -> None:
    values = (row.id, *values_of(row), etag)
    if handle.open().execute(INSERT, values).rowcount == 1:
        return
    if handle.read_one(_EXISTS + "?", (row.id,)):
        raise RowChangedError(f"Row {row.id!r} exists already.")
    if handle.read_one(_IS_RETIRED, (row.id,)):
        raise RetiredIdError(f"The id {row.id!r} belongs to a deleted row.")
    raise _ignored(row.id)


def _update(handle: SQLiteHandle, row: Row, etag: int, expect: object) -> None:
    known: Found | None = handle.recent.get(row.id)
    if not isinstance(known, Row) or known.etag != expect:
        known = _load(handle, row.id)
    handle.forget(row.id)
    if isinstance(known, Row) and known.etag == expect:
        # SQLite rewrites the index of every column named, so only changed ones are.
        names, values = _changes(known, row)
        statement = f"UPDATE oauthtoken SET {names}etag = ? WHERE id = ? AND etag IS ?"  # noqa: S608
        if handle.open().execute(statement, (*values, etag, row.id, expect)).rowcount == 1:
            return
        now = _load(handle, row.id)
        if isinstance(now, Row) and now.etag == expect:
            raise _ignored(row.id)
    raise RowChangedError(f"Row {row.id!r} has changed since it was read.")


def _ignored(row_id: str) -> BackendError:
    return BackendError(
        f"Row {row_id!r} is as it was, though nothing is in the way: a trigger on the table oauthtoken "
        "ignores the change. Drop that trigger."
    )


def _changes(known: Row, row: Row) -> tuple[str, list[Any]]:
    """Return what differs: the columns' assignments, and the new values."""
    names, changed = "", []
    for name, old, new in zip(STORED[1:-1], values_of(known), values_of(row), strict=True):
        if new != old:
            names += f"{name} = ?, "
            changed.append(new)
    return names, changed


def _remove(handle: SQLiteHandle, row_id: str, expect: object) -> bool:
    handle.forget(row_id)
    connection = handle.open()
    where, values = ("id = ?", (row_id,)) if expect is None else ("id = ? AND etag IS ?", (row_id, expect))
    for _ in range(_TRIES):
        if connection.execute(_DELETE + where, values).rowcount > 0:
            return True
        if not handle.read_one(f"SELECT 1 FROM oauthtoken WHERE {where}", values):  # noqa: S608
            break
    else:
        raise _ignored(row_id)
    if expect is not None or not is_literal(row_id):
        return False
    return connection.execute(f"{_DELETE}id IS {row_id}").rowcount > 0


def _clear(handle: SQLiteHandle) -> int:
    handle.forget()
    with write_lock(handle.open()) as connection:
        count = connection.execute("DELETE FROM oauthtoken").rowcount
        connection.execute(_CLEARED)
    return count
