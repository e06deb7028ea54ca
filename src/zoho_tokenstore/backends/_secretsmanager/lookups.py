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

from zoho_tokenstore.backends._aws.calls import Deadline
from zoho_tokenstore.backends._secretsmanager.cells import (
    Cell,
    Cells,
    ChangedError,
    Content,
    new_version,
    unreadable,
)
from zoho_tokenstore.backends._secretsmanager.names import is_key

_ROWS: Final = "rows"


class Lookups:
    """The look-up secrets of one store."""

    def __init__(self, cells: Cells) -> None:
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
        return {
            key for cell in found if cell is not None for key in _marks(cell.name, cell.written()).values()
        }

    def add(self, name: str, mark: str, key: str, deadline: Deadline) -> None:
        """Let a look-up secret name a row."""

        def change(content: Content) -> Content:
            return {_ROWS: {**(_marks(name, content) if content else {}), mark: key}}

        try:
            self._cells.create(name, {_ROWS: {mark: key}}, new_version(), deadline)
        except ChangedError:
            self._cells.change(name, change, deadline)

    def remove(self, name: str, mark: str, deadline: Deadline) -> None:
        """Take back a mark; a look-up secret that names nothing any more goes."""

        def change(content: Content) -> Content:
            if not content:
                return content
            left = {other: key for other, key in _marks(name, content).items() if other != mark}
            return {_ROWS: left} if left else {}

        self._cells.change(name, change, deadline)


def _marks(name: str, content: Content) -> Mapping[str, str]:
    marks = content.get(_ROWS)
    if not isinstance(marks, dict) or not all(isinstance(key, str) and is_key(key) for key in marks.values()):
        raise unreadable(name)
    return marks
