"""Errors about a renewal reach users of the SDK as its own exception."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from tests.unit.renewal.support import PRODUCTION, FakeClock, Line, Storage, Zoho
from zoho_tokenstore import RefreshPolicy, TokenRecord, TokenRepository
from zoho_tokenstore.errors import AccountsError, InvalidClientError, InvalidGrantError, RateLimitedError
from zoho_tokenstore.renewal import _renewer as renewer
from zoho_tokenstore.sdk import RepositoryStore


@pytest.mark.parametrize(
    ("refusal", "error", "code"),
    [
        ("invalid_code", InvalidGrantError, "INVALID TOKEN ERROR"),
        ("invalid_client", InvalidClientError, "INVALID TOKEN ERROR"),
        ("Access Denied", RateLimitedError, "TOKEN_STORE"),
    ],
)
def test_look_ups_raise_them(
    monkeypatch: pytest.MonkeyPatch, refusal: str, error: type[AccountsError], code: str
) -> None:
    """Both look-ups raise an SDKException that is ours as well, with what to do, and Zoho's own word."""
    zoho = Zoho(FakeClock())
    zoho.refusals = [refusal]
    monkeypatch.setattr(renewer, "Transport", lambda *_, **__: Line(zoho=zoho))
    store = _store()
    (record,) = store.repository.scan()
    query: dict[str, Any] = {"client_id": "c", "client_secret": "s", "refresh_token": "r"}
    for by_id in (True, False):
        with pytest.raises(error) as caught:
            store.find_token_by_id(record.id or "") if by_id else store.find_token(OAuthToken(**query))
        assert isinstance(caught.value, SDKException)
        assert caught.value.code == code
        assert caught.value.error_code == (refusal if error is not RateLimitedError else None)
    assert zoho.sent == 1


def test_a_wait_in_vain_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who waits for Zoho for too long is told so, in the SDK's way as well."""
    zoho = Zoho(FakeClock())
    zoho.gate.clear()
    monkeypatch.setattr(renewer, "Transport", lambda *_, **__: Line(zoho=zoho))
    store = _store(wait=timedelta(seconds=0.1))
    (record,) = store.repository.scan()
    with pytest.raises(SDKException, match=r"brought no token .* within 0\.1 s"):
        store.find_token_by_id(record.id or "")
    zoho.gate.set()


def _store(**policy: Any) -> RepositoryStore:
    clock = FakeClock()
    repository = TokenRepository(Storage(clock), clock=clock)
    repository.save(
        TokenRecord(
            client_id="c",
            client_secret="s",
            refresh_token="r",
            access_token="a",
            api_domain=PRODUCTION,
            expires_at_ms=1,
        )
    )
    return RepositoryStore(repository, refresh=RefreshPolicy(**policy))
