"""The seven calls of a `Backend` on secrets."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Mapping
from typing import Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline
from zoho_tokenstore.backends._aws.failures import UnclearError
from zoho_tokenstore.backends._secretsmanager.cells import Cell, Cells, ChangedError, Content, new_version
from zoho_tokenstore.backends._secretsmanager.lookups import Lookups
from zoho_tokenstore.backends._secretsmanager.names import Names, id_of, key_of
from zoho_tokenstore.backends._secretsmanager.rows import content_of, hints_of, row_of
from zoho_tokenstore.backends._secretsmanager.turns import Turns
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import LOOKUPS, Row

_log: Final = logging.getLogger("zoho_tokenstore")


class Table:
    """The rows of one store, a secret each."""

    def __init__(self, calls: Calls, names: Names, kms_key_id: str | None) -> None:
        self._calls = calls
        self._names = names
        self._cells = Cells(calls, kms_key_id)
        self._lookups = Lookups(calls, self._cells)
        self._turns = Turns(calls)

    def load(self, row_id: str) -> Row | None:
        cell = self._cell(key_of(row_id), self._calls.deadline())
        return None if cell is None else row_of(cell)

    def find(self, index: str, *keys: str) -> list[Row]:
        self._calls.check_open()
        deadline = self._calls.deadline()
        named = self._lookups.named(
            [self._names.lookup(index, text) for text in dict.fromkeys(keys)], deadline
        )
        cells = [self._cell(key, deadline) for key in sorted(named)]
        rows = [row_of(cell) for cell in cells if cell is not None]
        return sorted((row for row in rows if row.lookup_key(index) in keys), key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        return itertools.islice(self._in_order(after), limit)

    def write(self, row: Row, *, expect: object) -> object:
        deadline = self._calls.deadline()
        with self._turns.of(key_of(row.id), deadline):
            return self._write(row, expect, deadline)

    def remove(self, row_id: str) -> bool:
        return self._remove(key_of(row_id))

    def clear(self) -> int:
        """Delete the rows one by one, as far as AWS lists them."""
        return sum(self._remove(key) for key in list(self._keys()))

    def sample(self) -> Row | None:
        """Return the first row that AWS lists, without listing all."""
        cells = (self._cell(key, self._calls.deadline()) for key in self._keys())
        return next((row_of(cell) for cell in cells if cell is not None), None)

    def close(self) -> None:
        self._calls.close()

    # ---- reading

    def _cell(self, key: str, deadline: Deadline) -> Cell | None:
        return self._cells.read(self._names.row(key), deadline)

    def _keys(self) -> Iterator[str]:
        keys = map(self._names.key_in, self._cells.names(self._names.rows))
        return (key for key in keys if key is not None)

    def _in_order(self, after: str | None) -> Iterator[Row]:
        ids = [row_id for key in self._keys() if (row_id := self._id_of(key)) is not None]
        for row_id in sorted(ids):
            if after is None or row_id > after:
                row = self.load(row_id)
                if row is not None:
                    yield row

    def _id_of(self, key: str) -> str | None:
        """Return the id of the row with this key, if need be by reading it."""
        row_id = id_of(key)
        if row_id is not None:
            return row_id
        cell = self._cell(key, self._calls.deadline())
        return None if cell is None else row_of(cell).id

    # ---- writing

    def _write(self, row: Row, expect: object, deadline: Deadline) -> str:
        key, version = key_of(row.id), new_version()
        cell = self._cell(key, deadline)
        if (None if cell is None else cell.version) != expect:
            raise _changed(row.id)
        old, new = self._hints(cell), self._next_hints(cell, row, version)
        content = content_of(row, {index: new[name] for index, name in self._lookup_names(row).items()})
        self._cells.check_size(self._names.row(key), content)
        added = {name: mark for name, mark in new.items() if mark == version}
        self._name(key, added, deadline)
        if not self._stored(key, cell, content, version, added, deadline):
            raise _changed(row.id)
        self._clear_up({name: mark for name, mark in old.items() if name not in new}, deadline)
        return version

    def _name(self, key: str, added: Mapping[str, str], deadline: Deadline) -> None:
        """Let look-up secrets name a row that is about to be stored."""
        half = deadline.half()
        try:
            for name, mark in added.items():
                self._lookups.add(name, mark, key, half)
        except BackendError:
            self._clear_up(added, deadline)
            raise

    def _stored(
        self,
        key: str,
        cell: Cell | None,
        content: Content,
        version: str,
        added: Mapping[str, str],
        deadline: Deadline,
    ) -> bool:
        """Store a row if it still is as it was read, and return whether it was."""
        half = deadline.half()
        try:
            if cell is None:
                self._cells.create(self._names.row(key), content, version, half)
            else:
                self._cells.replace(cell, content, version, half)
        except UnclearError:  # it may be stored, or be stored yet: then it must be found
            raise
        except BackendError:
            self._clear_up(added, deadline)
            raise
        except ChangedError:
            self._clear_up(added, deadline)
            return False
        return True

    def _remove(self, key: str) -> bool:
        deadline = self._calls.deadline()
        with self._turns.of(key, deadline):
            return self._removed(key, deadline)

    def _removed(self, key: str, deadline: Deadline) -> bool:
        while (cell := self._cells.read_even_closed(self._names.row(key), deadline)) is not None:
            if cell.is_closed:  # who closed it was cut off before it was deleted
                self._cells.delete_closed(cell, deadline)
                return False
            hints = self._hints(cell)
            try:
                self._cells.discard(cell, deadline)
            except ChangedError:
                self._calls.pause(deadline)
            else:
                self._clear_up(hints, deadline)
                return True
        return False

    def _lookup_names(self, row: Row) -> dict[str, str]:
        texts = {index: row.lookup_key(index) for index in LOOKUPS}
        return {index: self._names.lookup(index, text) for index, text in texts.items() if text is not None}

    def _hints(self, cell: Cell | None) -> dict[str, str]:
        """Return the names of the look-up secrets that name a stored row, and by which marks."""
        if cell is None:
            return {}
        hints = hints_of(cell)
        return {
            name: hints[index] for index, name in self._lookup_names(row_of(cell)).items() if index in hints
        }

    def _next_hints(self, cell: Cell | None, row: Row, version: str) -> dict[str, str]:
        """Return the same for the row that is to be stored: marks are kept where the text stays."""
        old = self._hints(cell)
        return {name: old.get(name, version) for name in self._lookup_names(row).values()}

    def _clear_up(self, hints: Mapping[str, str], deadline: Deadline) -> None:
        """Take back marks that no row relies on.

        What was to be done is done by now, so a failure is no failure of the call: it leaves a
        name too many, which finds nothing.
        """
        for name, mark in hints.items():
            try:
                self._lookups.remove(name, mark, deadline)
            except BackendError as error:
                _log.warning("The look-up secret %s names a row that has changed, and stays. %s", name, error)


def _changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} is not as it was when it was read.")
