"""Leases as items of the table, seen by all its users on any host."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.backends._aws.calls import AWSCalls, Refusal
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.backends.dynamodb._transactions import CONDITION_FAILED
from zoho_tokenstore.errors import BackendError

TTL_ATTRIBUTE: Final = "ttl"

_TEXT: Final = {"#text": "text"}  # a reserved word
_DAY_MS: Final = 86_400_000


class DynamoDBLeases:
    """The leases of a table. AWS offers no clock: their time is the host's."""

    def __init__(self, calls: AWSCalls, table: str, clock: Clock = now_ms) -> None:
        self._calls = calls
        self._table = table
        self._clock = clock

    def read(self, name: str) -> LeaseState:
        answer = self._calls.call("get_item", TableName=self._table, Key=_key(name), ConsistentRead=True)
        return LeaseState(self._text(name, answer.get("Item")), self._clock())

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        # What is stored already counts: the answer to an earlier try may have been lost.
        condition = "#text IN (:was, :text)" if was else "attribute_not_exists(#text) OR #text = :text"
        values = {":was": {"S": was}, ":text": {"S": text}} if was else {":text": {"S": text}}
        try:
            self._calls.call(
                "put_item",
                refusals=(f"{CONDITION_FAILED}Exception",),
                TableName=self._table,
                Item={**_key(name), "text": {"S": text}, TTL_ATTRIBUTE: self._ttl(keep_ms)},
                ConditionExpression=condition,
                ExpressionAttributeNames=_TEXT,
                ExpressionAttributeValues=values,
            )
        except Refusal:
            return False
        return True

    def _ttl(self, keep_ms: int) -> dict[str, str]:
        """Return when AWS may delete the item, in seconds: a day later, as clocks may differ."""
        return {"N": str((self._clock() + keep_ms + _DAY_MS) // 1000)}

    def _text(self, name: str, item: dict[str, Any] | None) -> str:
        match item:
            case None:
                return ""
            case {"text": {"S": str(text)}}:
                return text
        raise BackendError(
            f"{self._calls.subject} has a lease {name!r} that cannot be read. Delete its item: "
            "it expires after some days anyway."
        )


def _key(name: str) -> item_keys.Key:
    return item_keys.key(f"lease:{name}")
