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
from zoho_tokenstore.backends._secretsmanager.names import Names, id_of, is_digest, key_of
from zoho_tokenstore.backends._secretsmanager.retired import SecretsManagerRetiredIds
from zoho_tokenstore.backends._secretsmanager.rows import content_of, found_of, marks_in
from zoho_tokenstore.backends._secretsmanager.turns import Turns
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import LOOKUPS, Found, Row, UnreadableRow

_log: Final = logging.getLogger("zoho_tokenstore")


class Table:
    """The rows of one store, a secret each."""

    location: str

    def __init__(self, calls: Calls, names: Names, kms_key_id: str | None) -> None:
        self._calls = calls
        self._names = names
        self._cells = Cells(calls, kms_key_id)
        self._lookups = Lookups(self._cells)
        self._turns = Turns(calls)
        self.retired = SecretsManagerRetiredIds(calls, names, self._cells)

    def load(self, row_id: str) -> Row | None:
        found = self._found(key_of(row_id), self._calls.deadline())
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def find(self, index: str, *keys: str) -> list[Found]:
        self._calls.check_open()
        deadline = self._calls.deadline()
        named = self._lookups.named(
            [self._names.lookup(index, text) for text in dict.fromkeys(keys)], deadline
        )
        rows = [row for key in sorted(named) if (row := self._found(key, deadline)) is not None]
        found = [row for row in rows if isinstance(row, UnreadableRow) or row.lookup_key(index) in keys]
        return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return itertools.islice(self._in_order(after), limit)

    def write(self, row: Row, *, expect: object) -> object:
        deadline = self._calls.deadline()
        with self._turns.of(key_of(row.id), deadline):
            return self._write(row, expect, deadline)

    def remove(self, row_id: str) -> bool:
        return self._remove(row_id if self._is_key_of_unreadable(row_id) else key_of(row_id))

    def clear(self) -> int:
        """Retire the ids of all rows and delete these one by one, as far as AWS lists them."""
        self.retired.note_clear()
        keys = list(self._keys())
        self.retired.retire(row_id for key in keys if (row_id := self._id_of(key)) is not None)
        return sum(self._remove(key) for key in keys)

    def sample(self, limit: int) -> Iterator[Found]:
        """Yield the first rows that AWS lists, without listing all."""
        rows = (self._found(key, self._calls.deadline()) for key in self._keys())
        return itertools.islice((row for row in rows if row is not None), limit)

    def close(self) -> None:
        self._calls.close()

    # ---- reading

    def _cell(self, key: str, deadline: Deadline) -> Cell | None:
        return self._cells.read(self._names.row(key), deadline)

    def _found(self, key: str, deadline: Deadline) -> Found | None:
        cell = self._cell(key, deadline)
        return None if cell is None else found_of(key, cell)

    def _keys(self) -> Iterator[str]:
        keys = map(self._names.key_in, self._cells.names(self._names.rows))
        return (key for key in keys if key is not None)

    def _in_order(self, after: str | None) -> Iterator[Found]:
        keys = {row_id: key for key in self._keys() if (row_id := self._id_of(key)) is not None}
        for row_id in sorted(keys):
            if after is None or row_id > after:
                found = self._found(keys[row_id], self._calls.deadline())
                if found is not None:
                    yield found

    def _id_of(self, key: str) -> str | None:
        """Return the id of the row with this key, if need be by reading it."""
        row_id = id_of(key)
        if row_id is not None:
            return row_id
        found = self._found(key, self._calls.deadline())
        return None if found is None else found.id

    def _is_key_of_unreadable(self, row_id: str) -> bool:
        """Tell whether this is no id but the key of a row whose id cannot be read."""
        if not is_digest(row_id):
            return False
        return isinstance(self._found(row_id, self._calls.deadline()), UnreadableRow)

    # ---- writing

    def _write(self, row: Row, expect: object, deadline: Deadline) -> str:
        key, version = key_of(row.id), new_version()
        cell = self._cell(key, deadline)
        if (None if cell is None else cell.version) != expect:
            raise _changed(row.id)
        if cell is None and self.retired.holds(row.id, deadline):  # in this order, see there
            raise RetiredIdError(f"The id {row.id!r} is that of a row that was deleted.")
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
            self.retired.retire([found_of(key, cell).id])
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
        marks = {} if cell is None else marks_in(cell)
        return {self._names.lookup(index, text): mark for index, (text, mark) in marks.items()}

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
