"""What a renewal costs in requests, as the pages say it."""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.aws.support import make_dynamodb, make_secretsmanager, requests_of
from tests.docs.pages import DOCS
from zoho_tokenstore import RefreshPolicy
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.repository import TokenRepository


def cost_of_a_renewal(backend: Any) -> Counter[str]:
    """Return the requests of the look-up that renews a token; the next one takes a single request."""
    with Emulator() as zoho, TokenRepository(backend) as repository:
        client = zoho.default_client
        stale = TokenRecord(
            user_name="alice", client_id=client.client_id, client_secret=client.client_secret,
            refresh_token=zoho.mint_refresh_token(), access_token="a",
            expires_at_ms=int(time.time() * 1000) + 1000,
        )  # fmt: skip
        renewer = Renewer(repository, RefreshPolicy())
        token_id = renewer.save(stale).id or ""
        with requests_of(backend) as sent:
            renewed = renewer.get(token_id, lambda: Origin(accounts_url=zoho.url))
        assert renewed is not None
        assert zoho.is_live(renewed.access_token or "")
        with requests_of(backend) as looked_up:
            assert renewer.get(token_id) == renewed
        assert len(looked_up) == 1
        renewer.close()
        return Counter(sent)


def test_dynamodb(tmp_path: Path) -> None:
    """A renewal takes as many requests as the page says; a look-up of a fresh token takes one."""
    cost = cost_of_a_renewal(make_dynamodb(tmp_path))
    assert cost.keys() == {"GetItem", "PutItem", "TransactWriteItems"}
    told = ", ".join(f"{count} `{name}`" for name, count in sorted(cost.items()))
    assert f"| a renewal | {told} |" in page("dynamodb")


def test_secretsmanager(tmp_path: Path) -> None:
    """A renewal takes as many requests as the page says; a look-up of a fresh token takes one."""
    cost = cost_of_a_renewal(make_secretsmanager(tmp_path))
    rows = cost["GetSecretValue"] - 1
    assert f"| a renewal | {cost.total()}: the row is read {_TIMES[rows]};" in page("secretsmanager")


_TIMES = {2: "twice", 3: "three times", 4: "four times", 5: "five times"}


def page(name: str) -> str:
    return (DOCS / "reference" / "stores" / f"{name}.md").read_text(encoding="utf-8")
