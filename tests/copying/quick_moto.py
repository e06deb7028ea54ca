"""moto's server, with transactions whose time does not grow with the table. Arguments: the port.

For each action of a transaction moto copies the whole table in depth, to put it back if the
transaction fails: with a thousand tokens that takes a second. Here the copy has the same items, and
an update, the only thing that changes an item in its place, works on another one.
"""

from __future__ import annotations

import copy
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

from moto.dynamodb.models import DynamoDBBackend
from moto.dynamodb.models.dynamo_type import DynamoType
from moto.dynamodb.models.table import Table

sys.path.append(str(Path(__file__).resolve().parents[2]))
from tests.support.servers._moto_server import main

_transact = DynamoDBBackend.transact_write_items
_update = DynamoDBBackend.update_item
_frozen: dict[str, Table] = {}  # of one transaction, which makes all its copies before it begins


def frozen(self: Table, _memo: object) -> Table:
    """Return the table as it is now."""
    if self.name not in _frozen:
        same = _frozen[self.name] = copy.copy(self)
        same.items = defaultdict(dict, {kind: dict(items) for kind, items in self.items.items()})
    return _frozen[self.name]


def transact_write_items(self: DynamoDBBackend, transact_items: list[dict[str, Any]]) -> None:
    """Carry out a transaction."""
    _frozen.clear()
    _transact(self, transact_items)


def update_item(
    self: DynamoDBBackend, table_name: str, key: dict[str, Any], *args: Any, **options: Any
) -> Any:
    """Update another object, so that the one in a frozen table stays as it is."""
    table = self.get_table(table_name)
    items = table.items.get(DynamoType(key[table.hash_key_attr]), {})
    at = DynamoType(key[table.range_key_attr or ""])
    if at in items:
        items[at] = copy.deepcopy(items[at])
    return _update(self, table_name, key, *args, **options)


if __name__ == "__main__":
    Table.__deepcopy__ = frozen  # type: ignore[attr-defined]
    DynamoDBBackend.transact_write_items = transact_write_items  # type: ignore[method-assign]
    DynamoDBBackend.update_item = update_item  # type: ignore[method-assign]
    main(*sys.argv[1:])
