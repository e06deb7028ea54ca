"""The seven calls of a `Backend` on a DynamoDB table. All reads are strongly consistent."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any, Final

from zoho_tokenstore._util.caches import SecondHitCache
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backend import SupportsCount, SupportsRehearsal
from zoho_tokenstore.backends._aws.calls import AWSCalls, Refusal
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.backends.dynamodb._items import (
    Item,
    found_of,
    id_of,
    item_of,
    lookup_keys_in,
)
from zoho_tokenstore.backends.dynamodb._pages import PartitionPages
from zoho_tokenstore.backends.dynamodb._retired import DynamoDBRetiredIds
from zoho_tokenstore.backends.dynamodb._transactions import Action, DynamoDBTransactions, has_failed_condition
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import Found, Row, UnreadableRow

_MAX_ITEMS: Final = 100
"""How many items one request of DynamoDB may name."""

_CLEAR_BATCH: Final = 16
"""Rows that fit into one transaction, with the retired id and the look-up items of each: 16 × (2 + 4)."""


class DynamoDBTable(SupportsRehearsal, SupportsCount):
    """The rows of one table."""

    location: str

    def __init__(self, calls: AWSCalls, table: str) -> None:
        self._calls = calls
        self._table = table
        self._transactions = DynamoDBTransactions(calls, table)
        self._pages = PartitionPages(calls, table, item_keys.ROWS)
        self._known: SecondHitCache[Row] = SecondHitCache()  # by etag, so never outdated
        self.retired = DynamoDBRetiredIds(calls, table)

    def load(self, row_id: str) -> Row | None:
        return self._load(row_id, self._calls.deadline())

    def find(self, index: str, *keys: str) -> list[Found]:
        """Find rows, in two steps.

        1. The look-up items of all keys are read at one moment: a row moved from one key to another in
           one transaction is under one of them.
        2. These rows are read. One that is no longer under any of the keys was moved or removed in
           between: as another may have replaced it, everything is repeated, unless the same rows are
           named again (leftovers of an edit by hand).
        """
        deadline = self._calls.deadline()
        kinds = {item_keys.lookup_key(index, text) for text in keys}
        named: set[str] | None = None
        while True:
            before, named = named, self._read_lookups(kinds, deadline)
            rows = self._fetch(sorted(named), deadline)
            found = [row for row in rows if isinstance(row, UnreadableRow) or row.lookup_key(index) in keys]
            if len(found) == len(named) or named == before:
                return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return itertools.islice(map(self._row_in, self._pages.items(after or "", limit)), limit)

    def count(self) -> int:
        return self._pages.count()

    def write(self, row: Row, *, expect: object) -> object:
        etag = secrets.token_hex(16)
        self._commit(row, etag, expect, [])
        self._known.keep(etag, row._replace(etag=etag))
        return etag

    def rehearse(self, row: Row, *, expect: object) -> None:
        """Check that a row can be written: send a write with one more condition, which never holds."""
        never: Action = {
            "TableName": self._table,
            "Key": item_keys.key("store", "layout"),
            "ConditionExpression": "attribute_exists(id) AND attribute_not_exists(id)",
        }
        self._commit(row, secrets.token_hex(16), expect, [{"ConditionCheck": never}])

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        deadline = self._calls.deadline()
        while (item := self._item(row_id, deadline)) is not None:
            if expect is not None and item.get("etag") != {"S": expect}:
                return False
            try:
                self._delete([item], deadline)
            except Refusal:  # it has changed since it was read
                self._calls.pause(deadline)
            else:
                return True
        return False

    def clear(self) -> int:
        """Delete the rows in the order of their ids, up to 16 in each transaction.

        A concurrent write makes a transaction fail, never half of it: it is retried with fewer rows, as
        they are by then.
        """
        self.retired.note_clear()
        count, size, last = 0, _CLEAR_BATCH, ""
        deadline = self._calls.deadline()
        while items := self._pages.page(last, size, deadline)[0]:
            try:
                self._delete(items, deadline)
            except Refusal:
                size = max(1, size // 2)
                self._calls.pause(deadline)
                continue
            count += len(items)
            last = id_of(items[-1])
            size = _CLEAR_BATCH
            deadline = self._calls.deadline()
        return count

    def close(self) -> None:
        self._calls.close()
        self._known.clear()

    # ---- reading

    def _load(self, row_id: str, deadline: Deadline) -> Row | None:
        item = self._item(row_id, deadline)
        found = None if item is None else self._row_in(item)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def _item(self, row_id: str, deadline: Deadline) -> Item | None:
        self._calls.check_open()
        if not row_id:
            return None
        key = item_keys.row_key(row_id)
        item: Item | None = self._calls.call(
            "get_item", deadline, TableName=self._table, Key=key, ConsistentRead=True
        ).get("Item")
        return item

    def _row_in(self, item: Item) -> Found:
        """Return what is in an item: the same row as before, if nobody changed anything."""
        row = found_of(item)
        if isinstance(row, UnreadableRow):
            return row
        etag = str(row.etag)
        known = self._known.get(etag)
        if known == row:
            return known
        self._known.keep(etag, row)
        return row

    def _load_version(self, row_id: str, etag: object, deadline: Deadline) -> Row:
        """Return the row as it was when it had this etag."""
        known = self._known.get(str(etag)) or self._load(row_id, deadline)
        if known is None or known.id != row_id or known.etag != etag:
            raise _row_changed(row_id)
        return known

    def _read_lookups(self, kinds: set[str], deadline: Deadline) -> set[str]:
        """Return the ids that look-up items hold, all as of one moment."""
        self._calls.check_open()
        if len(kinds) > _MAX_ITEMS:
            raise BackendError(f"DynamoDB looks up at most {_MAX_ITEMS} keys at once, not {len(kinds)}.")
        places: list[dict[str, Any]] = [
            {"TableName": self._table, "Key": item_keys.key(kind)} for kind in sorted(kinds)
        ]
        if len(places) == 1:
            answers = [self._calls.call("get_item", deadline, **places[0], ConsistentRead=True)]
        elif places:
            gets = [{"Get": place} for place in places]
            answers = self._calls.call("transact_get_items", deadline, TransactItems=gets)["Responses"]
        else:
            answers = []
        return {row_id for answer in answers if "Item" in answer for row_id in self._ids(answer["Item"])}

    def _ids(self, item: Item) -> list[str]:
        """Return the ids in a look-up item."""
        ids: list[str] | None = item.get("ids", {}).get("SS")
        if ids is None:  # not "there is none": a row may have that string
            raise BackendError(
                f"{self._calls.subject} has an item {item[item_keys.KIND]['S']!r} that does not hold what "
                "this store wrote. Delete it, and save the token of that user again."
            )
        return ids

    def _fetch(self, ids: list[str], deadline: Deadline) -> Iterator[Found]:
        """Yield the rows with these ids, in any order, without those that are gone."""
        left = [item_keys.row_key(row_id) for row_id in ids]
        while left:
            asked, left = left[:_MAX_ITEMS], left[_MAX_ITEMS:]
            answer = self._calls.call(
                "batch_get_item",
                deadline,
                RequestItems={self._table: {"Keys": asked, "ConsistentRead": True}},
            )
            yield from map(self._row_in, answer["Responses"].get(self._table, ()))
            missed = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if missed:
                self._calls.pause(deadline)
            left = missed + left

    # ---- writing

    def _commit(self, row: Row, etag: str, expect: object, more: list[Action]) -> None:
        """Store a row with what finds it, if all conditions hold, including those of `more`.

        Only a condition on the row, or on its id, is an error.
        """
        deadline = self._calls.deadline()
        put: Action = {"TableName": self._table, "Item": item_of(row, etag), **_if_etag(expect)}
        before = frozenset[str]()
        checks: list[Action] = []
        if expect is None:
            checks = [self.retired.check_action(row.id)]
        else:
            before = item_keys.lookup_keys(self._load_version(row.id, expect, deadline))
        after = item_keys.lookup_keys(row)
        try:
            self._transactions.commit(
                [{"Put": put}, *checks, *more],
                deadline,
                adds=dict.fromkeys(after - before, row.id),
                drops={kind: {row.id} for kind in before - after},
                is_done=lambda: not more and self._has_etag(row.id, etag, deadline),
            )
        except Refusal as refusal:
            reasons = refusal.reasons
        else:
            return
        if has_failed_condition(reasons[:1]):
            raise _row_changed(row.id)
        if has_failed_condition(reasons[1 : 1 + len(checks)]):
            raise RetiredIdError(f"The id {row.id!r} belongs to a deleted row.")

    def _delete(self, items: list[Item], deadline: Deadline) -> None:
        """Delete these versions of rows and retire their ids, all or none."""
        drops: dict[str, set[str]] = {}
        for item in items:
            for kind in lookup_keys_in(item):
                drops.setdefault(kind, set()).add(id_of(item))
        self._transactions.commit(
            [
                action
                for item in items
                for action in (self._delete_action(item), self.retired.retire_action(id_of(item)))
            ],
            deadline,
            drops=drops,
            is_done=lambda: not any(self._item(id_of(item), deadline) for item in items),
        )

    def _delete_action(self, item: Item) -> Action:
        key = item_keys.row_key(id_of(item))
        condition = _if_same(item.get("etag"))
        return {"Delete": {"TableName": self._table, "Key": key, **condition}}

    def _has_etag(self, row_id: str, etag: str, deadline: Deadline) -> bool:
        item = self._item(row_id, deadline)
        return item is not None and item.get("etag") == {"S": etag}


def _if_etag(etag: object) -> dict[str, Any]:
    if etag is None:
        return {"ConditionExpression": "attribute_not_exists(id)"}
    return _if_same({"S": str(etag)})


def _if_same(etag: dict[str, Any] | None) -> dict[str, Any]:
    """Return the condition that an item has this etag; one that others made may have none."""
    if etag is None:
        return {"ConditionExpression": "attribute_exists(id) AND attribute_not_exists(etag)"}
    return {"ConditionExpression": "etag = :etag", "ExpressionAttributeValues": {":etag": etag}}


def _row_changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} has changed since it was read.")
