"""What a login costs in requests, as the pages say it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.aws.support import make_dynamodb, make_secretsmanager, requests_of
from tests.docs.pages import DOCS
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import TokenRepository

NOW = int(time.time() * 1000)
DUE = TokenRecord(
    user_name="alice", client_id="c", client_secret="s", refresh_token="r", access_token="a",
    expires_at_ms=NOW + 60_000,
)  # fmt: skip


def cost_of_a_refresh(backend: Any) -> Counter[str]:
    """Return the requests from the look-up of a token that is due to the end of the save of the next one."""
    coordinator = Coordinator(TokenRepository(backend))
    saved = coordinator.save(DUE)
    assert saved.id is not None
    with requests_of(backend) as sent:
        due = coordinator.get(saved.id)
        assert due is not None
        coordinator.save(due.changed(access_token="b", expires_at_ms=NOW + 3_600_000))
    with requests_of(backend) as looked_up:
        assert coordinator.get(saved.id) is not None
    assert len(looked_up) == 1
    coordinator.close()
    backend.close()
    return Counter(sent)


def test_dynamodb(tmp_path: Path) -> None:
    """A refresh takes as many requests as the page says; a look-up of a fresh token takes one."""
    cost = cost_of_a_refresh(make_dynamodb(tmp_path))
    assert cost == {"GetItem": 10, "PutItem": 3, "TransactWriteItems": 2}
    told = ", ".join(f"{count} `{name}`" for name, count in cost.items())
    assert f"| a refresh, with its lease | {told} |" in page("dynamodb")


def test_secretsmanager(tmp_path: Path) -> None:
    """A refresh takes as many requests as the page says; a look-up of a fresh token takes one."""
    cost = cost_of_a_refresh(make_secretsmanager(tmp_path))
    assert cost["GetSecretValue"] == 5 + 1
    assert f"| a refresh | {cost.total()}: the row is read five times;" in page("secretsmanager")


def page(name: str) -> str:
    return (DOCS / "reference" / "stores" / f"{name}.md").read_text(encoding="utf-8")
