"""Checks that the table exists and is ours, or creates it on request."""

from __future__ import annotations

from typing import Any, Final

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backends._aws.calls import AWSCalls, Refusal
from zoho_tokenstore.backends.dynamodb import _item_keys as item_keys
from zoho_tokenstore.backends.dynamodb._leases import TTL_ATTRIBUTE
from zoho_tokenstore.errors import BackendError, BackendTimeoutError, ConfigurationError

LAYOUT: Final = 1

_CREATION_TIMEOUT: Final = 120.0

_KEY_TYPES: Final = {item_keys.KIND: "HASH", item_keys.ID: "RANGE"}


def open_table(calls: AWSCalls, table: str) -> None:
    """Check with one request that the table can be used.

    A release with a different layout leaves an item that says so.
    """
    try:
        item = _layout(calls, table)
    except Refusal as refusal:
        code, error = refusal.code, refusal.error
    else:
        _check_layout(calls, item)
        return
    if code == "ResourceNotFoundException":
        raise ConfigurationError(
            f"{calls.subject} does not exist, or is still being created. Check region and name. To create "
            "it, run the command on the store's page, or open the store once with create=True."
        ) from error
    raise ConfigurationError(
        f"{calls.subject} is not one of ours: its keys must be {item_keys.KIND} (partition) "
        f"and {item_keys.ID} (sort), both strings. It was left as it is; name another one."
    )


def create_table(calls: AWSCalls, table: str) -> None:
    """Create the table, unless it exists, and wait until it can be used."""
    deadline = Deadline(_CREATION_TIMEOUT, first_delay=0.02, longest_delay=0.5)
    created = _create(calls, table)
    while _status(calls, table) != "ACTIVE":
        _wait(calls, deadline)
    if created:
        calls.call(
            "update_time_to_live",
            TableName=table,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": TTL_ATTRIBUTE},
        )


def _layout(calls: AWSCalls, table: str) -> dict[str, Any]:
    answer = calls.call(
        "get_item",
        refusals=("ResourceNotFoundException", "ValidationException"),
        TableName=table,
        Key=item_keys.key("store", "layout"),
        ConsistentRead=True,
    )
    item: dict[str, Any] = answer.get("Item", {})
    return item


def _check_layout(calls: AWSCalls, item: dict[str, Any]) -> None:
    layout = item.get("layout", {}).get("N", str(LAYOUT))
    if layout != str(LAYOUT):
        raise BackendError(
            f"{calls.subject} has layout {layout}; this release knows {LAYOUT}. "
            "Upgrade zoho-tokenstore to open it."
        )


def _create(calls: AWSCalls, table: str) -> bool:
    try:
        calls.call(
            "create_table",
            refusals=("ResourceInUseException",),
            TableName=table,
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in _KEY_TYPES],
            KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in _KEY_TYPES.items()],
        )
    except Refusal:  # it exists, or somebody else is creating it
        return False
    return True


def _status(calls: AWSCalls, table: str) -> str:
    try:
        answer = calls.call("describe_table", refusals=("ResourceNotFoundException",), TableName=table)
    except Refusal:  # not yet seen everywhere
        return ""
    status: str = answer["Table"]["TableStatus"]
    return status


def _wait(calls: AWSCalls, deadline: Deadline) -> None:
    if not deadline.delay():
        raise BackendTimeoutError(
            f"{calls.subject} is still being created after {_CREATION_TIMEOUT:g} s. Open it later."
        )
