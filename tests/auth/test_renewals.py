"""A login's token is good for every API and client; one that Zoho refuses is renewed once."""

from __future__ import annotations

import httpx2
import pytest
import requests

from tests.auth.support import Call, Site, at_once, log_in
from zoho_tokenstore import AccountsUnavailableError, InvalidGrantError, TokenNotFoundError
from zoho_tokenstore.auth import ZohoAuth
from zoho_tokenstore.tokens import AsyncTokens

APIS = {
    "crm": "/crm/v8/org",
    "books": "/books/v3/organizations",
    "services": "/api/v1/tickets",
}
EVERY_API = pytest.mark.parametrize("path", APIS.values(), ids=APIS)
EITHER_KIND = pytest.mark.parametrize("kind", ["Tokens", "AsyncTokens"])


@EVERY_API
def test_any_api_is_called_with_a_stored_login(site: Site, call: Call, path: str) -> None:
    """The token of the store is sent as it is while it is good."""
    assert call(site.auth, "GET", site.zoho.url + path).status_code == 200
    assert site.renewals == 0


@EITHER_KIND
def test_both_kinds_of_tokens_serve_every_client(site: Site, call: Call, kind: str) -> None:
    """`Tokens` and `AsyncTokens`, each with clients that wait and clients that await."""
    tokens = site.tokens if kind == "Tokens" else AsyncTokens(site.tokens)
    site.expire()
    assert call(ZohoAuth(tokens, site.id), "GET", site.zoho.url + APIS["crm"]).status_code == 200
    assert site.renewals == 1


def test_an_expired_token_is_renewed_before_it_is_sent(site: Site, call: Call) -> None:
    """Zoho's API sees the new one only."""
    site.expire()
    assert call(site.auth, "GET", site.zoho.url + APIS["crm"]).status_code == 200
    assert site.renewals == 1
    assert site.zoho.counters().count("org", "INVALID_TOKEN") == 0


@EVERY_API
def test_an_evicted_token_is_renewed_and_the_request_sent_again(site: Site, call: Call, path: str) -> None:
    """By its expiry it is good, but Zoho has forgotten it; every API has words of its own for that."""
    site.zoho.expire_access_tokens()
    answer = call(site.auth, "GET", site.zoho.url + path)
    assert answer.status_code == 200
    assert [one.status_code for one in answer.history] == [401]
    assert site.renewals == 1
    assert site.stored().access_token != site.login.access_token


def test_a_wrong_refusal_is_answered_likewise(site: Site, call: Call) -> None:
    """Zoho says AUTHENTICATION_FAILURE of a good token now and then."""
    site.zoho.fault("crm", "error", times=1, error="AUTHENTICATION_FAILURE")
    assert call(site.auth, "GET", site.zoho.url + APIS["crm"]).status_code == 200
    assert site.renewals == 1


def test_a_token_that_somebody_has_renewed_is_not_renewed_again(site: Site) -> None:
    """The refused token is not the stored one any more: that one is sent."""
    request = httpx2.Request("GET", site.zoho.url)
    flow = site.auth.sync_auth_flow(request)
    assert next(flow).headers["Authorization"] == f"Zoho-oauthtoken {site.login.access_token}"
    renewed = site.tokens.refresh(site.id)
    again = flow.send(httpx2.Response(401, request=request))
    assert again.headers["Authorization"] == f"Zoho-oauthtoken {renewed.access_token}"
    assert site.renewals == 1


def test_a_second_401_is_the_callers(site: Site, call: Call) -> None:
    """One renewal and one repetition, not more."""
    site.zoho.fault("crm", "error", error="INVALID_TOKEN")
    answer = call(site.auth, "GET", site.zoho.url + APIS["crm"])
    assert (answer.status_code, answer.json()["code"]) == (401, "INVALID_TOKEN")
    assert site.renewals == 1
    assert site.zoho.counters().count("org") == 2


def test_an_api_that_refuses_every_token_uses_up_no_ones_renewals(site: Site, call: Call) -> None:
    """Books has one code for a dead token and a missing scope. Others need the ten tokens in ten minutes."""
    login = log_in(site.zoho, site.tokens, scopes=["ZohoCRM.org.READ"])
    auths = [ZohoAuth(site.tokens, login.id or "") for _ in range(4)]
    for auth in auths:
        assert call(auth, "GET", site.zoho.url + APIS["books"]).json()["code"] == 57
    assert site.renewals == 1
    site.zoho.expire_access_tokens()
    assert call(auths[0], "GET", site.zoho.url + APIS["crm"]).status_code == 200
    assert site.renewals == 2


def test_a_missing_scope_is_the_callers(site: Site, call: Call) -> None:
    """No new token would have it: nothing is renewed."""
    login = log_in(site.zoho, site.tokens, scopes=["ZohoBooks.settings.READ"])
    answer = call(ZohoAuth(site.tokens, login.id or ""), "GET", site.zoho.url + APIS["crm"])
    assert (answer.status_code, answer.json()["code"]) == (401, "OAUTH_SCOPE_MISMATCH")
    assert site.renewals == 0


def test_a_revoked_login_is_told(site: Site, call: Call) -> None:
    """The user has to log in again; Zoho is asked once, whoever calls."""
    site.zoho.expire_access_tokens()
    site.zoho.fault("token", "error", error="invalid_code")
    for _ in range(3):
        with pytest.raises(InvalidGrantError) as caught:
            call(site.auth, "GET", site.zoho.url + APIS["crm"])
        assert caught.value.error_code == "invalid_code"
    assert site.renewals == 1


def test_an_outage_is_told(site: Site, call: Call) -> None:
    """The token is dead, and no other is to be had now."""
    site.zoho.expire_access_tokens()
    site.zoho.fault("token", "status", status=503)
    with pytest.raises(AccountsUnavailableError):
        call(site.auth, "GET", site.zoho.url + APIS["crm"])


def test_a_login_that_does_not_exist_is_told(site: Site, call: Call) -> None:
    """Nothing is sent."""
    with pytest.raises(TokenNotFoundError, match="'nobody'"):
        call(ZohoAuth(site.tokens, "nobody"), "GET", site.zoho.url + APIS["crm"])
    assert site.zoho.counters().count("org") == 0


def test_twenty_threads_with_an_evicted_token_renew_it_once(site: Site) -> None:
    """All of them are refused, and all are served."""
    site.zoho.expire_access_tokens()
    auth = site.auth
    with httpx2.Client(auth=auth, trust_env=False, timeout=30) as client:
        answers = at_once(20, lambda: client.get(site.zoho.url + APIS["crm"]))
    assert [answer.status_code for answer in answers] == [200] * 20
    assert site.renewals == 1
    assert site.zoho.counters().count("org", "INVALID_TOKEN") >= 1


def test_a_refusal_of_a_stale_request_of_requests_is_handled(site: Site) -> None:
    """A prepared request that is sent an hour later gets a new token by its 401."""
    prepared = requests.Request("GET", site.zoho.url + APIS["crm"], auth=site.auth).prepare()
    with requests.Session() as session:
        session.trust_env = False
        for _ in range(2):  # and again
            site.zoho.expire_access_tokens()
            assert session.send(prepared, timeout=20).status_code == 200
    assert site.renewals == 2
