"""The rows of an `oauthtoken` table: the statements."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore.backends._sql import texts
from zoho_tokenstore.backends._sql.connections import Connections
from zoho_tokenstore.backends._sql.dialect import DIGEST_COLUMNS, DIGESTED, Dialect, Values
from zoho_tokenstore.errors import RowChangedError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS, NO_DIGESTS, ROW_FIELDS, Built, Row

_BATCH: Final = 1000
_INSERTS: Final = 3  # the row in the way may be gone when we look
_DIGESTS: Final = slice(len(ROW_FIELDS), len(ROW_FIELDS) + len(DIGESTED))
_NULLS: Final = (None,) * len(DIGESTED)
_new: Final = tuple.__new__

Stored = tuple[Any, ...]


class Table:
    """The seven calls of a `Backend` on a table."""

    def __init__(self, connections: Connections, dialect: Dialect) -> None:
        self._connections = connections
        self._dialect = dialect
        tokens, columns = dialect.tokens, dialect.tokens.c
        this_row = columns.id == sa.bindparam("row_id", type_=columns.id.type)
        rows = sa.select(*dialect.selected())
        self._load = connections.query(rows.where(this_row))
        self._rows = rows.order_by(columns.id)
        self._scan = self._rows.where(columns.id > sa.bindparam("after", type_=columns.id.type)).limit(
            sa.bindparam("size", type_=sa.Integer)
        )
        self._etag = sa.select(dialect.etag()).where(this_row)
        self._insert = sa.insert(tokens)
        self._update = sa.update(tokens).where(this_row, dialect.etag() == sa.bindparam("expect"))
        self._delete = sa.delete(tokens).where(this_row)
        self._recent: Built[Stored, Row] = Built()

    @property
    def location(self) -> str:
        return self._connections.location

    def load(self, row_id: str) -> Row | None:
        stored = self._connections.one(self._load, self._id_key(row_id))
        if stored is None:
            return None
        row = self._recent.of(row_id, stored, self._row)
        return row if row.id == row_id else None  # else in a database that takes different texts for one

    def find(self, index: str, *keys: str) -> list[Row]:
        if not keys:
            return []
        names = [f"key_{number}" for number in range(len(keys))]
        values = dict(zip(names, map(self._dialect.key_value, keys), strict=True))
        return self._fetch(self._find(index, *names), values)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        left = limit
        last = "" if after is None else self._id_key(after)
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            rows = self._fetch(self._scan, {"after": last, "size": size})
            yield from rows
            if len(rows) < size:
                return
            last = self._id_key(rows[-1].id)
            left = None if left is None else left - size

    def write(self, row: Row, *, expect: object) -> object:
        # A mark is random, not counted: a row that was deleted and made anew never has an old one. Nor
        # has anybody else's write: so it tells whether a write has been done whose answer was lost.
        mark = secrets.randbits(63)
        values = {**self._values(row), "etag": mark}
        if expect is None:
            self._connections.run(self._do_insert, row.id, values)
        elif self._dialect.is_etag(expect):
            self._connections.run(self._do_update, row.id, values, expect)
        else:
            raise _changed(row.id)
        return self._dialect.etag_of(mark)

    def remove(self, row_id: str) -> bool:
        self._recent.pop(row_id, None)
        parameters = {"row_id": self._id_key(row_id)}
        return self._connections.run(_execute, self._delete, parameters, repeatable=False) > 0

    def clear(self) -> int:
        self._recent.clear()
        return self._connections.run(_execute, sa.delete(self._dialect.tokens), {}, repeatable=False)

    def close(self) -> None:
        self._connections.close()

    def _find(self, index: str, *names: str) -> sa.Select[Any]:
        """Return the query for the rows under keys that are parameters of these names."""
        keys = [self._dialect.key(sa.bindparam(name, type_=sa.UnicodeText())) for name in names]
        return self._rows.where(self._dialect.lookup(index).in_(keys))

    def _fetch(self, statement: sa.Select[Any], parameters: Values) -> list[Row]:
        return [self._row(stored) for stored in self._connections.run(_rows, statement, parameters)]

    def _do_insert(self, connection: sa.Connection, row_id: str, values: Values) -> None:
        for attempts_left in reversed(range(_INSERTS)):
            try:
                connection.execute(self._insert, values)
            except IntegrityError:
                stored = self._stored_etag(connection, values["id"])
                if stored is None and not attempts_left:
                    raise
            else:
                return
            if stored is not None:
                break
        if stored != self._dialect.etag_of(values["etag"]):
            raise RowChangedError(f"Row {row_id!r} exists already.")

    def _do_update(self, connection: sa.Connection, row_id: str, values: Values, expect: object) -> None:
        parameters = {**values, "row_id": values["id"], "expect": expect}
        if connection.execute(self._update, parameters).rowcount == 1:
            return
        if self._stored_etag(connection, values["id"]) != self._dialect.etag_of(values["etag"]):
            raise _changed(row_id)

    def _stored_etag(self, connection: sa.Connection, key: str) -> object:
        return connection.execute(self._etag, {"row_id": key}).scalar_one_or_none()

    def _id_key(self, row_id: str) -> str:
        return texts.id_key(self._dialect.encoded(row_id))

    def _values(self, row: Row) -> Values:
        """Return what a row is stored as, by column, without its etag."""
        encoded = self._dialect.encoded
        digests = (row.digests.get(name) for name in DIGESTED)
        held: tuple[Any, ...] = (*row[: len(COLUMNS)], *digests)
        values: Values = {
            name: None if text is None else encoded(text)
            for name, text in zip((*COLUMNS, *DIGEST_COLUMNS), held, strict=True)
        }
        whole = values["id"]
        values["id"] = texts.id_key(whole)
        values["long_id"] = whole if texts.is_long(whole) else None
        values.update({name: getattr(row, name) for name in BOOKKEEPING})
        return values | self._dialect.derived({index: row.lookup_key(index) for index in LOOKUPS})

    def _row(self, stored: Stored) -> Row:
        values = self._dialect.values_of(stored)
        digests: Mapping[str, str] = NO_DIGESTS
        if values[_DIGESTS] != _NULLS:
            digests = {name: d for name, d in zip(DIGESTED, values[_DIGESTS], strict=True) if d is not None}
        etag, long_id = values[_DIGESTS.stop :]
        row_id = values[0] if long_id is None else long_id
        # Not by the class: its constructor would unpack and check the values again.
        return _new(Row, (row_id, *values[1 : _DIGESTS.start], digests, etag))


def _rows(connection: sa.Connection, statement: sa.Select[Any], parameters: Values) -> list[Stored]:
    return [tuple(row) for row in connection.execute(statement, parameters)]


def _execute(connection: sa.Connection, statement: sa.Delete, parameters: Values) -> int:
    return connection.execute(statement, parameters).rowcount


def _changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} is not as it was when it was read.")
