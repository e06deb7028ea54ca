"""The rows of an `oauthtoken` table: the statements."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError

from zoho_tokenstore._util.caches import MemoCache
from zoho_tokenstore.backend import SupportsCount, SupportsRehearsal, SupportsWriteMany
from zoho_tokenstore.backends._rows import DIGESTED, STORED, Stored, read_row, values_of
from zoho_tokenstore.backends.sql import _failures as failures
from zoho_tokenstore.backends.sql import _shape as shape
from zoho_tokenstore.backends.sql._connections import Query, SQLConnections
from zoho_tokenstore.backends.sql._dialect import Dialect, Values
from zoho_tokenstore.backends.sql._retired import SQLRetiredIds
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LOOKUPS,
    ROW_FIELDS,
    Found,
    Row,
    UnreadableRow,
)

_BATCH: Final = 1000
_FEW: Final = 8
_TRIES: Final = 3  # a conflicting row may be gone when we look, and another one be there


class SQLTable(SupportsRehearsal, SupportsCount, SupportsWriteMany):
    """The calls of a `Backend` on a table."""

    def __init__(self, connections: SQLConnections, dialect: Dialect) -> None:
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
        page = self._rows.limit(sa.bindparam("size", type_=sa.Integer))
        self._first = connections.query(page, "size")
        self._next = connections.query(page.where(behind), "after", "size")
        self._finds: dict[tuple[str, int], Query] = {}
        self._lists = {index: self._list(index) for index in LOOKUPS}
        retired = sa.select(dialect.retired.c.at_ms).where(dialect.retired.c.id == row_id)
        etag = sa.select(dialect.etag()).where(this_row)
        self._look = sa.select(etag.scalar_subquery(), retired.scalar_subquery())
        self._insert = self._insertion()
        self._count = sa.select(sa.func.count()).select_from(tokens)
        self._update = sa.update(tokens).where(this_row, dialect.etag() == sa.bindparam("expect"))
        self._change = connections.change(self._update, self._values(Row(""), 0, None))
        self._recent: MemoCache[Stored, Found] = MemoCache()

    @property
    def location(self) -> str:
        return self._connections.location

    def load(self, row_id: str) -> Row | None:
        stored = self._connections.one(self._load, row_id)
        if stored is None:
            return None
        found = self._recent.of(row_id, stored, self._found)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(found.id, found.reason, self.location)
        return found if found.id == row_id else None  # if not, the database equates different strings

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
        last = after
        while left is None or left > 0:
            size = _BATCH if left is None else min(left, _BATCH)
            page = (
                self._connections.all(self._first, size)
                if last is None  # an empty id comes first, too
                else self._connections.all(self._next, last, size)
            )
            yield from map(self._found, page)
            if len(page) < size:
                return
            last = self._dialect.values_of(page[-1])[0]
            left = None if left is None else left - size

    def write(self, row: Row, *, expect: object) -> object:
        # A mark is random, not counted: a row that was deleted and recreated never has an old one. Nor
        # does anybody else's write: so it shows whether a write was done whose answer was lost.
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
        return [etag for batch in batches for etag in self._connections.run(self._insert_many, batch)]

    def count(self) -> int:
        return self._connections.run(lambda connection: connection.scalar(self._count) or 0)

    def rehearse(self, row: Row, *, expect: object) -> None:
        values = self._values(row, secrets.randbits(63), expect)
        self._connections.run(self._do_rehearse, row.id, values, expect)

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        self._recent.pop(row_id, None)
        if expect is not None and not self._dialect.is_etag(expect):
            return False
        return self._connections.run(self._do_remove, row_id, expect, repeatable=False)

    def clear(self) -> int:
        self._recent.clear()
        return self._connections.run(self.retired.move_all, repeatable=False)

    def close(self) -> None:
        self._connections.close()

    def _do_remove(self, connection: sa.Connection, row_id: str, expect: object) -> bool:
        for _ in range(_TRIES):
            if self.retired.move(connection, row_id, expect) > 0:
                return True
            etag, _ = connection.execute(self._look, {"row_id": row_id}).one()
            if etag is None or (expect is not None and etag != expect):
                return False
        raise failures.IGNORED.at(self.location)

    def _try_out(self) -> None:
        """Insert, change and delete rows, leaving nothing: raise what would prevent keeping a token.

        While a server is read-only, its rows are served.
        """
        with contextlib.suppress(failures.ReadOnlyError):
            self._connections.run(self._do_try)

    def _do_try(self, connection: sa.Connection) -> None:
        with self._dialect.transaction(connection, keep=False):
            self._try_tables(connection)

    def _try_tables(self, connection: sa.Connection) -> None:
        self.retired.try_out(connection)
        self._try_rows(connection)

    def _try_rows(self, connection: sa.Connection) -> None:
        made_up = f"zoho-tokenstore {secrets.token_hex(16)}"
        columns: dict[str, Any] = dict.fromkeys(COLUMNS, made_up) | dict.fromkeys(BOOKKEEPING, 1)
        changes: dict[str, Any] = dict.fromkeys(COLUMNS[1:], f"{made_up} Changed")
        full = Row(**columns, digests=dict.fromkeys(DIGESTED, made_up))
        beside, changed = full._replace(id=made_up.upper()), full._replace(**changes)
        etag = self._dialect.etag_of(1)
        for row in (beside, full, Row(f"{made_up} ")):
            if not self._store(connection, self._values(row, 1, None), None):
                raise self._unfit("it treats ids as equal that differ in case or blanks")
        self._check_kept(connection, full)
        is_updated = self._store(connection, self._values(changed, 2, etag), etag)
        self._check_kept(connection, changed if is_updated else full)
        if not is_updated or self.retired.delete_row(connection, made_up) != 1:
            raise self._unfit("rows in it cannot be changed or deleted (by a trigger, a rule or a policy)")
        self._check_kept(connection, beside)

    def _check_kept(self, connection: sa.Connection, row: Row) -> None:
        """Raise an error if a row is not stored as it was written, or did not stay so among others."""
        same_id = self._dialect.tokens.c.id == row.id
        stored = connection.execute(self._rows.where(same_id)).one_or_none()
        found = None if stored is None else self._found(tuple(stored))
        names = (
            ROW_FIELDS
            if found is None
            else [name for name in ROW_FIELDS if getattr(found, name, None) != getattr(row, name)]
        )
        if names:
            raise self._unfit(f"{', '.join(names)} is not kept as given (because of a trigger or a rule)")

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

    def _list(self, index: str) -> Query | None:
        """Return the query for the rows under a list of keys, if the database accepts one."""
        condition = self._dialect.lists(index)
        if condition is None:
            return None
        # A plan for many keys made for a small table would read a large one completely.
        return self._connections.query(self._rows.where(condition), "keys", is_planned_once=False)

    def _find(self, index: str, size: int) -> Query:
        """Return the query for the rows under this many keys."""
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
        raise failures.IGNORED.at(self.location)

    def _do_rehearse(self, connection: sa.Connection, row_id: str, values: Values, expect: object) -> None:
        for _ in range(_TRIES):
            with self._dialect.transaction(connection, keep=False):
                stored = self._store(connection, values, expect)
            if stored or self._is_done(connection, row_id, values, expect):
                return
        raise failures.IGNORED.at(self.location)

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
        """Find out why a row could not be stored. Return whether it was after all, or raise the reason.

        If it returns false, nothing seems to be in the way.
        """
        etag, retired_ms = connection.execute(self._look, {"row_id": values["id"]}).one()
        if etag == self._dialect.etag_of(values["etag"]):
            return True
        if expect is not None and etag != expect:
            raise _changed(row_id)
        if expect is None and etag is not None:
            raise RowChangedError(f"Row {row_id!r} exists already.")
        if retired_ms is not None:
            raise RetiredIdError(f"The id {row_id!r} belongs to a deleted row. Save without an id.")
        return False

    def _insert_many(self, connection: sa.Connection, rows: Sequence[Values]) -> list[object]:
        """Insert rows of different ids; return their etags, `None` for one whose id is taken or retired."""
        etags = {values["id"]: self._dialect.etag_of(values["etag"]) for values in rows}
        left = rows
        for _ in range(_TRIES):
            try:
                if self._dialect.insert_many(connection, self._insert, left) == len(rows):
                    return list(etags.values())
                break
            except IntegrityError as error:
                if not self._dialect.is_duplicate_id(error.orig):
                    raise
            taken = self._etags(connection, etags)
            left = [values for values in left if values["id"] not in taken]
            if not left:
                break
        # By their marks, so that an insert whose answer was lost also counts.
        stored = self._etags(connection, etags)
        return [etag if stored.get(row_id) == etag else None for row_id, etag in etags.items()]

    def _etags(self, connection: sa.Connection, ids: Iterable[str]) -> dict[str, object]:
        columns = self._dialect.tokens.c
        stored = sa.select(columns.id, self._dialect.etag()).where(columns.id.in_(ids))
        return {row.id: row[1] for row in connection.execute(stored)}

    def _values(self, row: Row, mark: int, expect: object) -> Values:
        """Return a row's stored values, by column."""
        if expect is not None and not self._dialect.is_etag(expect):
            raise _changed(row.id)
        values = dict(zip(STORED, (row.id, *values_of(row), mark), strict=True))
        return values | self._dialect.derived({index: row.lookup_key(index) for index in LOOKUPS})

    def _found(self, stored: Stored) -> Found:
        return read_row(self._dialect.values_of(stored))


def _update_parameters(values: Values, expect: object) -> Values:
    return {**values, "row_id": values["id"], "expect": expect}


def _changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} has changed since it was read.")
