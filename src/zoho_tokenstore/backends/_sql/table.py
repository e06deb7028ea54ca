"""The rows of an `oauthtoken` table: the statements."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import NoneType
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore.backends._sql import failures, shape, texts
from zoho_tokenstore.backends._sql.bulk import Bulk
from zoho_tokenstore.backends._sql.connections import Connections, Query
from zoho_tokenstore.backends._sql.dialect import DIGEST_COLUMNS, DIGESTED, Dialect, Values
from zoho_tokenstore.backends._sql.retired import SQLRetiredIds
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LOOKUPS,
    NO_DIGESTS,
    ROW_FIELDS,
    Built,
    Found,
    Row,
    UnreadableRow,
)

_BATCH: Final = 1000
_FEW: Final = 8
_TRIES: Final = 3  # the row in the way may be gone when we look
_DIGESTS: Final = slice(len(ROW_FIELDS), len(ROW_FIELDS) + len(DIGESTED))
_NULLS: Final = (None,) * len(DIGESTED)
_EXPIRY: Final = COLUMNS.index("expiry_time")
_READ: Final = (*ROW_FIELDS, *DIGEST_COLUMNS, "etag", "long_id")
_TEXTS: Final = len(COLUMNS)
_TEXT: Final = frozenset({str, NoneType})
_TIME: Final = frozenset({int, NoneType})
_new: Final = tuple.__new__

Stored = tuple[Any, ...]


class Table:
    """The calls of a `Backend` on a table."""

    def __init__(self, connections: Connections, dialect: Dialect) -> None:
        self.retired = SQLRetiredIds(connections, dialect)
        self._connections = connections
        self._dialect = dialect
        tokens, columns = dialect.tokens, dialect.tokens.c
        row_id = sa.bindparam("row_id", type_=columns.id.type)
        this_row = columns.id == row_id
        rows = sa.select(*dialect.selected())
        self._load = connections.query(rows.where(this_row), "row_id")
        self._rows = rows.order_by(columns.id)
        behind = columns.id > sa.bindparam("after", type_=columns.id.type)
        page = self._rows.where(behind).limit(sa.bindparam("size", type_=sa.Integer))
        self._scan = connections.query(page, "after", "size")
        self._finds: dict[tuple[str, int], Query] = {}
        self._lists = {index: self._list(index) for index in LOOKUPS}
        retired = sa.select(dialect.retired.c.at_ms).where(dialect.retired.c.id == row_id)
        etag = sa.select(dialect.etag()).where(this_row)
        self._look = sa.select(etag.scalar_subquery(), retired.scalar_subquery())
        self._insert = self._insertion()
        self._bulk = Bulk(dialect, self._insert)
        self._count = sa.select(sa.func.count()).select_from(tokens)
        self._update = sa.update(tokens).where(this_row, dialect.etag() == sa.bindparam("expect"))
        self._change = connections.change(self._update, self._values(Row(""), 0, None))
        self._delete = sa.delete(tokens).where(self._is_stored_as(row_id))
        self._recent: Built[Stored, Found] = Built()

    @property
    def location(self) -> str:
        return self._connections.location

    def load(self, row_id: str) -> Row | None:
        key = self._id_key(row_id)
        stored = self._connections.one(self._load, key)
        if stored is None and key != row_id and "\0" not in row_id:  # others do not know our keys
            stored = self._connections.one(self._load, row_id)
        if stored is None:
            return None
        found = self._recent.of(row_id, stored, self._found)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(found.id, found.reason, self.location)
        return found if found.id == row_id else None  # else in a database that takes different texts for one

    def find(self, index: str, *keys: str) -> list[Found]:
        if not keys:
            return []
        values = list(map(self._dialect.key_value, keys))
        if len(keys) > _FEW and (query := self._lists[index]) is not None:
            found = self._connections.all(query, values)
        else:
            size = 1 << (len(keys) - 1).bit_length()  # so that there are few statements
            values += values[-1:] * (size - len(keys))
            found = self._connections.all(self._find(index, size), *values)
        return list(map(self._found, found))

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        left = limit
        last = "" if after is None else self._id_key(after)
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            page = self._connections.all(self._scan, last, size)
            yield from map(self._found, page)
            if len(page) < size:
                return
            last = self._dialect.values_of(page[-1])[0]
            left = None if left is None else left - size

    def write(self, row: Row, *, expect: object) -> object:
        # A mark is random, not counted: a row that was deleted and made anew never has an old one. Nor
        # has anybody else's write: so it tells whether a write has been done whose answer was lost.
        mark = secrets.randbits(63)
        values = self._values(row, mark, expect)
        is_done = expect is not None and self._connections.changes_one(
            self._change, _update_parameters(values, expect)
        )
        if not is_done:
            self._connections.run(self._do_write, row.id, values, expect)
        return self._dialect.etag_of(mark)

    def write_many(self, rows: Sequence[Row]) -> list[object]:
        values = [self._values(row, secrets.randbits(63), None) for row in rows]
        batches = (values[start : start + _BATCH] for start in range(0, len(values), _BATCH))
        return [etag for batch in batches for etag in self._connections.run(self._bulk.insert, batch)]

    def count(self) -> int:
        return self._connections.run(lambda connection: connection.scalar(self._count) or 0)

    def rehearse(self, row: Row, *, expect: object) -> None:
        values = self._values(row, secrets.randbits(63), expect)
        self._connections.run(self._do_rehearse, row.id, values, expect)

    def remove(self, row_id: str) -> bool:
        self._recent.pop(row_id, None)
        return self._connections.run(self._do_remove, row_id, repeatable=False)

    def clear(self) -> int:
        self._recent.clear()
        return self._connections.run(self._do_clear, repeatable=False)

    def close(self) -> None:
        self._connections.close()

    def _try_out(self) -> None:
        """Insert, change and delete rows, and leave nothing: raise what would keep a token from being kept.

        While a server only reads, its rows are served.
        """
        with contextlib.suppress(failures.ReadOnlyError):
            self._connections.run(self._do_try, self.retired.try_out)
            self._connections.run(self._do_try, self._try_rows)

    def _do_try(self, connection: sa.Connection, trial: Callable[[sa.Connection], None]) -> None:
        with self._dialect.transaction(connection, keep=False):
            trial(connection)

    def _try_rows(self, connection: sa.Connection) -> None:
        made_up = f"zoho-tokenstore {secrets.token_hex(16)}"
        columns: dict[str, Any] = dict.fromkeys(COLUMNS, made_up) | dict.fromkeys(BOOKKEEPING, 1)
        changes: dict[str, Any] = dict.fromkeys(COLUMNS[1:], f"{made_up} Changed")
        full = Row(**columns, digests=dict.fromkeys(DIGESTED, made_up))
        beside, changed = full._replace(id=made_up.upper()), full._replace(**changes)
        etag = self._dialect.etag_of(1)
        for row in (beside, full, Row(f"{made_up} ")):
            if not self._store(connection, self._values(row, 1, None), None):
                raise self._unfit("it takes ids for equal that differ in case or blanks")
        self._check_kept(connection, full)
        is_updated = self._store(connection, self._values(changed, 2, etag), etag)
        self._check_kept(connection, changed if is_updated else full)
        if not is_updated or self._delete_row(connection, made_up) != 1:
            raise self._unfit("rows in it cannot be changed or deleted (by a trigger, a rule or a policy)")
        self._check_kept(connection, beside)
        retired = connection.execute(self._look, {"row_id": made_up}).one()[1]
        if self._dialect.deletes_retire and retired is None:
            raise self._unfit("the triggers of this package are gone from it")

    def _check_kept(self, connection: sa.Connection, row: Row) -> None:
        """Raise an error if a row is not there as it was written, or has not stayed so beside others."""
        same_id = self._dialect.tokens.c.id == self._id_key(row.id)
        stored = connection.execute(self._rows.where(same_id)).one_or_none()
        found = None if stored is None else self._found(tuple(stored))
        names = (
            ROW_FIELDS
            if found is None
            else [name for name in ROW_FIELDS if getattr(found, name, None) != getattr(row, name)]
        )
        if names:
            raise self._unfit(f"{', '.join(names)} is not kept as it was given (by a trigger or a rule)")

    def _unfit(self, trouble: str) -> BackendError:
        return shape.unfit(self._dialect.tokens.name, self.location, trouble)

    def _insertion(self) -> sa.Insert:
        """Return the statement that inserts a row, unless its id is taken or retired."""
        dialect, columns = self._dialect, self._dialect.tokens.c
        names = [name for name in columns.keys() if name in self._values(Row(""), 0, None)]  # noqa: SIM118
        given = {name: sa.bindparam(name, type_=columns[name].type) for name in names}
        free = (~sa.exists().where(seat.c.id == given["id"]) for seat in dialect.seats())
        row = dialect.one_row().add_columns(*given.values()).where(*free)
        return sa.insert(dialect.tokens).from_select(names, row).execution_options(preserve_rowcount=True)

    def _is_stored_as(self, row_id: sa.BindParameter[str]) -> sa.ColumnElement[bool]:
        """Return whether a row is stored under a key, or was by others under an id that needs one."""
        columns = self._dialect.tokens.c
        others = sa.and_(
            columns.id == sa.bindparam("raw_id", type_=columns.id.type), columns.long_id.is_(None)
        )
        return sa.or_(columns.id == row_id, others)

    def _list(self, index: str) -> Query | None:
        """Return the query for the rows under a list of keys, where the database takes one."""
        condition = self._dialect.lists(index)
        if condition is None:
            return None
        # A plan for many keys that was made for a small table would read a large one to the end.
        return self._connections.query(self._rows.where(condition), "keys", is_planned_once=False)

    def _find(self, index: str, size: int) -> Query:
        """Return the query for the rows under so many keys."""
        query = self._finds.get((index, size))
        if query is None:
            names = [f"key_{number}" for number in range(size)]
            keys = [self._dialect.key(sa.bindparam(name, type_=sa.UnicodeText())) for name in names]
            query = self._connections.query(self._rows.where(self._dialect.lookup(index).in_(keys)), *names)
            self._finds[index, size] = query
        return query

    def _do_write(self, connection: sa.Connection, row_id: str, values: Values, expect: object) -> None:
        for _ in range(_TRIES):
            if self._store(connection, values, expect) or self._is_done(connection, row_id, values, expect):
                return
        raise failures.PASSING.at(self.location)

    def _do_rehearse(self, connection: sa.Connection, row_id: str, values: Values, expect: object) -> None:
        with self._dialect.transaction(connection, keep=False):
            stored = self._store(connection, values, expect)
        if not stored:
            self._is_done(connection, row_id, values, expect)

    def _store(self, connection: sa.Connection, values: Values, expect: object) -> bool:
        """Insert or update a row; return whether that was possible."""
        if expect is not None:
            return connection.execute(self._update, _update_parameters(values, expect)).rowcount == 1
        try:
            return connection.execute(self._insert, values).rowcount == 1
        except IntegrityError as error:
            if self._dialect.is_duplicate_id(error.orig):
                return False
            raise

    def _is_done(self, connection: sa.Connection, row_id: str, values: Values, expect: object) -> bool:
        """Look why a row could not be stored. Return whether it had been, or raise what is in the way."""
        etag, retired_ms = connection.execute(self._look, {"row_id": values["id"]}).one()
        if etag == self._dialect.etag_of(values["etag"]):
            return True
        if expect is not None:
            raise _changed(row_id)
        if etag is not None:
            raise RowChangedError(f"Row {row_id!r} exists already.")
        if retired_ms is not None:
            raise RetiredIdError(f"The id {row_id!r} is that of a row that was deleted. Save without an id.")
        return False

    def _do_remove(self, connection: sa.Connection, row_id: str) -> bool:
        if self._dialect.deletes_retire:
            return self._delete_row(connection, row_id) > 0
        with self._dialect.transaction(connection):
            is_gone = self._delete_row(connection, row_id) > 0
            if is_gone:
                self.retired.retire(connection, row_id)
        return is_gone

    def _delete_row(self, connection: sa.Connection, row_id: str) -> int:
        key = self._id_key(row_id)
        parameters = {"row_id": key, "raw_id": key if "\0" in row_id else row_id}
        return connection.execute(self._delete, parameters).rowcount

    def _do_clear(self, connection: sa.Connection) -> int:
        with self._dialect.transaction(connection):
            self.retired.note_clear(connection)
            return connection.execute(sa.delete(self._dialect.tokens)).rowcount

    def _id_key(self, row_id: str) -> str:
        return texts.id_key(self._dialect.encoded(row_id))

    def _values(self, row: Row, mark: int, expect: object) -> Values:
        """Return what a row is stored as, by column."""
        if expect is not None and not self._dialect.is_etag(expect):
            raise _changed(row.id)
        encoded = self._dialect.encoded
        digests = (row.digests.get(name) for name in DIGESTED)
        held: tuple[Any, ...] = (*row[: len(COLUMNS)], *digests)
        values: Values = {
            name: None if text is None else encoded(text)
            for name, text in zip((*COLUMNS, *DIGEST_COLUMNS), held, strict=True)
        }
        whole = values["id"]
        values |= {
            "id": texts.id_key(whole),
            "long_id": whole if texts.is_long(whole) else None,
            "etag": mark,
        }
        values.update({name: getattr(row, name) for name in BOOKKEEPING})
        return values | self._dialect.derived({index: row.lookup_key(index) for index in LOOKUPS})

    def _found(self, stored: Stored) -> Found:
        values = self._dialect.values_of(stored)
        expiry = values[_EXPIRY]
        if expiry.__class__ is int:
            values = (*values[:_EXPIRY], str(expiry), *values[_EXPIRY + 1 :])
        wrong = _wrong(values)
        if wrong:
            return UnreadableRow(texts.shown(values[0]), wrong)
        key, values = values[0], self._dialect.decoded(values)
        etag, long_id = values[_DIGESTS.stop :]
        row_id = values[0] if long_id is None else long_id
        if self._id_key(row_id) != key:
            return UnreadableRow(
                texts.shown(key), "its id was not written by this package, and is too long or holds U+0001"
            )
        digests: Mapping[str, str] = NO_DIGESTS
        if values[_DIGESTS] != _NULLS:
            digests = {name: d for name, d in zip(DIGESTED, values[_DIGESTS], strict=True) if d is not None}
        # Not by the class: its constructor would unpack and check the values again.
        return _new(Row, (row_id, *values[1 : _DIGESTS.start], digests, etag))


def _wrong(values: Stored) -> str | None:
    """Return what is wrong with the values that were read of a row."""
    if values[0] is None:
        return "it has no id"
    texts_of, times_of = (*values[:_TEXTS], *values[_DIGESTS], values[-1]), values[_TEXTS : _DIGESTS.start]
    if _TEXT.issuperset(map(type, texts_of)) and _TIME.issuperset(map(type, times_of)):
        return None
    for name, value in zip(_READ, values, strict=True):
        allowed, kind = (_TIME, "a whole number") if name in BOOKKEEPING else (_TEXT, "text")
        if name != "etag" and type(value) not in allowed:
            return f"its {name} is no {kind.removeprefix('a ')}"
    return None


def _update_parameters(values: Values, expect: object) -> Values:
    return {**values, "row_id": values["id"], "expect": expect}


def _changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} is not as it was when it was read.")
