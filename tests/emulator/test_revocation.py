"""Both documented forms of revocation."""

from __future__ import annotations

import pytest

from tests.emulator.support import Caller


def test_revoking_a_refresh_token_kills_its_access_tokens(caller: Caller) -> None:
    """`POST /oauth/v2/token/revoke` with the token in the form, no client authentication."""
    tokens = caller.log_in()
    second = caller.refresh(tokens["refresh_token"]).json()["access_token"]
    answer = caller.http.post(f"{caller.zoho.accounts_url}/revoke", data={"token": tokens["refresh_token"]})
    assert (answer.status_code, answer.json()) == (200, {"status": "success"})
    assert not any(map(caller.zoho.is_live, [*_both(tokens), second]))
    assert caller.refresh(tokens["refresh_token"]).json() == {"error": "invalid_code"}


def test_token_may_come_in_the_query_string(caller: Caller) -> None:
    """The documentation shows the query string."""
    token = caller.zoho.mint_refresh_token()
    answer = caller.http.post(f"{caller.zoho.accounts_url}/revoke", params={"token": token})
    assert answer.json() == {"status": "success"}
    assert not caller.zoho.is_live(token)


def test_revoking_an_access_token_leaves_the_rest(caller: Caller) -> None:
    """An access token goes alone."""
    tokens = caller.log_in()
    caller.http.post(f"{caller.zoho.accounts_url}/revoke", data={"token": tokens["access_token"]})
    assert [caller.zoho.is_live(text) for text in _both(tokens)] == [False, True]


def test_unknown_token_is_status_400(caller: Caller) -> None:
    """An invalid token: HTTP 400, and no success in the body."""
    answer = caller.http.post(f"{caller.zoho.accounts_url}/revoke", data={"token": "1000.unknown"})
    assert answer.status_code == 400
    assert answer.json()["status"] != "success"


def test_newer_form_takes_basic_authentication_and_a_type(caller: Caller) -> None:
    """`POST /oauth/v2/revoke/token` with HTTP Basic client authentication and token_type."""
    client, token = caller.zoho.default_client, caller.zoho.mint_refresh_token()
    answer = caller.http.post(
        f"{caller.zoho.url}/oauth/v2/revoke/token",
        data={"token": token, "token_type": "refresh_token"},
        auth=(client.client_id, client.client_secret),
    )
    assert answer.json() == {"status": "success"}
    assert not caller.zoho.is_live(token)


@pytest.mark.parametrize("headers", [{}, {"Authorization": "Basic !!"}, {"Authorization": "Basic eDp5"}])
def test_newer_form_wants_a_known_client(caller: Caller, headers: dict[str, str]) -> None:
    """Without a known client nothing is revoked."""
    token = caller.zoho.mint_refresh_token()
    url = f"{caller.zoho.url}/oauth/v2/revoke/token"
    answer = caller.http.post(url, data={"token": token}, headers=headers)
    assert (answer.status_code, answer.json()) == (401, {"error": "invalid_client"})
    assert caller.zoho.is_live(token)


def test_newer_form_refuses_other_clients_and_types(caller: Caller) -> None:
    """A client revokes its own tokens only, and names their type rightly."""
    url, token = f"{caller.zoho.url}/oauth/v2/revoke/token", caller.zoho.mint_refresh_token()
    other, own = caller.zoho.add_client(), caller.zoho.default_client
    foreign = caller.http.post(url, data={"token": token}, auth=(other.client_id, other.client_secret))
    mistyped = caller.http.post(
        url, data={"token": token, "token_type": "access_token"}, auth=(own.client_id, own.client_secret)
    )
    assert [foreign.status_code, mistyped.status_code] == [400, 400]
    assert caller.zoho.is_live(token)


def test_revoked_while_a_refresh_is_on_its_way(caller: Caller) -> None:
    """The fault revoke: between receipt and answer the login dies, and the answer is an error."""
    tokens = caller.log_in()
    caller.zoho.fault("token:refresh_token", "revoke", times=1)
    assert caller.refresh(tokens["refresh_token"]).json() == {"error": "invalid_code"}
    assert not any(map(caller.zoho.is_live, _both(tokens)))
    counters = caller.zoho.counters()
    assert (counters.refreshes, counters.revocations) == (0, 1)


def test_revoked_after_a_refresh_was_carried_out(caller: Caller) -> None:
    """The fault revoke with after: the answer brings a token that is dead on arrival."""
    tokens = caller.log_in()
    caller.zoho.fault("token:refresh_token", "revoke", times=1, after=True)
    answer = caller.refresh(tokens["refresh_token"])
    assert answer.status_code == 200
    assert not any(map(caller.zoho.is_live, [*_both(tokens), answer.json()["access_token"]]))
    assert caller.refresh(tokens["refresh_token"]).json() == {"error": "invalid_code"}
    counters = caller.zoho.counters()
    assert (counters.refreshes, counters.revocations) == (1, 1)


def test_revoked_after_a_code_was_exchanged(caller: Caller) -> None:
    """The fault revoke with after, for a code: both tokens of the new login are dead."""
    other = caller.log_in()
    caller.zoho.fault("token:authorization_code", "revoke", times=1, after=True)
    assert not any(map(caller.zoho.is_live, _both(caller.log_in())))
    assert all(map(caller.zoho.is_live, _both(other)))


def test_revocation_on_demand_is_for_token_requests(caller: Caller) -> None:
    """Elsewhere there is no refresh token to revoke."""
    with pytest.raises(ValueError, match="for token requests"):
        caller.zoho.fault("crm", "revoke")


def _both(tokens: dict[str, str]) -> list[str]:
    return [tokens["access_token"], tokens["refresh_token"]]
