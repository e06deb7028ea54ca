"""Errors about a refresh reach users of the SDK as its own exception."""

from __future__ import annotations

import pickle
from datetime import timedelta

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException

from tests.unit.refresh.support import FakeClock, Storage, in_thread
from zoho_tokenstore import TokenRecord, TokenRepository
from zoho_tokenstore.errors import AccountsError, AccountsUnavailableError, RateLimitedError
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.sdk import RepositoryStore, SDKAccountsUnavailableError, SDKRateLimitedError
from zoho_tokenstore.sdk.failures import sdk_error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (RateLimitedError("Wait 9 s.", retry_after=9), SDKRateLimitedError),
        (AccountsUnavailableError("No answer."), SDKAccountsUnavailableError),
    ],
)
def test_both_kinds_of_error(error: AccountsError, kind: type[AccountsError]) -> None:
    """It is our error and the SDK's, with the message and the time to wait, also after pickling."""
    told = sdk_error(error)
    for one in (told, pickle.loads(pickle.dumps(told))):
        assert type(one) is kind
        assert isinstance(one, SDKException)
        assert isinstance(one, type(error))
        assert str(one) == str(error)
        assert one.retry_after == error.retry_after
        assert getattr(one, "code", None) == "TOKEN_STORE"
        assert getattr(one, "error_message", None) == str(error)


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
