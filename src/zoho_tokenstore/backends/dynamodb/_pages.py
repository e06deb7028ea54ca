"""The items of one partition, page by page, in the order of their ids."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws.calls import AWSCalls
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.backends.dynamodb._items import Item, id_of


class PartitionPages:
    """The pages of one partition of a table."""

    def __init__(self, calls: AWSCalls, table: str, kind: str) -> None:
        self._calls = calls
        self._table = table
        self._kind = kind

    def page(self, last: str, size: int | None, deadline: Deadline) -> tuple[list[Item], bool]:
        """Return the items after an id, at most `size`, and whether there are more."""
        query = self._query(last)
        if size is not None:
            query["Limit"] = size
        answer = self._calls.call("query", deadline, **query)
        return answer["Items"], "LastEvaluatedKey" in answer

    def count(self) -> int:
        """Return how many items there are; none is transferred."""
        count, query = 0, {**self._query(""), "Select": "COUNT"}
        while True:
            answer = self._calls.call("query", self._calls.deadline(), **query)
            count += int(answer["Count"])
            if "LastEvaluatedKey" not in answer:
                return count
            query["ExclusiveStartKey"] = answer["LastEvaluatedKey"]

    def _query(self, last: str) -> dict[str, Any]:
        names, values = {"#kind": item_keys.KIND}, {":kind": {"S": self._kind}}
        condition = "#kind = :kind"
        if last:
            names["#id"], values[":last"] = item_keys.ID, {"S": last}
            condition += " AND #id > :last"
        return {
            "TableName": self._table,
            "ConsistentRead": True,
            "KeyConditionExpression": condition,
            "ExpressionAttributeNames": names,
            "ExpressionAttributeValues": values,
        }

    def items(self, last: str = "", size: int | None = None) -> Iterator[Item]:
        """Yield the items after an id, in pages of `size`."""
        more = True
        while more:
            items, more = self.page(last, size, self._calls.deadline())
            yield from items
            last = id_of(items[-1]) if items else last
