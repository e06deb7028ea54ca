"""The IAM policies of the pages allow what the backends do, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.aws.support import make_dynamodb, make_secretsmanager, reopen_dynamodb
from tests.docs.pages import DOCS, Page
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing._backend import full_row

ACTIONS: Final = {
    # A transaction needs the rights for what is in it; it has no action of its own.
    "TransactWriteItems": {"PutItem", "UpdateItem", "DeleteItem", "ConditionCheckItem"},
    "TransactGetItems": {"GetItem"},
    "UpdateTimeToLive": {"UpdateTimeToLive"},
}
TO_CREATE: Final = {"CreateTable", "DescribeTable", "UpdateTimeToLive"}
TO_USE_A_KEY: Final = {"kms:Decrypt", "kms:GenerateDataKey"}


def allowed(page: str) -> set[str]:
    """Return the actions that the policies of a page allow."""
    blocks = Page(DOCS / "reference" / "stores" / f"{page}.md").blocks("json")
    statements: list[dict[str, Any]] = [s for block in blocks for s in json.loads(block.source)["Statement"]]
    assert all(statement["Effect"] == "Allow" for statement in statements)
    return {action for statement in statements for action in statement["Action"]}


def needed(service: str, operations: set[str]) -> set[str]:
    """Return the actions that one must be allowed to send these operations."""
    return {f"{service}:{action}" for name in operations for action in ACTIONS.get(name, {name})}


def use(backend: Backend) -> None:
    """Make every call of a backend, with everything that can come in its way."""
    etag = backend.write(full_row("1"), expect=None)
    backend.write(full_row("2"), expect=None)
    etag = backend.write(full_row("1", "b"), expect=etag)
    backend.write(Row("1"), expect=etag)
    backend.load("1")
    backend.find("user_name", "user_name-a", "b")
    list(backend.scan())
    backend.remove("1")
    backend.clear()


def test_dynamodb(tmp_path: Path, operations: set[str]) -> None:
    """The page of DynamoDB allows what the backend and its leases send, beside what creates a table."""
    make_dynamodb(tmp_path).close()
    assert operations >= TO_CREATE
    operations.clear()
    backend = reopen_dynamodb(tmp_path)
    use(backend)
    backend.leases.replace("a", backend.leases.read("a").text, "one", 1)
    backend.close()
    assert allowed("dynamodb") == needed("dynamodb", operations)


def test_secretsmanager(tmp_path: Path, operations: set[str]) -> None:
    """The page of Secrets Manager allows what the backend sends, and the use of a key of one's own."""
    backend = make_secretsmanager(tmp_path)
    use(backend)
    backend.close()
    assert allowed("secretsmanager") == needed("secretsmanager", operations) | TO_USE_A_KEY


@pytest.mark.parametrize("name", sorted(TO_CREATE))
def test_nobody_needs_to_create_tables(name: str) -> None:
    """What creates the table is for who sets it up: the policy does without."""
    assert f"dynamodb:{name}" not in allowed("dynamodb")
