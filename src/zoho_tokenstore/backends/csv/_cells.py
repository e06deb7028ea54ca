"""Converts a row to the cells of a line, and back.

Our lines have the ten published cells, followed by the bookkeeping, the digests and a random mark. The
lines of Zoho's SDKs have only the ten, or nine: their strings are stored as they are, and an empty cell is
a missing value. Our lines distinguish an empty string from a missing one, and no string can be damaged by
a program that reads the file with other line ends; such strings begin with a backslash.
"""

from __future__ import annotations

import csv
import hashlib
import re
import secrets
from typing import Final

from zoho_tokenstore.backends._rows import DIGEST_COLUMNS, DIGESTED
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    NO_DIGESTS,
    ROW_FIELDS,
    Found,
    Row,
    UnreadableRow,
)

Cells = list[str]

PUBLISHED: Final = len(COLUMNS)
OWN_NAMES: Final = (*BOOKKEEPING, *DIGEST_COLUMNS, "mark")
WIDTH: Final = PUBLISHED + len(OWN_NAMES)

_AT: Final = {name: at for at, name in enumerate(COLUMNS)}
_DIGEST_AT: Final = {name: len(ROW_FIELDS) + at for at, name in enumerate(DIGESTED)}
_NO_TIMES: Final[list[int | None]] = [None] * len(BOOKKEEPING)
_ESCAPE: Final = re.compile(r"\\([\\r])")
_ESCAPED: Final = {"\\": "\\", "r": "\r"}


def cells_of(row: Row) -> Cells:
    """Return the line that stores a row, under a new mark."""
    columns = row._asdict()
    cells = [_encode(columns[name]) for name in COLUMNS]
    cells += ["" if columns[name] is None else str(columns[name]) for name in BOOKKEEPING]
    cells += [_bind(row.digests.get(name), cells[_AT[name]]) for name in DIGESTED]
    cells.append(secrets.token_hex(8))
    _check(row.id, cells)
    return cells


def row_of(cells: Cells) -> Found:
    """Return the row in a line."""
    if is_ours(cells):
        texts, times = list(map(_decode, cells[:PUBLISHED])), _times(cells)
        if times is None:
            return UnreadableRow(id_of(cells), "one of its times is not a number of milliseconds")
    else:
        texts, times = _clear(cells), _NO_TIMES
    digests = {name: digest for name in DIGESTED if (digest := _digest(cells, name)) is not None}
    return Row._make((*texts, *times, digests or NO_DIGESTS, etag_of(cells)))


def id_of(cells: Cells) -> str:
    """Return the id of the row in a line."""
    return (_decode(cells[0]) or "") if is_ours(cells) else cells[0]


def key_of(cells: Cells, index: str) -> str | None:
    """Return what `Row.lookup_key` does, without making a row."""
    if not is_ours(cells):
        return _clear(cells)[_AT[index]]
    digest = _digest(cells, index)
    return _decode(cells[_AT[index]]) if digest is None else digest


def etag_of(cells: Cells) -> str:
    """Return a mark of this version of a row: every line has one, whoever wrote it.

    Because it covers the content, others' changes show; the random mark in our lines tells two
    versions with the same content apart.
    """
    return hashlib.sha256(repr(cells).encode()).hexdigest()[:32]


def is_ours(cells: Cells) -> bool:
    """Return whether this package wrote the line."""
    return len(cells) == WIDTH


def adopt(cells: Cells, at_ms: int) -> Cells:
    """Return an SDK's line as one of ours, created and changed at that time.

    A line whose strings would not be stored verbatim stays the SDK's.
    """
    texts = _clear(cells)
    ours = cells_of(Row._make((*texts, at_ms, at_ms, None, None, NO_DIGESTS, None)))
    return ours if ours[:PUBLISHED] == [text or "" for text in texts] else cells


def proof(cell: str) -> str:
    """Return a short string that shows whether a cell is still the same."""
    return hashlib.sha256(cell.encode(errors="surrogatepass")).hexdigest()[:8]


def _clear(cells: Cells) -> list[str | None]:
    """Return the strings in an SDK's line. Scala's writes the word null for missing values."""
    missing = "" if "" in cells else "null"
    texts = [None if cell in ("", missing) else cell for cell in cells]
    return [cells[0], *texts[1:]] + [None] * (PUBLISHED - len(cells))


def _encode(text: str | None) -> str:
    if text is None:
        return ""
    if text and text[0] != "\\" and "\r" not in text:
        return text
    return "\\" + text.replace("\\", "\\\\").replace("\r", "\\r")


def _decode(cell: str) -> str | None:
    if cell[:1] != "\\":
        return cell or None
    return _ESCAPE.sub(lambda found: _ESCAPED[found[1]], cell[1:])


def _times(cells: Cells) -> list[int | None] | None:
    try:
        return [int(cell) if cell else None for cell in cells[PUBLISHED : len(ROW_FIELDS)]]
    except ValueError:
        return None


def _bind(digest: str | None, column: str) -> str:
    """Return a digest with a proof of the cell that it was made from."""
    return "" if digest is None else _encode(f"{digest}:{proof(column)}")


def _digest(cells: Cells, index: str) -> str | None:
    """Return a digest, if the cell it was made from has not been edited since."""
    if index not in _DIGEST_AT or not is_ours(cells):
        return None
    digest, _, proven = (_decode(cells[_DIGEST_AT[index]]) or "").rpartition(":")
    return digest if proven and proven == proof(cells[_AT[index]]) else None


def _check(row_id: str, cells: Cells) -> None:
    longest = csv.field_size_limit()
    if any(len(cell) > longest for cell in cells):
        raise BackendError(
            f"Row {row_id!r} has a value of more than {longest:,} characters, which could not be read "
            "back. Nothing was written."
        )
    try:
        "".join(cells).encode()
    except UnicodeEncodeError:
        # `from None`: the codec's message would show the value.
        raise BackendError(
            "A value contains a lone surrogate, which no file can keep. Nothing was written."
        ) from None
