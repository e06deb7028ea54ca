"""Stored values made into rows. Invalid ones are reported as unreadable; nothing here raises."""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import NoneType
from typing import Any, Final

from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LOOKUPS,
    NO_DIGESTS,
    ROW_FIELDS,
    SECRET_COLUMNS,
    Found,
    Row,
    UnreadableRow,
)

DIGESTED: Final = tuple(name for name in SECRET_COLUMNS if name in LOOKUPS)
"""The look-ups that find a row by its digest, if it has one."""

DIGEST_COLUMNS: Final = tuple(f"{name}_digest" for name in DIGESTED)

STORED: Final = (*ROW_FIELDS, *DIGEST_COLUMNS, "etag")
"""The columns of a row, as read and written."""

OWN_COLUMNS: Final = STORED[len(COLUMNS) :]
"""Those after the published ones."""

Stored = tuple[Any, ...]

_EXPIRY: Final = ROW_FIELDS.index("expiry_time")
_FIELDS: Final = slice(len(ROW_FIELDS))
_DIGESTS: Final = slice(len(ROW_FIELDS), len(ROW_FIELDS) + len(DIGESTED))
_NULLS: Final = (None,) * len(DIGESTED)
_TEXT: Final = (str, type(None))
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(STORED, _TEXT),
    **dict.fromkeys(BOOKKEEPING, (int, type(None))),
    "id": (str,),
    "etag": (int, str),
}
_MAX_TIME_DIGITS: Final = 18
_new: Final = tuple.__new__
_LITERAL: Final = re.compile(r"NULL|X'[0-9A-F]*'|CAST\(X'[0-9A-F]*' AS TEXT\)")

_MAX_KINDS: Final = 1024
_known_kinds: Final[set[tuple[type, ...]]] = set()
"""The types of values known to make a valid row, so that a row is checked quickly."""


class RawText(bytes):
    """A text before decoding; SQLite promises UTF-8, but does not ensure it."""

    __slots__ = ()


def text_or_raw(stored: bytes) -> str | RawText:
    """Return a text, as far as it is UTF-8."""
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return RawText(stored)


def read_row(stored: Stored) -> Found:
    """Return the row with these values, or what is wrong with them."""
    return row_of(stored) if tuple(map(type, stored)) in _known_kinds else _convert(stored)


def values_of(row: Row) -> Stored:
    """Return the values to store after the id, without the etag."""
    digests = row.digests
    return row[1 : _DIGESTS.start] + (tuple(map(digests.get, DIGESTED)) if digests else _NULLS)


def decoded(stored: Stored) -> list[Any]:
    """Return stored values with their texts decoded, as far as they are UTF-8."""
    return [text_or_raw(value) if isinstance(value, RawText) else value for value in stored]


def text_of(row_id: object) -> str:
    """Return an id as text: itself, or its SQL literal, if it is not text."""
    text = text_or_raw(row_id) if isinstance(row_id, RawText) else row_id
    if isinstance(text, str):
        return text
    if isinstance(text, RawText):
        return f"CAST(X'{text.hex().upper()}' AS TEXT)"
    return f"X'{text.hex().upper()}'" if isinstance(text, bytes) else "NULL"


def is_text(row_id: object) -> bool:
    """Return whether a stored id is valid."""
    return isinstance(text_or_raw(row_id) if isinstance(row_id, RawText) else row_id, str)


def is_literal(row_id: str) -> bool:
    """Return whether a string may be a literal returned by `text_of`, hence safe in SQL."""
    return _LITERAL.fullmatch(row_id) is not None


def row_of(stored: Stored) -> Row:
    """Return the row with these values, all of them of the right type."""
    digests: Mapping[str, str] = NO_DIGESTS
    refresh_token, access_token, grant_token = texts = stored[_DIGESTS]
    if texts != _NULLS:
        digests = {}
        if refresh_token is not None:
            digests["refresh_token"] = refresh_token
        if access_token is not None:
            digests["access_token"] = access_token
        if grant_token is not None:
            digests["grant_token"] = grant_token
    others = digests, stored[-1]
    return _new(Row, stored[_FIELDS] + others)  # not by the class: this runs for every row read


def _convert(stored: Stored) -> Found:
    values = decoded(stored)
    values[_EXPIRY] = _expiry_text(values[_EXPIRY])
    for name, value in zip(STORED, values, strict=True):
        if not isinstance(value, _KINDS[name]):
            return UnreadableRow(text_of(stored[0]), f"its {name} is {_kind_of(value)}")
    kinds = tuple(map(type, stored))
    if kinds == tuple(map(type, values)) and len(_known_kinds) < _MAX_KINDS:
        _known_kinds.add(kinds)
    return row_of(tuple(values))


def parse_time(text: str) -> int:
    """Return a time kept as text; raise a `ValueError` if it is none, or longer than other storages keep."""
    if len(text) > _MAX_TIME_DIGITS:
        raise ValueError
    return int(text)


def _expiry_text(value: object) -> object:
    """Return an expiry stored as a number as the text that the published code would have stored."""
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    return str(value) if isinstance(value, int) else value


def _kind_of(value: object) -> str:
    if isinstance(value, RawText):
        return "text that is not UTF-8"
    if isinstance(value, str):
        return "text, not an integer"
    kinds = {bytes: "a BLOB", float: "a REAL number", int: "a number, not text", NoneType: "NULL"}
    return kinds.get(type(value), "of another type")
