"""The lines of the file. Each is independent, so a bad one harms only its own row."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from zoho_tokenstore.backends.csv._cells import PUBLISHED, WIDTH, Cells
from zoho_tokenstore.backends.csv._form import NINE

_LINES: Final = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)|[^\r\n]+\Z")
_NO_UTF8: Final = re.compile("[\ud800-\udfff]")
_NO_ID: Final = ("", "\\")  # the latter is an empty string in a row of ours
_PLAIN_ID: Final = re.compile(r"(?!1000\.)[\w@.:+-]{1,100}", re.ASCII)


class BadLine(NamedTuple):
    """A line without a row. It stays in the file unchanged, until it is removed by its id.

    `id` is empty if it has no recognisable one, `text` includes the line end.
    """

    id: str
    reason: str
    text: str


Line = Cells | BadLine


class Record(NamedTuple):
    """One line as read; several physical ones if a quoted cell contains line ends."""

    text: str
    cells: Cells | None

    @property
    def is_ended(self) -> bool:
        return self.text.endswith(("\n", "\r"))


def records(text: str, widths: tuple[int, ...] = ()) -> Iterator[Record]:
    """Yield the lines of a text; `cells` is `None` if quotes do not match.

    A quote that is not closed in its line continues in the next ones, if the result has one of the
    `widths`. Otherwise it is damage, and no other line is affected.
    """
    lines = _LINES.findall(text)
    if '"' not in text:
        yield from (Record(line, line.rstrip("\r\n").split(",")) for line in lines)
        return
    at = 0
    while at < len(lines):
        record = _record(lines[at : at + 1])
        length = 1
        if record.cells is None and lines[at].count('"') % 2:
            length = _next_odd(lines, at) - at + 1
            longer = _record(lines[at : at + length])
            if longer.cells is not None and len(longer.cells) in widths:
                record = longer
            else:
                length = 1
        yield record
        at += length


def line_of(record: Record, width: int) -> Line | None:
    """Return the row's cells in a line, or why there are none; `None` if the line is blank.

    `width` is how many cells the file's SDK writes.
    """
    text, cells = record
    if cells is not None and not any(cells):
        return None
    reason = _damage(text, cells)
    kept = _row_cells(cells or [], width)
    if reason is None and kept and kept[0] not in _NO_ID:
        return kept
    wrong = "it has no id" if kept else f"it has {len(cells or ())} cells, not {width} or {WIDTH}"
    return BadLine(_id_in(text), reason or wrong, text)


def is_ours_whole(line: Line | None) -> bool:
    """Return whether a line is one of ours up to its last cell."""
    return isinstance(line, list) and len(line) == WIDTH


def _record(lines: list[str]) -> Record:
    text = "".join(lines)
    if '"' not in text:
        return Record(text, text.rstrip("\r\n").split(","))
    try:
        rows = list(csv.reader(lines, strict=True))
    except csv.Error:
        return Record(text, None)
    return Record(text, rows[0] if len(rows) == 1 else None)


def _next_odd(lines: list[str], at: int) -> int:
    """Return the next line with unpaired quotes, or the last line."""
    return next((later for later in range(at + 1, len(lines)) if lines[later].count('"') % 2), len(lines) - 1)


def _row_cells(cells: Cells, width: int) -> Cells | None:
    """Return the cells of a row without trailing empty ones, which spreadsheets and Ruby add."""
    if len(cells) == WIDTH and cells[-1]:
        return cells
    if len(cells) > WIDTH and cells[WIDTH - 1]:
        end = WIDTH
    elif width == NINE and len(cells) > NINE and cells[NINE]:
        end = PUBLISHED  # an 8.0 SDK on a 2.x file
    else:
        end = width
    return cells[:end] if len(cells) >= end and not any(cells[end:]) else None


def _damage(text: str, cells: Cells | None) -> str | None:
    longest = csv.field_size_limit()
    if len(text) > longest and any(len(cell) > longest for cell in cells or [text]):
        return f"a cell has more than {longest:,} characters"
    if cells is None:
        return "its quotes do not match"
    if "\0" in text:
        return "it has a NUL character"
    if not text.isascii() and _NO_UTF8.search(text):
        return "it is not encoded in UTF-8"
    return None


def _id_in(text: str) -> str:
    """Return the first cell, if it looks like an id: a line's remainder may begin with a secret."""
    first = text.partition(",")[0].strip('"\r\n')
    return first if _PLAIN_ID.fullmatch(first) else ""
