"""Rows as items: the published columns under their names, `null` by absence."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore.backends._aws.texts import utf8
from zoho_tokenstore.backends._dynamodb import keys
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, LOOKUPS, NO_DIGESTS, Row

Item = dict[str, dict[str, Any]]

LARGEST: Final = 400 * 1024
_FULL_ID: Final = "full_id"
_TEXTS: Final = COLUMNS[1:]
_DIGESTS: Final = {name: f"{name}_digest" for name in LOOKUPS}


def item_of(row: Row, etag: str) -> Item:
    """Return the item that stores a row.

    Raises:
        BackendError: it is larger than DynamoDB allows, or its id is empty.
    """
    if not row.id:
        raise BackendError("DynamoDB keeps no row with an empty id. Nothing was changed.")
    texts = {name: getattr(row, name) for name in _TEXTS}
    texts |= {column: row.digests.get(name) for name, column in _DIGESTS.items()}
    sort = keys.sort_key(row.id)
    texts |= {"etag": etag, _FULL_ID: row.id if keys.is_cut(sort) else None}
    item = {name: {"S": text} for name, text in texts.items() if text is not None}
    numbers = {name: getattr(row, name) for name in BOOKKEEPING}
    item |= {name: {"N": str(number)} for name, number in numbers.items() if number is not None}
    item |= keys.row_key(sort)
    _check_size(row, item)
    return item


def row_of(item: Item) -> Row:
    """Return the row that an item stores.

    Raises:
        BackendError: the item has been changed by others so that it stores none.
    """
    try:
        texts: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS if name in item}
        numbers: dict[str, Any] = {name: int(item[name]["N"]) for name in BOOKKEEPING if name in item}
        digests = {name: item[column]["S"] for name, column in _DIGESTS.items() if column in item}
        etag = item["etag"]["S"]
    except (KeyError, ValueError):
        sort = item[keys.ID]["S"]
    else:
        row_id = item.get(_FULL_ID, item[keys.ID])["S"]
        return Row(row_id, **texts, **numbers, digests=digests or NO_DIGESTS, etag=etag)
    raise BackendError(
        f"The item of row {sort!r} has an attribute of a wrong type, or none called etag. "
        "Correct or delete that item; the others are not affected."
    )


def _check_size(row: Row, item: Item) -> None:
    size = sum(len(name) + len(utf8(text)) for name, value in item.items() for text in value.values())
    if size > LARGEST:
        raise BackendError(
            f"Row {row.id[:20]!r} takes {size} bytes, and an item of DynamoDB {LARGEST} at most. "
            "Nothing was changed."
        )
