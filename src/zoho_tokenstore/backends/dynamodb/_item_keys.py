"""The keys under which items are stored.

    kind (partition key)         id (sort key)       what
    token                        the row's id        a row
    lookup:<index>:<digest>      -                   which rows an index finds under one string
    retired                      the id of a row     a row of this id was deleted
    lease:<name>                 -                   a lease
    store                        layout              written by a release with another layout
    store                        cleared             when all rows were last deleted at once

All rows share one partition, and all retired ids another, so that a query yields them in order and at
once. DynamoDB gives a partition 3,000 reads and 1,000 writes a second, and splits it by sort key if it
is used more.

DynamoDB sorts strings by their UTF-8 bytes, which is the order of their code points. A sort key has
at most 1,024 bytes; an id has at most 190 characters, which are 760 bytes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from zoho_tokenstore.records import LOOKUPS, Row

KIND: Final = "kind"
ID: Final = "id"
ROWS: Final = "token"
RETIRED: Final = "retired"

Key = dict[str, Any]


def row_key(row_id: str) -> Key:
    """Return the whole key of the row with this id."""
    return key(ROWS, row_id)


def lookup_key(index: str, text: str) -> str:
    """Return the `kind` of the item that lists the rows an index finds under a string.

    A digest, because the string may be long, and because AWS logs keys.
    """
    return f"lookup:{index}:{hashlib.sha256(text.encode()).hexdigest()}"


def lookup_keys(row: Row) -> frozenset[str]:
    """Return the `kind`s of all items that name this row."""
    return lookup_keys_of({index: row.lookup_key(index) for index in LOOKUPS})


def lookup_keys_of(texts: Mapping[str, str | None]) -> frozenset[str]:
    """Return the `kind`s of the items that name a row by these strings, one per index."""
    return frozenset(lookup_key(index, text) for index, text in texts.items() if text is not None)


def key(kind: str, sort: str = "-") -> Key:
    """Return a whole key, in DynamoDB's form."""
    return {KIND: {"S": kind}, ID: {"S": sort}}
