"""A site on a sandbox: its users act there, and not on what is real."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from zohocrmsdk.src.com.zoho.crm.api.dc import USDataCenter

from tests.sdk.app import Initializer
from zoho_tokenstore import Client, RepositoryStore, SQLiteStore
from zoho_tokenstore.login import LoginFlow
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport

# Zoho names production's domain, whatever it is for.
GRANT = {"access_token": "a", "refresh_token": "r", "api_domain": "https://www.zohoapis.eu"}
ANSWERS = {"users": {"users": [{"email": "p@zylker.example"}]}, "org": {"org": [{"zgid": "7"}]}}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RepositoryStore]:
    asked: list[str] = []

    def get(_: object, url: str, headers: object) -> HTTPAnswer:
        asked.append(url)
        return HTTPAnswer(200, json.dumps(ANSWERS[url.rpartition("/")[2].partition("?")[0]]).encode())

    monkeypatch.setattr(Transport, "get", get)
    monkeypatch.setattr(Transport, "post", lambda *_, **__: HTTPAnswer(200, json.dumps(GRANT).encode()))
    with SQLiteStore(tmp_path / "tokens.db") as store:
        yield store
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("place", "domain"),
    [
        (USDataCenter.PRODUCTION(), "https://www.zohoapis.eu"),
        (USDataCenter.SANDBOX(), "https://sandbox.zohoapis.eu"),
        (USDataCenter.DEVELOPER(), "https://developer.zohoapis.eu"),
    ],
)
def test_where_a_user_acts(store: RepositoryStore, place: object, domain: str) -> None:
    """In the environment that the SDK was initialized with, in the user's own data centre."""
    store.initialize_sdk(place)
    flow = LoginFlow(store.tokens, Client("1000.A", "secret"), "https://portal.example/callback")
    kept = flow.start().kept
    login = flow.finish({"state": next(iter(kept)), "code": "c", "location": "eu"}, kept).login
    assert login.api_domain == domain
    with store.tokens.acting_as(login.id or ""):
        assert Initializer.get_initializer().environment.url == domain
