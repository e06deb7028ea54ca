"""Leases as items of the table: seen by everybody who uses it, on any host."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from typing import Any, Final

from zoho_tokenstore.backends._aws.calls import Calls, Deadline, Refusal
from zoho_tokenstore.backends._dynamodb import keys
from zoho_tokenstore.backends._dynamodb.transactions import CONDITION_FAILED
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.errors import BackendError
from zoho_tokenstore.leases import FORGET_AFTER_MS, Lease

TTL_ATTRIBUTE: Final = "ttl"

_DAY_MS: Final = 86_400_000

Change = Callable[[Lease, int], Lease | None]


class DynamoDBLeases:
    """The leases of a table.

    A lease is changed by compare-and-set: it is read, then judged by the time as it is *after*
    that, then replaced on condition that nobody has replaced it since. So a request that is held
    up on its way can give nobody a lease that others have taken meanwhile.
    """

    def __init__(self, calls: Calls, table: str, clock: Clock = now_ms) -> None:
        self._calls = calls
        self._table = table
        self._clock = clock

    def look(self, name: str) -> Lease:
        return self._read(name, self._calls.deadline())[0]

    def acquire(self, name: str, owner: str, ttl_ms: int) -> Lease:
        def take(lease: Lease, now: int) -> Lease | None:
            return None if lease.is_held(now, ttl_ms) else Lease(owner, now + ttl_ms, lease.note)

        return self._change(name, take)[0]

    def annotate(self, name: str, was: str, note: str) -> bool:
        def write(lease: Lease, now: int) -> Lease | None:
            return lease._replace(note=note, until_ms=lease.until_ms or now) if lease.note == was else None

        return self._change(name, write)[1]

    def release(self, name: str, owner: str) -> bool:
        def give_back(lease: Lease, _: int) -> Lease | None:
            return lease._replace(owner=None) if lease.owner == owner else None

        return self._change(name, give_back)[1]

    def _change(self, name: str, change: Change) -> tuple[Lease, bool]:
        """Apply a change to a lease, unless it is `None`; return the lease, and whether it was changed."""
        deadline = self._calls.deadline()
        while True:
            lease, mark = self._read(name, deadline)
            changed = change(lease, self._clock())
            if changed is None:
                return lease, False
            if self._replace(name, mark, changed, deadline):
                return changed, True
            self._calls.pause(deadline)

    def _read(self, name: str, deadline: Deadline) -> tuple[Lease, str | None]:
        """Return a lease, and the mark of this state of it; `None`: there is no item."""
        answer = self._calls.call(
            "get_item", deadline, TableName=self._table, Key=_key(name), ConsistentRead=True
        )
        item = answer.get("Item")
        if item is None:
            return Lease(), None
        lease, mark = self._lease(name, item)
        # AWS deletes what is over its time to live within days; what is too old counts as gone at once.
        forgotten = lease.until_ms < self._clock() - FORGET_AFTER_MS
        return Lease() if forgotten else lease, mark

    def _lease(self, name: str, item: dict[str, Any]) -> tuple[Lease, str]:
        try:
            lease = Lease(item.get("owner", {}).get("S"), int(item["until_ms"]["N"]), item["note"]["S"])
            return lease, item["mark"]["S"]
        except (KeyError, ValueError):
            pass
        raise BackendError(
            f"{self._calls.subject} has a lease {name!r} that cannot be read. Delete its item: "
            "it is forgotten after an hour anyway."
        )

    def _replace(self, name: str, mark: str | None, lease: Lease, deadline: Deadline) -> bool:
        new = secrets.token_hex(16)
        try:
            self._calls.call(
                "put_item",
                deadline,
                refusals=(f"{CONDITION_FAILED}Exception",),
                TableName=self._table,
                Item=_item(name, lease, new),
                **_if_mark(mark),
            )
        except Refusal as refusal:
            return refusal.unclear and self._read(name, deadline)[1] == new
        return True


def _key(name: str) -> keys.Key:
    return keys.key(f"lease:{name}")


def _item(name: str, lease: Lease, mark: str) -> dict[str, Any]:
    ends = (lease.until_ms + FORGET_AFTER_MS + _DAY_MS) // 1000  # a day later: clocks may differ
    item = {
        **_key(name),
        "until_ms": {"N": str(lease.until_ms)},
        "note": {"S": lease.note},
        "mark": {"S": mark},
        TTL_ATTRIBUTE: {"N": str(ends)},
    }
    return item if lease.owner is None else {**item, "owner": {"S": lease.owner}}


def _if_mark(mark: str | None) -> dict[str, Any]:
    if mark is None:
        return {"ConditionExpression": "attribute_not_exists(mark)"}
    return {
        "ConditionExpression": "mark = :mark",
        "ExpressionAttributeValues": {":mark": {"S": mark}},
    }
