"""The seven calls of a `Backend` on a DynamoDB table. All reads are strongly consistent."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterator
from typing import Any, Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline, Refusal
from zoho_tokenstore.backends._dynamodb import keys
from zoho_tokenstore.backends._dynamodb.items import (
    Item,
    found_of,
    id_of,
    item_of,
    lookup_keys_in,
    sort_of,
)
from zoho_tokenstore.backends._dynamodb.pages import Pages
from zoho_tokenstore.backends._dynamodb.retired import DynamoDBRetiredIds
from zoho_tokenstore.backends._dynamodb.transactions import Action, Transactions, failed
from zoho_tokenstore.errors import BackendError, RetiredIdError, RowChangedError, UnreadableRowError
from zoho_tokenstore.records import Found, Recent, Row, UnreadableRow

_MOST: Final = 100
"""How many items one request of DynamoDB may name."""

_CLEARED_AT_ONCE: Final = 16
"""Rows that fit into one transaction, with the retired id and the look-up items of each: 16 × (2 + 4)."""


class Table:
    """The rows of one table."""

    location: str

    def __init__(self, calls: Calls, table: str) -> None:
        self._calls = calls
        self._table = table
        self._transactions = Transactions(calls, table)
        self._pages = Pages(calls, table, keys.ROWS)
        self._known: Recent[Row] = Recent()  # by etag, so none of them is ever outdated
        self.retired = DynamoDBRetiredIds(calls, table)

    def load(self, row_id: str) -> Row | None:
        return self._load(row_id, self._calls.deadline())

    def find(self, index: str, *keys_: str) -> list[Found]:
        """Find rows, in two steps.

        1. The look-up items of all keys are read at one moment: a row that is moved from one key
           to another in one transaction is under one of them.
        2. These rows are read. One that is not under any of the keys by then has been moved or
           removed in between: as another one may have come in its place, all is done again, unless
           the same rows are named once more (what nobody has cleared up after an edit by hand).
        """
        deadline = self._calls.deadline()
        named: set[str] | None = None
        while True:
            before, named = named, self._named({keys.lookup_key(index, text) for text in keys_}, deadline)
            rows = self._fetch(sorted(named), deadline)
            found = [row for row in rows if isinstance(row, UnreadableRow) or row.lookup_key(index) in keys_]
            if len(found) == len(named) or named == before:
                return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        return itertools.islice(self._in_order(after, limit), limit)

    def count(self) -> int:
        return self._pages.count()

    def write(self, row: Row, *, expect: object) -> object:
        etag = secrets.token_hex(16)
        self._commit(row, etag, expect, [])
        self._known.keep(etag, row._replace(etag=etag))
        return etag

    def rehearse(self, row: Row, *, expect: object) -> None:
        """See that a row can be written: send a write with one condition more, which never holds."""
        never: Action = {
            "TableName": self._table,
            "Key": keys.key("store", "layout"),
            "ConditionExpression": "attribute_exists(id) AND attribute_not_exists(id)",
        }
        self._commit(row, secrets.token_hex(16), expect, [{"ConditionCheck": never}])

    def remove(self, row_id: str) -> bool:
        deadline = self._calls.deadline()
        while (item := self._item(row_id, deadline)) is not None:
            try:
                self._delete([item], deadline)
            except Refusal:  # it was changed since it was read
                self._calls.pause(deadline)
            else:
                return True
        return False

    def clear(self) -> int:
        """Delete the rows in the order of their ids, up to 16 in each transaction.

        Whoever writes meanwhile makes a transaction fail, never half of it: it is tried again with
        fewer rows, as they are by then.
        """
        self.retired.note_clear()
        count, size, last = 0, _CLEARED_AT_ONCE, ""
        deadline = self._calls.deadline()
        while items := self._pages.page(last, size, deadline)[0]:
            try:
                self._delete(items, deadline)
            except Refusal:
                size = max(1, size // 2)
                self._calls.pause(deadline)
                continue
            count += len(items)
            last = sort_of(items[-1])
            size = _CLEARED_AT_ONCE
            deadline = self._calls.deadline()
        return count

    def close(self) -> None:
        self._calls.close()
        self._known.clear()

    # ---- reading

    def _load(self, row_id: str, deadline: Deadline) -> Row | None:
        item = self._item(row_id, deadline)
        found = None if item is None else self._found(item)
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(*found, self.location)
        return found

    def _item(self, row_id: str, deadline: Deadline) -> Item | None:
        self._calls.check_open()
        if not row_id:
            return None
        key = keys.row_key(keys.sort_key(row_id))
        item: Item | None = self._calls.call(
            "get_item", deadline, TableName=self._table, Key=key, ConsistentRead=True
        ).get("Item")
        return item

    def _found(self, item: Item) -> Found:
        """Return what is in an item: the same row as before, if nobody has changed anything."""
        row = found_of(item)
        if isinstance(row, UnreadableRow):
            return row
        etag = str(row.etag)
        known = self._known.get(etag)
        if known == row:
            return known
        self._known.keep(etag, row)
        return row

    def _version(self, row_id: str, etag: object, deadline: Deadline) -> Row:
        """Return the row as it was when it had this etag."""
        known = self._known.get(str(etag)) or self._load(row_id, deadline)
        if known is None or known.id != row_id or known.etag != etag:
            raise _changed(row_id)
        return known

    def _named(self, kinds: set[str], deadline: Deadline) -> set[str]:
        """Return the sort keys that look-up items hold, all of them as they were at one moment."""
        self._calls.check_open()
        if len(kinds) > _MOST:
            raise BackendError(f"DynamoDB looks up {_MOST} keys at one moment, not {len(kinds)}.")
        places: list[dict[str, Any]] = [
            {"TableName": self._table, "Key": keys.key(kind)} for kind in sorted(kinds)
        ]
        if len(places) == 1:
            answers = [self._calls.call("get_item", deadline, **places[0], ConsistentRead=True)]
        elif places:
            gets = [{"Get": place} for place in places]
            answers = self._calls.call("transact_get_items", deadline, TransactItems=gets)["Responses"]
        else:
            answers = []
        return {sort for answer in answers if "Item" in answer for sort in self._sorts(answer["Item"])}

    def _sorts(self, item: Item) -> list[str]:
        """Return the sort keys in a look-up item."""
        sorts: list[str] | None = item.get("ids", {}).get("SS")
        if sorts is None:  # not "there is none": a row may have that text
            raise BackendError(
                f"{self._calls.subject} has an item {item[keys.KIND]['S']!r} that does not hold what this "
                "store has written. Delete it, and save the token of that user again."
            )
        return sorts

    def _fetch(self, sorts: list[str], deadline: Deadline) -> Iterator[Found]:
        """Yield the rows with these sort keys, in any order, without those that are gone."""
        left = [keys.row_key(sort) for sort in sorts]
        while left:
            asked, left = left[:_MOST], left[_MOST:]
            answer = self._calls.call(
                "batch_get_item",
                deadline,
                RequestItems={self._table: {"Keys": asked, "ConsistentRead": True}},
            )
            yield from map(self._found, answer["Responses"].get(self._table, ()))
            missed = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if missed:
                self._calls.pause(deadline)
            left = missed + left

    def _in_order(self, after: str | None, size: int | None) -> Iterator[Found]:
        """Yield the rows behind an id in the order of their ids, in pages of `size`."""
        first = keys.sort_key(after or "")
        run: list[Found] = []
        begin = ""
        for item in self._pages.items(keys.first_of_run(first) if keys.is_cut(first) else first, size):
            sort, row = sort_of(item), self._found(item)
            if run and not (keys.is_cut(sort) and sort.startswith(begin)):
                yield from _behind(after, run)
                run = []
            if keys.is_cut(sort):
                begin = keys.first_of_run(sort)
                run.append(row)
            else:
                yield row
        yield from _behind(after, run)

    # ---- writing

    def _commit(self, row: Row, etag: str, expect: object, more: list[Action]) -> None:
        """Store a row with what finds it, if all conditions hold, those of `more` too.

        Only a condition on the row, or on its id, is an error.
        """
        deadline = self._calls.deadline()
        put: Action = {"TableName": self._table, "Item": item_of(row, etag), **_if_etag(expect)}
        before = frozenset[str]()
        checks: list[Action] = []
        if expect is None:
            checks = [self.retired.checking(row.id)]
        else:
            before = keys.lookup_keys(self._version(row.id, expect, deadline))
        after, sort = keys.lookup_keys(row), keys.sort_key(row.id)
        try:
            self._transactions.commit(
                [{"Put": put}, *checks, *more],
                deadline,
                adds=dict.fromkeys(after - before, sort),
                drops={kind: {sort} for kind in before - after},
                is_done=lambda: not more and self._has_etag(row.id, etag, deadline),
            )
        except Refusal as refusal:
            reasons = refusal.reasons
        else:
            return
        if failed(reasons[:1]):
            raise _changed(row.id)
        if failed(reasons[1 : 1 + len(checks)]):
            raise RetiredIdError(f"The id {row.id!r} is that of a row that was deleted.")

    def _delete(self, items: list[Item], deadline: Deadline) -> None:
        """Delete these versions of rows and retire their ids, all or none."""
        drops: dict[str, set[str]] = {}
        for item in items:
            for kind in lookup_keys_in(item):
                drops.setdefault(kind, set()).add(sort_of(item))
        self._transactions.commit(
            [
                action
                for item in items
                for action in (self._deletion(item), self.retired.retiring(id_of(item)))
            ],
            deadline,
            drops=drops,
            is_done=lambda: self._item(id_of(items[0]), deadline) is None,
        )

    def _deletion(self, item: Item) -> Action:
        key = keys.row_key(sort_of(item))
        condition = _if_same(item.get("etag"))
        return {"Delete": {"TableName": self._table, "Key": key, **condition}}

    def _has_etag(self, row_id: str, etag: str, deadline: Deadline) -> bool:
        item = self._item(row_id, deadline)
        return item is not None and item.get("etag") == {"S": etag}


def _behind(after: str | None, run: list[Found]) -> list[Found]:
    """Return the rows of a run that come behind an id, in the order of their ids."""
    return sorted((row for row in run if after is None or row.id > after), key=lambda row: row.id)


def _if_etag(etag: object) -> dict[str, Any]:
    if etag is None:
        return {"ConditionExpression": "attribute_not_exists(id)"}
    return _if_same({"S": str(etag)})


def _if_same(etag: dict[str, Any] | None) -> dict[str, Any]:
    """Return the condition that an item has this etag; one that others have made may have none."""
    if etag is None:
        return {"ConditionExpression": "attribute_exists(id) AND attribute_not_exists(etag)"}
    return {"ConditionExpression": "etag = :etag", "ExpressionAttributeValues": {":etag": etag}}


def _changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} is not as it was when it was read.")
