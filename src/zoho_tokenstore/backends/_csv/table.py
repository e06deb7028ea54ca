"""The rows of one version of the file. It never changes; a change makes another one."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import dropwhile, islice
from typing import Self

from zoho_tokenstore.backends._csv.cells import Cells, adopted, is_ours, key_of, row_of
from zoho_tokenstore.records import Row


class Table:
    """Lines by id. Rows and look-ups are made of them when they are first asked for.

    Arguments:
        lines: the lines, in the order in which they stand in the file.
    """

    def __init__(self, lines: dict[str, Cells]) -> None:
        self.lines = lines
        self._rows: dict[str, Row] = {}
        self._indexes: dict[str, dict[str, list[str]]] = {}

    def load(self, row_id: str) -> Row | None:
        """Return the row with this id, the same object every time."""
        row = self._rows.get(row_id)
        if row is not None:
            return row
        cells = self.lines.get(row_id)
        return None if cells is None else self._rows.setdefault(row_id, row_of(cells))

    def find(self, index: str, keys: tuple[str, ...]) -> list[Row]:
        """Return the rows that `index` finds under any of the keys."""
        ids = self._index(index)
        found = {row_id for key in keys for row_id in ids.get(key, ())}
        return [row for row_id in sorted(found) if (row := self.load(row_id)) is not None]

    def scan(self, after: str | None, limit: int | None) -> Iterator[Row]:
        """Yield rows in the order of their ids. They are not kept: a scan would keep all of them."""
        ids = iter(self._ids) if after is None else dropwhile(lambda row_id: row_id <= after, self._ids)
        for row_id in islice(ids, limit):
            yield self._rows.get(row_id) or row_of(self.lines[row_id])

    def put(self, row_id: str, cells: Cells) -> Self:
        """Return a table in which this line has taken the row's place, or stands at the end."""
        return type(self)({**self.lines, row_id: cells})

    def without(self, row_id: str) -> Self | None:
        """Return a table without this row, or `None` if it has none."""
        if row_id not in self.lines:
            return None
        return type(self)({other: cells for other, cells in self.lines.items() if other != row_id})

    def adopted(self, at_ms: int) -> Self:
        """Return a table in which every line is one of ours; see `cells.adopted`."""
        if all(map(is_ours, self.lines.values())):
            return self
        return type(self)(
            {
                row_id: cells if is_ours(cells) else adopted(cells, at_ms)
                for row_id, cells in self.lines.items()
            }
        )

    @cached_property
    def _ids(self) -> list[str]:
        return sorted(self.lines)

    def _index(self, index: str) -> dict[str, list[str]]:
        known = self._indexes.get(index)
        if known is not None:
            return known
        made: dict[str, list[str]] = {}
        for row_id, cells in self.lines.items():
            key = key_of(cells, index)
            if key is not None:
                made.setdefault(key, []).append(row_id)
        return self._indexes.setdefault(index, made)
