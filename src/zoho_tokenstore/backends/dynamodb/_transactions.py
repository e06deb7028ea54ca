"""Rows and their look-up items, changed in one transaction.

A look-up item holds, as a set, the ids of the rows that one index finds under one string. It can be read
with others at one moment (`TransactGetItems` reads items, not queries); DynamoDB's secondary indexes
cannot: they follow later. An item with an empty set must go, or every access token ever used would leave
one. DynamoDB has no "delete it if the set is empty then", so a transaction states its assumption, and is
rebuilt if that is wrong. Nearly always it is right: what finds a row finds that row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws.calls import AWSCalls, Refusal
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys

Action = dict[str, Any]

CONDITION_FAILED = "ConditionalCheckFailed"

_THERE = "attribute_exists(ids)"


class DynamoDBTransactions:
    """Transactions on one table."""

    def __init__(self, calls: AWSCalls, table: str) -> None:
        self._calls = calls
        self._table = table

    def commit(
        self,
        rows: list[Action],
        deadline: Deadline,
        *,
        adds: Mapping[str, str] | None = None,
        drops: Mapping[str, set[str]] | None = None,
        is_done: Callable[[], bool],
    ) -> None:
        """Do all or nothing, or raise a `Refusal`: a row does not meet its condition.

        `adds` and `drops` say which rows' ids go into or out of which look-up items; `is_done` says, after an
        unanswered try, whether it was carried out.
        """
        drops = drops or {}
        held = {kind: set(dropped) for kind, dropped in drops.items()}
        added = [self._add(kind, row_id) for kind, row_id in (adds or {}).items()]
        while True:
            dropped = [self._drop(kind, ids, held[kind]) for kind, ids in drops.items() if held[kind]]
            try:
                self._write([*rows, *added, *dropped], deadline)
            except Refusal as refusal:
                if refusal.unclear and is_done():
                    return
                if has_failed_condition(refusal.reasons[: len(rows)]):
                    raise
                held |= _read_held(refusal.reasons[len(rows) + len(added) :], held)
            else:
                return
            self._calls.pause(deadline)

    def _write(self, actions: list[Action], deadline: Deadline) -> None:
        self._calls.call(
            "transact_write_items",
            deadline,
            refusals=(CONDITION_FAILED,),
            once=True,
            TransactItems=actions,
        )

    def _add(self, kind: str, row_id: str) -> Action:
        return {
            "Update": {
                "TableName": self._table,
                "Key": item_keys.key(kind),
                "UpdateExpression": "ADD ids :new",
                "ExpressionAttributeValues": {":new": {"SS": [row_id]}},
            }
        }

    def _drop(self, kind: str, ids: set[str], held: set[str]) -> Action:
        """Remove `ids` from a look-up item believed to hold `held`; delete it if nothing is left."""
        action: Action = {
            "TableName": self._table,
            "Key": item_keys.key(kind),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        size = {":size": {"N": str(len(held & ids))}}
        if held <= ids:
            named = {f":held{number}": {"S": row_id} for number, row_id in enumerate(sorted(held))}
            action["ConditionExpression"] = " AND ".join(
                [_THERE, "size(ids) = :size", *(f"contains(ids, {name})" for name in named)]
            )
            return {"Delete": {**action, "ExpressionAttributeValues": {**size, **named}}}
        action["ConditionExpression"] = f"{_THERE} AND size(ids) > :size"
        action["UpdateExpression"] = "DELETE ids :old"
        action["ExpressionAttributeValues"] = {**size, ":old": {"SS": sorted(ids)}}
        return {"Update": action}


def has_failed_condition(reasons: Iterable[dict[str, Any]]) -> bool:
    """Return whether one of these actions was refused by its condition."""
    return any(reason.get("Code") == CONDITION_FAILED for reason in reasons)


def _read_held(reasons: list[dict[str, Any]], held: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return what the look-up items hold that a transaction got wrong; empty means none."""
    asked = [kind for kind, believed in held.items() if believed]
    return {
        kind: set(reason.get("Item", {}).get("ids", {}).get("SS", ()))
        for kind, reason in zip(asked, reasons, strict=True)
        if reason.get("Code") == CONDITION_FAILED
    }
