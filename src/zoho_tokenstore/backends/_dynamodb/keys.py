"""Under which keys items are stored.

    kind (partition key)         id (sort key)       what
    token                        the row's id        a row
    lookup:<index>:<digest>      -                   which rows an index finds under one text
    retired                      the id of a row     a row of this id was deleted
    lease:<name>                 -                   a lease
    store                        layout              written by a release whose layout is another one
    store                        cleared             when all rows were last deleted at once

All rows share one partition, and all retired ids another one, so that a query yields them in order
and at once. DynamoDB gives one partition 3,000 reads and 1,000 writes a second, and splits it by sort
key when it is used more.

DynamoDB sorts texts by their UTF-8 bytes, which is the order of their code points. A sort key has
1,024 bytes at most. A longer id is cut, and what was cut off is replaced by a mark and a digest:

- The mark is the last code point, and is followed by more than fits into an uncut id. So a cut
  key is never another id; and as a cut leaves no room for what stood there, nothing that is
  greater than the id begins with the same bytes and is uncut. Cut and uncut ids stand in order.
- Ids that begin with the same bytes and are all cut stand side by side, by their digests. A scan
  puts them in order.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

from zoho_tokenstore.backends._aws.texts import utf8
from zoho_tokenstore.records import LOOKUPS, Row

KIND: Final = "kind"
ID: Final = "id"
ROWS: Final = "token"
RETIRED: Final = "retired"

_UNCUT: Final = 900
_MARK: Final = "\U0010ffff"

Key = dict[str, Any]


def sort_key(row_id: str) -> str:
    """Return the sort key of a row."""
    encoded = utf8(row_id)
    if len(encoded) <= _UNCUT:
        return row_id
    beginning = encoded[:_UNCUT].decode(errors="ignore")  # without half a character at its end
    return beginning + _MARK + hashlib.sha256(encoded).hexdigest()


def is_cut(sort: str) -> bool:
    """Tell whether a sort key is that of an id too long for one."""
    return len(utf8(sort)) > _UNCUT


def first_of_run(sort: str) -> str:
    """Return what all cut keys that stand side by side with this one begin with."""
    return sort[: sort.rindex(_MARK) + 1]


def row_key(sort: str) -> Key:
    """Return the whole key of the row with this sort key."""
    return key(ROWS, sort)


def lookup_key(index: str, text: str) -> str:
    """Return the `kind` of the item that tells which rows an index finds under a text.

    A digest, because the text may be long, and because AWS logs keys.
    """
    return f"lookup:{index}:{hashlib.sha256(utf8(text)).hexdigest()}"


def lookup_keys(row: Row) -> frozenset[str]:
    """Return the `kind`s of all items that name this row."""
    return lookup_keys_of({index: row.lookup_key(index) for index in LOOKUPS})


def lookup_keys_of(texts: Mapping[str, str | None]) -> frozenset[str]:
    """Return the `kind`s of the items that name a row by these texts, each that of an index."""
    return frozenset(lookup_key(index, text) for index, text in texts.items() if text is not None)


def key(kind: str, sort: str = "-") -> Key:
    """Return a whole key, in DynamoDB's form."""
    return {KIND: {"S": kind}, ID: {"S": sort}}
