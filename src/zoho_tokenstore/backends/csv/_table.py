"""The rows of one version of the file. It never changes; a change makes a new one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import islice
from operator import itemgetter
from typing import Self

from zoho_tokenstore.backends.csv._cells import Cells, adopt, is_ours, key_of, row_of
from zoho_tokenstore.backends.csv._content import Lines
from zoho_tokenstore.backends.csv._form import Form
from zoho_tokenstore.backends.csv._lines import BadLine, Line
from zoho_tokenstore.records import Found, UnreadableRow


class CSVTable:
    """Lines by id. Rows and look-ups are made from them when first needed."""

    def __init__(self, lines: Lines, form: Form) -> None:
        self.lines = lines
        self.form = form
        self._rows: dict[str, Found] = {}
        self._indexes: dict[str, dict[str, list[str]]] = {}

    def load(self, row_id: str) -> Found | None:
        """Return the row with this id, the same object every time, or what is there instead."""
        row = self._rows.get(row_id)
        if row is not None:
            return row
        line = self.lines.get(row_id)
        if line is None:
            return next((_found(bad) for bad in self._bad if bad.id == row_id), None)
        return self._rows.setdefault(row_id, _found(line))

    def find(self, index: str, keys: tuple[str, ...]) -> list[Found]:
        """Return the rows that `index` finds under any of the keys."""
        ids = self._index(index)
        found = {row_id for key in keys for row_id in ids.get(key, ())}
        return [row for row_id in sorted(found) if (row := self.load(row_id)) is not None]

    def scan(self, after: str | None, limit: int | None) -> Iterator[Found]:
        """Yield rows in the order of their ids. They are not cached: a scan would cache all of them."""
        behind = (entry for entry in self._ids if after is None or entry[0] > after)
        for row_id, key, place in islice(behind, limit):
            known = self._rows.get(row_id) if key == row_id else None
            yield known or _found(self.lines[key], place)

    def stored(self, row_id: str) -> Cells:
        """Return the cells of a row, or none."""
        line = self.lines.get(row_id)
        return line if isinstance(line, list) else []

    def ids(self) -> set[str]:
        """Return the ids of all lines, including bad ones that have one."""
        return {row_id for row_id, _, _ in self._ids if row_id}

    def put(self, row_id: str, cells: Cells) -> Self:
        """Return a table in which this line replaces the row, or is added at the end."""
        return type(self)({**self.lines, row_id: cells}, self.form)

    def without(self, row_id: str) -> Self:
        """Return a table without this row, and without the bad lines of this id."""
        kept = {key: line for key, line in self.lines.items() if _id(key, line) != row_id}
        return type(self)(kept, self.form)

    def empty(self) -> Self:
        """Return a table without lines."""
        return type(self)({}, self.form)

    def adopt(self, at_ms: int) -> Self:
        """Return a table in which every line that can be is one of ours; see `cells.adopt`."""
        if all(isinstance(line, list) and is_ours(line) for line in self.lines.values()):
            return self
        return type(self)({key: _adopt(line, at_ms) for key, line in self.lines.items()}, self.form)

    @cached_property
    def _ids(self) -> list[tuple[str, str | int, int]]:
        """The ids in order, each with the key and the position of its line."""
        lines = enumerate(self.lines.items(), start=1)
        return sorted(((_id(key, line), key, place) for place, (key, line) in lines), key=itemgetter(0))

    @cached_property
    def _bad(self) -> list[BadLine]:
        return [line for line in self.lines.values() if isinstance(line, BadLine)]

    def _index(self, index: str) -> dict[str, list[str]]:
        known = self._indexes.get(index)
        if known is not None:
            return known
        made: dict[str, list[str]] = {}
        for row_id, line in self.lines.items():
            key = None if isinstance(line, BadLine) else key_of(line, index)
            if key is not None:
                made.setdefault(key, []).append(str(row_id))
        return self._indexes.setdefault(index, made)


def _id(key: str | int, line: Line) -> str:
    return line.id if isinstance(line, BadLine) else str(key)


def _found(line: Line, place: int = 0) -> Found:
    """Return the row in a line, or why there is none; without an id, people find it by its position."""
    if isinstance(line, BadLine):
        reason = line.reason if line.id else f"row {place} below the header: {line.reason}"
        return UnreadableRow(line.id, reason)
    return row_of(line)


def _adopt(line: Line, at_ms: int) -> Line:
    return line if isinstance(line, BadLine) or is_ours(line) else adopt(line, at_ms)
