"""Rows as JSON: the published columns under their names, `null` by absence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zoho_tokenstore.backends.secretsmanager._secret_names import id_of, key_of
from zoho_tokenstore.backends.secretsmanager._versioned_secrets import Content, VersionedSecret
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LOOKUPS,
    NO_DIGESTS,
    ROW_FIELDS,
    Found,
    Row,
    UnreadableRow,
)

_EXPIRY: Final = "expiry_time"
_MAX_TIME: Final = 2**63 - 1  # other storages keep no more
_HINTS: Final = "hints"
_DIGESTS: Final = {name: f"{name}_digest" for name in LOOKUPS}
_OF_TYPE: Final = {**dict.fromkeys((*COLUMNS, *_DIGESTS.values()), str), **dict.fromkeys(BOOKKEEPING, int)}

Hints = Mapping[str, str]
"""The mark by which each look-up secret names a row; see `lookups`."""


def content_of(row: Row, hints: Hints) -> Content:
    """Return what is stored for a row."""
    values: Content = {name: getattr(row, name) for name in ROW_FIELDS}
    values |= {column: row.digests.get(name) for name, column in _DIGESTS.items()}
    stored = {name: value for name, value in values.items() if value is not None}
    return {**stored, _HINTS: dict(hints)} if hints else stored


def found_of(key: str, secret: VersionedSecret) -> Found:
    """Return the row in the secret of a key, or what is wrong with it if others changed it."""
    row_id = id_of(key) or key
    if secret.content is None:
        return UnreadableRow(row_id, "its secret holds no JSON object")
    known: Content = {name: value for name in _OF_TYPE if (value := secret.content.get(name)) is not None}
    if type(known.get(_EXPIRY)) in (int, float):
        known[_EXPIRY] = str(known[_EXPIRY])
    if not all(_is_of_type(name, value) for name, value in known.items()):
        return UnreadableRow(row_id, "its secret holds a value of a wrong type")
    if "id" not in known or key_of(known["id"]) != key:
        return UnreadableRow(row_id, "its secret lacks the id that belongs to its name")
    digests = {name: known.pop(column) for name, column in _DIGESTS.items() if column in known}
    return Row(**known, digests=digests or NO_DIGESTS, etag=secret.version)


def marks_in(secret: VersionedSecret) -> dict[str, tuple[str, str]]:
    """Return the string by which each look-up finds a stored row, and its mark there.

    What cannot be read is left out: an extra name does no harm.
    """
    content = secret.content or {}
    hints = content.get(_HINTS)
    if not isinstance(hints, dict):
        return {}
    texts = {
        name: content.get(name) if content.get(column) is None else content[column]
        for name, column in _DIGESTS.items()
    }
    return {
        name: (text, mark)
        for name, text in texts.items()
        if isinstance(text, str) and isinstance(mark := hints.get(name), str)
    }


def _is_of_type(name: str, value: object) -> bool:
    if type(value) is int:
        return _OF_TYPE[name] is int and abs(value) <= _MAX_TIME
    return type(value) is _OF_TYPE[name]
