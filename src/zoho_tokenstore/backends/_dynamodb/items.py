"""Rows as items: the published columns under their names, `null` by absence."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore.backends._aws.texts import utf8
from zoho_tokenstore.backends._dynamodb import keys
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

LARGEST: Final = 400 * 1024
_FULL_ID: Final = "full_id"
_AT: Final = "at_ms"
_EXPIRY: Final = "expiry_time"
_LONGEST_TIME: Final = 18
_TEXTS: Final = tuple(name for name in COLUMNS[1:] if name != _EXPIRY)
_DIGESTS: Final = {name: f"{name}_digest" for name in LOOKUPS}


def item_of(row: Row, etag: str) -> Item:
    """Return the item that stores a row.

    Raises:
        BackendError: it is larger than DynamoDB allows, or its id is empty.
    """
    if not row.id:
        raise BackendError("DynamoDB keeps no row with an empty id. Nothing was changed.")
    texts = {name: getattr(row, name) for name in COLUMNS[1:]}
    texts |= {column: row.digests.get(name) for name, column in _DIGESTS.items()}
    sort = keys.sort_key(row.id)
    texts |= {"etag": etag, _FULL_ID: row.id if keys.is_cut(sort) else None}
    item = {name: {"S": text} for name, text in texts.items() if text is not None}
    numbers = {name: getattr(row, name) for name in BOOKKEEPING}
    item |= {name: {"N": str(number)} for name, number in numbers.items() if number is not None}
    item |= keys.row_key(sort)
    _check_size(row, item)
    return item


def found_of(item: Item) -> Found:
    """Return the row that an item stores, or what is wrong with it where others have changed it."""
    sort = sort_of(item)
    try:
        texts: dict[str, Any] = {name: item[name]["S"] for name in _TEXTS if name in item}
        numbers: dict[str, Any] = {name: _time(item[name]["N"]) for name in BOOKKEEPING if name in item}
        digests = {name: item[column]["S"] for name, column in _DIGESTS.items() if column in item}
        etag, row_id = item["etag"]["S"], item.get(_FULL_ID, item[keys.ID])["S"]
        if (expiry := item.get(_EXPIRY)) is not None:
            texts[_EXPIRY] = expiry["N"] if "N" in expiry else expiry["S"]
    except KeyError:
        return UnreadableRow(id_of(item), "it has an attribute of a wrong type, or none called etag")
    except ValueError:
        return UnreadableRow(id_of(item), "it has a time that is not a whole number")
    if keys.sort_key(row_id) != sort:
        return UnreadableRow(sort, "its full_id does not belong to its key")
    return Row(row_id, **texts, **numbers, digests=digests or NO_DIGESTS, etag=etag)


def sort_of(item: Item) -> str:
    """Return the sort key of an item."""
    sort: str = item[keys.ID]["S"]
    return sort


def id_of(item: Item) -> str:
    """Return the id of the row in an item; its sort key where the item does not tell."""
    full: str = item.get(_FULL_ID, {}).get("S", "")
    sort = sort_of(item)
    return full if full and keys.sort_key(full) == sort else sort


def lookup_keys_in(item: Item) -> frozenset[str]:
    """Return the `kind`s of all items that name the row in this one, also if it cannot be read."""
    return keys.lookup_keys_of(
        {name: item.get(column, item.get(name, {})).get("S") for name, column in _DIGESTS.items()}
    )


def retired_item(row_id: str, at_ms: int) -> Item:
    """Return the item that retires an id."""
    sort = keys.sort_key(row_id)
    item: Item = {**keys.key(keys.RETIRED, sort), _AT: {"N": str(at_ms)}}
    return {**item, _FULL_ID: {"S": row_id}} if keys.is_cut(sort) else item


def retired_id_of(item: Item) -> RetiredId:
    """Return the retired id in an item. One that others have changed was retired at the epoch."""
    try:
        return RetiredId(id_of(item), _time(item[_AT]["N"]))
    except (KeyError, ValueError):
        return RetiredId(id_of(item), 0)


def _time(text: str) -> int:
    if len(text) > _LONGEST_TIME:  # more than other storages keep
        raise ValueError
    return int(text)


def _check_size(row: Row, item: Item) -> None:
    size = sum(len(name) + len(utf8(text)) for name, value in item.items() for text in value.values())
    if size > LARGEST:
        raise BackendError(
            f"Row {row.id[:20]!r} takes {size} bytes, and an item of DynamoDB {LARGEST} at most. "
            "Nothing was changed."
        )
