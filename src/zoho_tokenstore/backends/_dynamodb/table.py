"""The seven calls of a `Backend` on a DynamoDB table. All reads are strongly consistent."""

from __future__ import annotations

import itertools
import secrets
from collections.abc import Iterable, Iterator
from typing import Any, Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline, Refusal
from zoho_tokenstore.backends._dynamodb import keys
from zoho_tokenstore.backends._dynamodb.items import Item, item_of, row_of
from zoho_tokenstore.backends._dynamodb.transactions import Action, Transactions
from zoho_tokenstore.errors import BackendError, RowChangedError
from zoho_tokenstore.records import Recent, Row

_MOST: Final = 100
"""How many items one request of DynamoDB may name."""

_CLEARED_AT_ONCE: Final = 20
"""Rows that fit into one transaction together with the look-up items of each: 20 × (1 + 4)."""


class Table:
    """The rows of one table."""

    def __init__(self, calls: Calls, table: str) -> None:
        self._calls = calls
        self._table = table
        self._transactions = Transactions(calls, table)
        self._known: Recent[Row] = Recent()  # by etag, so none of them is ever outdated

    def load(self, row_id: str) -> Row | None:
        return self._load(row_id, self._calls.deadline())

    def find(self, index: str, *keys_: str) -> list[Row]:
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
            found = [row for row in rows if row.lookup_key(index) in keys_]
            if len(found) == len(named) or named == before:
                return sorted(found, key=lambda row: row.id)

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        return itertools.islice(self._in_order(after, limit), limit)

    def write(self, row: Row, *, expect: object) -> object:
        deadline = self._calls.deadline()
        etag = secrets.token_hex(16)
        put: Action = {"TableName": self._table, "Item": item_of(row, etag)}
        before = frozenset[str]()
        if expect is None:
            put["ConditionExpression"] = "attribute_not_exists(id)"
        else:
            before = keys.lookup_keys(self._version(row.id, expect, deadline))
            put |= _if_etag(expect)
        self._commit(row.id, etag, put, before, keys.lookup_keys(row), deadline)
        self._known.keep(etag, row._replace(etag=etag))
        return etag

    def remove(self, row_id: str) -> bool:
        deadline = self._calls.deadline()
        while (row := self._load(row_id, deadline)) is not None:
            try:
                self._delete([row], deadline)
            except Refusal:  # it was changed since it was read
                self._calls.pause(deadline)
            else:
                return True
        return False

    def clear(self) -> int:
        """Delete the rows in the order of their ids, up to 20 in each transaction.

        Whoever writes meanwhile makes a transaction fail, never half of it: it is tried again with
        fewer rows, as they are by then.
        """
        count, size, last = 0, _CLEARED_AT_ONCE, ""
        deadline = self._calls.deadline()
        while rows := self._page(last, size, deadline)[0]:
            try:
                self._delete(rows, deadline)
            except Refusal:
                size = max(1, size // 2)
                self._calls.pause(deadline)
                continue
            count += len(rows)
            last = keys.sort_key(rows[-1].id)
            size = _CLEARED_AT_ONCE
            deadline = self._calls.deadline()
        return count

    def close(self) -> None:
        self._calls.close()
        self._known.clear()

    # ---- reading

    def _load(self, row_id: str, deadline: Deadline) -> Row | None:
        self._calls.check_open()
        if not row_id:
            return None
        key = keys.row_key(keys.sort_key(row_id))
        item = self._calls.call(
            "get_item", deadline, TableName=self._table, Key=key, ConsistentRead=True
        ).get("Item")
        return None if item is None else self._row(item)

    def _row(self, item: Item) -> Row:
        """Return the row in an item: the same object as before, if nobody has changed anything."""
        row = row_of(item)
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
        found = (answer.get("Item", {}).get("ids", {}).get("SS", ()) for answer in answers)
        return {sort for sorts in found for sort in sorts}

    def _fetch(self, sorts: list[str], deadline: Deadline) -> Iterator[Row]:
        """Yield the rows with these sort keys, in any order, without those that are gone."""
        left = [keys.row_key(sort) for sort in sorts]
        while left:
            asked, left = left[:_MOST], left[_MOST:]
            answer = self._calls.call(
                "batch_get_item",
                deadline,
                RequestItems={self._table: {"Keys": asked, "ConsistentRead": True}},
            )
            yield from map(self._row, answer["Responses"].get(self._table, ()))
            missed = answer.get("UnprocessedKeys", {}).get(self._table, {}).get("Keys", [])
            if missed:
                self._calls.pause(deadline)
            left = missed + left

    def _page(self, last: str, size: int | None, deadline: Deadline) -> tuple[list[Row], bool]:
        """Return the rows behind a sort key, in the order of their sort keys, and whether there are more."""
        names, values = {"#kind": keys.KIND}, {":kind": {"S": keys.ROWS}}
        condition = "#kind = :kind"
        if last:
            names["#id"], values[":last"] = keys.ID, {"S": last}
            condition += " AND #id > :last"
        query: dict[str, Any] = {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }
        if size is not None:
            query["Limit"] = size
        answer = self._calls.call("query", deadline, **query)
        return [self._row(item) for item in answer["Items"]], "LastEvaluatedKey" in answer

    def _in_order(self, after: str | None, size: int | None) -> Iterator[Row]:
        """Yield the rows behind an id in the order of their ids, in pages of `size`."""
        first = keys.sort_key(after or "")
        last = keys.first_of_run(first) if keys.is_cut(first) else first
        run: list[Row] = []
        more = True
        while more:
            rows, more = self._page(last, size, self._calls.deadline())
            for row in rows:
                last = keys.sort_key(row.id)
                if run and not (keys.is_cut(last) and last.startswith(keys.first_of_run(_sort(run)))):
                    yield from _behind(after, run)
                    run = []
                if keys.is_cut(last):
                    run.append(row)
                else:
                    yield row
        yield from _behind(after, run)

    # ---- writing

    def _commit(
        self,
        row_id: str,
        etag: str,
        put: Action,
        before: frozenset[str],
        after: frozenset[str],
        deadline: Deadline,
    ) -> None:
        sort = keys.sort_key(row_id)
        try:
            self._transactions.commit(
                [{"Put": put}],
                deadline,
                adds=dict.fromkeys(after - before, sort),
                drops={kind: {sort} for kind in before - after},
                is_done=lambda: self._has_etag(row_id, etag, deadline),
            )
        except Refusal:
            changed = True
        else:
            changed = False
        if changed:
            raise _changed(row_id)

    def _delete(self, rows: list[Row], deadline: Deadline) -> None:
        """Delete these versions of rows, all or none."""
        drops: dict[str, set[str]] = {}
        for row in rows:
            for kind in keys.lookup_keys(row):
                drops.setdefault(kind, set()).add(keys.sort_key(row.id))
        self._transactions.commit(
            [{"Delete": self._delete_action(row)} for row in rows],
            deadline,
            drops=drops,
            is_done=lambda: self._load(rows[0].id, deadline) is None,
        )

    def _delete_action(self, row: Row) -> Action:
        key = keys.row_key(keys.sort_key(row.id))
        return {"TableName": self._table, "Key": key, **_if_etag(row.etag)}

    def _has_etag(self, row_id: str, etag: str, deadline: Deadline) -> bool:
        row = self._load(row_id, deadline)
        return row is not None and row.etag == etag


def _sort(run: Iterable[Row]) -> str:
    return keys.sort_key(next(iter(run)).id)


def _behind(after: str | None, run: list[Row]) -> list[Row]:
    """Return the rows of a run that come behind an id, in the order of their ids."""
    return sorted((row for row in run if after is None or row.id > after), key=lambda row: row.id)


def _if_etag(etag: object) -> dict[str, Any]:
    return {"ConditionExpression": "etag = :etag", "ExpressionAttributeValues": {":etag": {"S": str(etag)}}}


def _changed(row_id: str) -> RowChangedError:
    return RowChangedError(f"Row {row_id!r} is not as it was when it was read.")
