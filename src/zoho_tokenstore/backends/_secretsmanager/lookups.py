"""Which rows an index finds under a text: a secret for each text, beside the secrets of the rows.

Secrets Manager changes one secret at a time. So that a row that is stored is found by all its texts
at any moment, and by whoever comes between two steps,

- a text names the row before the row is written, and stops naming it after the row has changed;
- it names it by a *mark*, which is the version of the row that brought the text. The row keeps the
  mark as long as it keeps the text. Who writes adds only marks of his own, and removes only his own
  if his write was refused, or those of the version that he has replaced. No other writer can have
  written a row that relies on these: he would have had to replace the same version.

So a name too many may be left behind, when a process is killed; one too few never. The row decides
whether it is found.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline
from zoho_tokenstore.backends._secretsmanager.cells import Cell, Cells, ChangedError, new_version, unreadable

_ROWS: Final = "rows"


class Lookups:
    """The look-up secrets of one store."""

    def __init__(self, calls: Calls, cells: Cells) -> None:
        self._calls = calls
        self._cells = cells

    def named(self, names: list[str], deadline: Deadline) -> set[str]:
        """Return the keys of all rows that look-up secrets name.

        Several are read one after the other, until two rounds have found the same versions: a row
        that is moved from one to another meanwhile is named by one of them in the second round.
        """
        before: list[Cell | None] = []
        found = [self._cells.read(name, deadline) for name in names]
        while len(names) > 1 and found != before:
            before, found = found, [self._cells.read(name, deadline) for name in names]
        return {key for cell in found if cell is not None for key in _marks(cell).values()}

    def add(self, name: str, mark: str, key: str, deadline: Deadline) -> None:
        """Let a look-up secret name a row."""
        while True:
            try:
                self._add(name, mark, key, deadline)
            except ChangedError:
                self._calls.pause(deadline)
            else:
                return

    def remove(self, name: str, mark: str, deadline: Deadline) -> None:
        """Take back a mark; a look-up secret that names nothing any more goes."""
        while True:
            try:
                self._remove(name, mark, deadline)
            except ChangedError:
                self._calls.pause(deadline)
            else:
                return

    def _add(self, name: str, mark: str, key: str, deadline: Deadline) -> None:
        try:
            self._cells.create(name, {_ROWS: {mark: key}}, new_version(), deadline)
        except ChangedError:
            there = self._cells.read(name, deadline)
        else:
            return
        if there is None:
            raise ChangedError
        self._cells.replace(there, {_ROWS: {**_marks(there), mark: key}}, new_version(), deadline)

    def _remove(self, name: str, mark: str, deadline: Deadline) -> None:
        there = self._cells.read(name, deadline)
        if there is None or mark not in _marks(there):
            return
        left = {other: key for other, key in _marks(there).items() if other != mark}
        if left:
            self._cells.replace(there, {_ROWS: left}, new_version(), deadline)
        else:
            self._cells.discard(there, deadline)


def _marks(cell: Cell) -> Mapping[str, str]:
    marks = cell.content.get(_ROWS)
    if not isinstance(marks, dict) or not all(isinstance(key, str) for key in marks.values()):
        raise unreadable(cell.name)
    return marks
