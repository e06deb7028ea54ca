"""Errors about a refresh reach users of the SDK as its own exception."""

from __future__ import annotations

from datetime import timedelta

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from tests.unit.refresh.support import FakeClock, Storage, in_thread
from zoho_tokenstore import TokenRecord, TokenRepository
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.sdk import RepositoryStore


def test_look_ups_of_the_sdk_raise_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Both look-ups, asked by the SDK, raise an SDKException when somebody else refreshes for too long."""
    monkeypatch.setattr("zoho_tokenstore.sdk.token_store.is_asked_by_sdk", lambda: True)
    repository = TokenRepository(Storage(FakeClock()))
    saved = repository.save(
        TokenRecord(client_id="c", client_secret="s", refresh_token="r", access_token="a", expires_at_ms=1)
    )
    policy = RefreshPolicy(wait=timedelta(0))
    first, second = (RepositoryStore(repository, refresh=policy) for _ in range(2))
    first.find_token_by_id(saved.id or "")
    with pytest.raises(SDKException, match="Somebody else is refreshing"):
        in_thread(lambda: second.find_token_by_id(saved.id or ""))
    with pytest.raises(SDKException, match="Somebody else is refreshing"):
        second.find_token(OAuthToken(client_id="c", client_secret="s", refresh_token="r"))
