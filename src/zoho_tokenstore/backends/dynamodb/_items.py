"""Rows as items: the published columns under their names, `null` by absence."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore.backends._rows import parse_time
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LOOKUPS,
    NO_DIGESTS,
    Found,
    RetiredId,
    Row,
    UnreadableRow,
)

Item = dict[str, dict[str, Any]]

MAX_ITEM_BYTES: Final = 400 * 1024
_AT: Final = "at_ms"
_EXPIRY: Final = "expiry_time"
_TEXTS: Final = tuple(name for name in COLUMNS[1:] if name != _EXPIRY)
_DIGESTS: Final = {name: f"{name}_digest" for name in LOOKUPS}


def item_of(row: Row, etag: str) -> Item:
    """Return the item that stores a row."""
    if not row.id:
        raise BackendError("DynamoDB cannot keep a row with an empty id. Nothing was changed.")
    texts = {name: getattr(row, name) for name in COLUMNS[1:]}
    texts |= {column: row.digests.get(name) for name, column in _DIGESTS.items()}
    texts["etag"] = etag
    item = {name: {"S": text} for name, text in texts.items() if text is not None}
    numbers = {name: getattr(row, name) for name in BOOKKEEPING}
    item |= {name: {"N": str(number)} for name, number in numbers.items() if number is not None}
    item |= item_keys.row_key(row.id)
    _check_size(row, item)
    return item


def found_of(item: Item) -> Found:
    """Return the row that an item stores, or what is wrong with it if others changed it."""
    try:
        texts: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS if name in item}
        numbers: dict[str, Any] = {name: parse_time(item[name]["N"]) for name in BOOKKEEPING if name in item}
        digests = {name: item[column]["S"] for name, column in _DIGESTS.items() if column in item}
        etag = item["etag"]["S"]
        if (expiry := item.get(_EXPIRY)) is not None:
            texts[_EXPIRY] = expiry["N"] if "N" in expiry else expiry["S"]
    except KeyError:
        return UnreadableRow(id_of(item), "it has an attribute of a wrong type, or none called etag")
    except ValueError:
        return UnreadableRow(id_of(item), "it has a time that is not a whole number")
    return Row(id_of(item), **texts, **numbers, digests=digests or NO_DIGESTS, etag=etag)


def id_of(item: Item) -> str:
    """Return the id of an item, its sort key."""
    row_id: str = item[item_keys.ID]["S"]
    return row_id


def lookup_keys_in(item: Item) -> frozenset[str]:
    """Return the `kind`s of all items that name the row in this one, even if it cannot be read."""
    return item_keys.lookup_keys_of(
        {name: item.get(column, item.get(name, {})).get("S") for name, column in _DIGESTS.items()}
    )


def retired_item(row_id: str, at_ms: int) -> Item:
    """Return the item that retires an id."""
    return {**item_keys.key(item_keys.RETIRED, row_id), _AT: {"N": str(at_ms)}}


def retired_id_of(item: Item) -> RetiredId:
    """Return the retired id in an item. One that others changed was retired at the epoch."""
    try:
        return RetiredId(id_of(item), parse_time(item[_AT]["N"]))
    except (KeyError, ValueError):
        return RetiredId(id_of(item), 0)


def _check_size(row: Row, item: Item) -> None:
    size = sum(len(name) + len(text.encode()) for name, value in item.items() for text in value.values())
    if size > MAX_ITEM_BYTES:
        raise BackendError(
            f"Row {row.id[:20]!r} takes {size} bytes, and a DynamoDB item at most {MAX_ITEM_BYTES}. "
            "Nothing was changed."
        )
