"""Rows and their look-up items, changed in one transaction.

A look-up item holds the sort keys of the rows that one index finds under one text, as a set. So it
can be read with others at one moment (`TransactGetItems` reads items, not queries), and a secondary
index of DynamoDB will not do: those follow later. An item whose set is empty must go, or every
access token that ever was would leave one. DynamoDB has no "delete it if the set is empty then",
so a transaction says what it believes, and is built anew if that is wrong. Nearly always it is
right: what finds a row finds that row alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from zoho_tokenstore.backends._aws.calls import Calls, Deadline, Refusal
from zoho_tokenstore.backends._dynamodb import keys

Action = dict[str, Any]

CONDITION_FAILED = "ConditionalCheckFailed"

_THERE = "attribute_exists(ids)"


class Transactions:
    """Transactions on one table."""

    def __init__(self, calls: Calls, table: str) -> None:
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
        """Do all of it or nothing.

        Arguments:
            rows: the actions on rows, each with its condition.
            deadline: that of the whole call.
            adds: the sort keys of rows to add to look-up items.
            drops: those to take out of look-up items.
            is_done: tells, after an unanswered try, whether it was carried out.

        Raises:
            Refusal: a row is not as its condition says.
        """
        drops = drops or {}
        held = {kind: set(dropped) for kind, dropped in drops.items()}
        added = [self._add(kind, sort) for kind, sort in (adds or {}).items()]
        while True:
            dropped = [self._drop(kind, sorts, held[kind]) for kind, sorts in drops.items() if held[kind]]
            try:
                self._write([*rows, *added, *dropped], deadline)
            except Refusal as refusal:
                if refusal.unclear and is_done():
                    return
                if failed(refusal.reasons[: len(rows)]):
                    raise
                held |= _really_held(refusal.reasons[len(rows) + len(added) :], held)
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

    def _add(self, kind: str, sort: str) -> Action:
        return {
            "Update": {
                "TableName": self._table,
                "Key": keys.key(kind),
                "UpdateExpression": "ADD ids :new",
                "ExpressionAttributeValues": {":new": {"SS": [sort]}},
            }
        }

    def _drop(self, kind: str, sorts: set[str], held: set[str]) -> Action:
        """Take `sorts` out of a look-up item believed to hold `held`; delete it if nothing is left."""
        action: Action = {
            "TableName": self._table,
            "Key": keys.key(kind),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
        size = {":size": {"N": str(len(held & sorts))}}
        if held <= sorts:
            named = {f":held{number}": {"S": sort} for number, sort in enumerate(sorted(held))}
            action["ConditionExpression"] = " AND ".join(
                [_THERE, "size(ids) = :size", *(f"contains(ids, {name})" for name in named)]
            )
            return {"Delete": {**action, "ExpressionAttributeValues": {**size, **named}}}
        action["ConditionExpression"] = f"{_THERE} AND size(ids) > :size"
        action["UpdateExpression"] = "DELETE ids :old"
        action["ExpressionAttributeValues"] = {**size, ":old": {"SS": sorted(sorts)}}
        return {"Update": action}


def failed(reasons: Iterable[dict[str, Any]]) -> bool:
    """Tell whether one of these actions was refused by its condition."""
    return any(reason.get("Code") == CONDITION_FAILED for reason in reasons)


def _really_held(reasons: list[dict[str, Any]], held: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """Return what the look-up items hold about which a transaction was wrong; empty: there is none."""
    asked = [kind for kind, believed in held.items() if believed]
    return {
        kind: set(reason.get("Item", {}).get("ids", {}).get("SS", ()))
        for kind, reason in zip(asked, reasons, strict=True)
        if reason.get("Code") == CONDITION_FAILED
    }
