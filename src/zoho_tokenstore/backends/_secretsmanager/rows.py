"""Rows as JSON: the published columns under their names, `null` by absence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from zoho_tokenstore.backends._secretsmanager.cells import Cell, Content, unreadable
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS, NO_DIGESTS, ROW_FIELDS, Row

_HINTS: Final = "hints"
_DIGESTS: Final = {name: f"{name}_digest" for name in LOOKUPS}
_OF_TYPE: Final = {**dict.fromkeys((*COLUMNS, *_DIGESTS.values()), str), **dict.fromkeys(BOOKKEEPING, int)}

Hints = Mapping[str, str]
"""By which mark each look-up secret names a row; see `lookups`."""


def content_of(row: Row, hints: Hints) -> Content:
    """Return what is stored for a row."""
    values: Content = {name: getattr(row, name) for name in ROW_FIELDS}
    values |= {column: row.digests.get(name) for name, column in _DIGESTS.items()}
    stored = {name: value for name, value in values.items() if value is not None}
    return {**stored, _HINTS: dict(hints)} if hints else stored


def row_of(cell: Cell) -> Row:
    """Return the row in a secret.

    Raises:
        BackendError: it holds none.
    """
    content = cell.content
    known = {name: content[name] for name in _OF_TYPE if name in content}
    if "id" not in known or not all(type(value) is _OF_TYPE[name] for name, value in known.items()):
        raise unreadable(cell.name)
    digests = {name: known.pop(column) for name, column in _DIGESTS.items() if column in known}
    held: dict[str, Any] = known
    return Row(**held, digests=digests or NO_DIGESTS, etag=cell.version)


def hints_of(cell: Cell | None) -> dict[str, str]:
    """Return by which marks a stored row is named."""
    hints = {} if cell is None else cell.content.get(_HINTS, {})
    if not isinstance(hints, dict) or not all(isinstance(mark, str) for mark in hints.values()):
        raise unreadable("" if cell is None else cell.name)
    return hints
