"""Tables: fitted to the terminal for people, tab-separated and whole for a pipe.

Rows are printed while they come, a page at a time, so a table of any length takes little memory.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING, Final

from zoho_tokenstore.cli._shared import can_show, encodable, say
from zoho_tokenstore.cli._texts import visible

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

_PAGE: Final = 200
_GAP: Final = 2
_ELLIPSIS: Final = "…"


class Table:
    """A table on standard output; call `end` after the last row.

    In the first column no value is cut: people type ids again.
    """

    def __init__(self, *columns: str) -> None:
        self._columns = columns
        self._rows: list[tuple[str | None, ...]] = []
        self.is_for_people: Final = sys.stdout.isatty()

    def add(self, *values: str | None) -> None:
        """Add a row; a missing value is shown as `-`, and is empty in a pipe."""
        if not self.is_for_people:
            say("\t".join(visible(value or "") for value in values), is_safe=True)
            return
        self._rows.append(values)
        if len(self._rows) == _PAGE:
            self.end()

    def end(self) -> None:
        """Print what has not been printed yet."""
        if not self._rows:
            return
        from rich.table import Table as RichTable

        console = _console()
        page = RichTable(box=None, pad_edge=False, padding=(0, _GAP, 0, 0), header_style="bold")
        for title, width in zip(self._columns, self._widths(console.width), strict=True):
            page.add_column(_cell(title, is_whole=False), width=width, no_wrap=True)
        for row in self._rows:
            page.add_row(*(_cell(value, is_whole=number == 0) for number, value in enumerate(row)))
        console.print(page)
        self._rows = []

    def _widths(self, width: int) -> list[int]:
        """Return how wide each column is, if the widest ones are cut: rich would let others vanish."""
        from rich.cells import cell_len

        texts = zip(self._columns, *([_shown(value) for value in row] for row in self._rows), strict=True)
        widths = [max(map(cell_len, column)) for column in texts]
        room = width - _GAP * (len(widths) - 1)
        while sum(widths) > room and max(widths) > 1:
            widths[widths.index(max(widths))] -= 1
        return widths


def _cell(value: str | None, *, is_whole: bool) -> Text:
    """Return one line that is cut to fit, or one that is folded if it is to stay whole."""
    from rich.text import Text

    if is_whole:
        return Text(_shown(value), no_wrap=False, overflow="fold")
    return Text(_shown(value), no_wrap=True, overflow="ellipsis" if can_show(_ELLIPSIS) else "crop")


def _shown(value: str | None) -> str:
    return encodable(visible(value or "-"))


def _console() -> Console:
    from rich.console import Console

    plain = bool(os.environ.get("NO_COLOR"))
    return Console(highlight=False, markup=False, emoji=False, color_system=None if plain else "auto")
