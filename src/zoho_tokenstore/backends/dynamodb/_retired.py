"""The ids of deleted rows: one item each, written in the transaction that deletes the row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.backends._aws.calls import AWSCalls, Refusal
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.backends.dynamodb._items import retired_id_of, retired_item
from zoho_tokenstore.backends.dynamodb._pages import PartitionPages
from zoho_tokenstore.backends.dynamodb._transactions import CONDITION_FAILED, Action
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.records import RetiredId

_CLEARED: Final = item_keys.key("store", "cleared")
_REFUSED: Final = (f"{CONDITION_FAILED}Exception",)


class DynamoDBRetiredIds:
    """The retired ids of a table."""

    def __init__(self, calls: AWSCalls, table: str) -> None:
        self._calls = calls
        self._table = table
        self._pages = PartitionPages(calls, table, item_keys.RETIRED)

    def scan(self) -> Iterator[RetiredId]:
        return map(retired_id_of, self._pages.items())

    def add(self, ids: Iterable[RetiredId]) -> int:
        return sum(map(self._add, ids))

    def prune(self, before_ms: int) -> int:
        old = [retired.id for retired in self.scan() if retired.at_ms < before_ms]
        for row_id in old:
            key = item_keys.key(item_keys.RETIRED, row_id)
            self._calls.call("delete_item", TableName=self._table, Key=key)
        return len(old)

    def cleared_ms(self) -> int:
        item = self._calls.call("get_item", TableName=self._table, Key=_CLEARED, ConsistentRead=True).get(
            "Item"
        )
        try:
            return 0 if item is None else int(item["at_ms"]["N"])
        except (KeyError, ValueError):
            pass
        raise BackendError(
            f"{self._calls.subject} has an item store/cleared without the time of the last clear. Delete it."
        )

    def note_clear(self) -> None:
        """Increase `cleared_ms`."""
        update: dict[str, Any] = {"TableName": self._table, "Key": _CLEARED}
        try:
            self._calls.call(
                "update_item",
                refusals=_REFUSED,
                **update,
                UpdateExpression="SET at_ms = :now",
                ConditionExpression="attribute_not_exists(at_ms) OR at_ms < :now",
                ExpressionAttributeValues={":now": {"N": str(now_ms())}},
            )
        except Refusal:  # this host's clock is behind
            self._calls.call(
                "update_item",
                **update,
                UpdateExpression="SET at_ms = at_ms + :one",
                ExpressionAttributeValues={":one": {"N": "1"}},
            )

    def retire_action(self, row_id: str) -> Action:
        """Return the action that retires an id."""
        return {"Put": {"TableName": self._table, "Item": retired_item(row_id, now_ms())}}

    def check_action(self, row_id: str) -> Action:
        """Return the action that is refused if an id is retired."""
        key = item_keys.key(item_keys.RETIRED, row_id)
        return {
            "ConditionCheck": {
                "TableName": self._table,
                "Key": key,
                "ConditionExpression": "attribute_not_exists(id)",
            }
        }

    def _add(self, retired: RetiredId) -> bool:
        try:
            self._calls.call(
                "put_item",
                refusals=_REFUSED,
                TableName=self._table,
                Item=retired_item(*retired),
                ConditionExpression="attribute_not_exists(id)",
            )
        except Refusal as refusal:
            return refusal.unclear
        return True
