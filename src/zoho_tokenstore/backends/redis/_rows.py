"""Converts a `Row` to the fields of a Redis hash, and back."""

from __future__ import annotations

import json
from typing import Any, Final

from zoho_tokenstore.backends import _rows as rows
from zoho_tokenstore.records import BOOKKEEPING, LOOKUPS, ROW_FIELDS, Found, Row, UnreadableRow

DIGEST_FIELDS: Final = tuple(f"{name}_digest" for name in LOOKUPS)
"""Parallel to `LOOKUPS`, for the scripts; nothing has a digest of its user name."""

FIELDS: Final = rows.STORED
"""The fields of a row in the order they are read. A missing field is null."""

ENCODED_FIELDS: Final = tuple(name.encode() for name in FIELDS)

Stored = list[bytes | None] | bytes | int
"""The values of `FIELDS`, or their JSON, with `False` for none; a number if the key is not a hash."""

VANISHED: Final = "it has vanished: evicted by the server, or deleted by something other than this store"

_TEXTS: Final = len(ROW_FIELDS) - len(BOOKKEEPING)
_TIMES: Final = slice(_TEXTS, len(ROW_FIELDS))
_NO_TIMES: Final = [None] * len(BOOKKEEPING)


def fields_of(row: Row) -> list[Any]:
    """Return the fields that store a row, each name before its value, without the etag."""
    pairs: list[Any] = []
    for name, value in zip(ROW_FIELDS, row, strict=False):
        if value is not None:
            pairs += (name, value)
    for name, digest in row.digests.items():
        pairs += (f"{name}_digest", digest)
    return pairs


def row_of(stored: Stored) -> Row | str | None:
    """Return the row in the values of `FIELDS`, what is wrong with it, or `None` if there is nothing."""
    if isinstance(stored, int):
        return "its key holds no hash"
    try:
        values = _texts(stored)
        if values[0] is None or values[-1] is None:
            return "it lacks its id or its etag" if any(value is not None for value in values) else None
        if values[_TIMES] != _NO_TIMES:
            values[_TIMES] = [None if value is None else rows.parse_time(value) for value in values[_TIMES]]
    except UnicodeDecodeError:
        return "it holds a text that is not UTF-8"
    except ValueError:
        return "it holds a time that is not a number"
    return rows.row_of(tuple(values))


def found_under(row_id: str, row: Row | str | None) -> Found | None:
    """Return what `row_of` made of what is stored under this id."""
    if row is None:
        return None
    if isinstance(row, str):
        return UnreadableRow(row_id, row)
    return row if row.id == row_id else UnreadableRow(row_id, "its field id is not the id of its key")


def found_of(pair: tuple[bytes, Stored]) -> Found:
    """Return what an id, named by a look-up or the list of ids, leads to."""
    key, stored = pair
    try:
        row_id = key.decode()
    except UnicodeDecodeError:
        return UnreadableRow(key.decode(errors="backslashreplace"), "its id is not UTF-8")
    return found_under(row_id, row_of(stored)) or UnreadableRow(row_id, VANISHED)


def _texts(stored: list[bytes | None] | bytes) -> list[Any]:
    if isinstance(stored, bytes):
        return [None if value is False else value for value in json.loads(stored.decode())]
    return [None if value is None else value.decode() for value in stored]
