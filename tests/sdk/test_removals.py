"""remove() and revoke(): one token goes, the others stay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal, of_kind
from zoho_tokenstore import Event, TokenNotFoundError

can_revoke = pytest.mark.skipif(not SDK.can_revoke_by_id, reason="revoke(id) fails inside this SDK")


@pytest.fixture
def two_users(portal: Portal) -> tuple[Any, Any]:
    """The tokens of two users; the SDK runs as the second."""
    first = portal.log_in(portal.zoho.default_users[0])
    portal.restart()
    return first, portal.log_in(portal.zoho.default_users[1])


def _is_live(portal: Portal, token: Any) -> tuple[bool, bool]:
    return portal.zoho.is_live(token.get_refresh_token()), portal.zoho.is_live(token.get_access_token())


def test_remove(portal: Portal, two_users: tuple[Any, Any], events: list[Event]) -> None:
    """remove() deletes the token's own row; Zoho is not told, and other users are not touched."""
    first, second = two_users
    events.clear()
    assert first.remove() is True
    assert [one.id for one in portal.records] == [second.get_id()]
    assert [one.token_id for one in of_kind(events, "deleted", "cleared")] == [first.get_id()]
    assert _is_live(portal, first) == (True, True)
    portal.restart()
    portal.start(app.token_of(portal.zoho.default_users[1].user_name))
    with pytest.raises(app.SDKException):
        portal.start(app.token_of(portal.zoho.default_users[0].user_name))


def test_remove_of_a_token_without_id(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """A token that has no id removes nothing, and says so."""
    assert app.token_of(portal.zoho.default_users[0].user_name).remove() is False
    assert len(portal.records) == 2


def test_remove_twice(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """Removing what is gone already is no failure."""
    assert [two_users[0].remove(), two_users[0].remove()] == [True, True]
    assert len(portal.records) == 1


def test_api_call_after_remove(portal: Portal) -> None:
    """What still runs with a removed token: an SDK that takes `None` goes on in memory, others stop."""
    token = portal.log_in()
    token.remove()
    if not SDK.accepts_missing_id:
        with pytest.raises(TokenNotFoundError):
            app.create_lead("Kumar")
        return
    app.create_lead("Kumar")
    assert portal.records == []


@can_revoke
def test_refresh_after_remove(portal: Portal) -> None:
    """An SDK that goes on in memory refreshes its token, and that does not bring it back into the store."""
    token = portal.log_in()
    token.remove()
    token.set_expires_in("1")
    app.create_lead("Kumar")
    assert portal.records == []


@can_revoke
def test_revoke(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """revoke(id) kills the tokens of that id's user and nobody else's; the rows stay."""
    first, second = two_users
    assert second.revoke(first.get_id()) is True
    assert (_is_live(portal, first), _is_live(portal, second)) == ((False, False), (True, True))
    assert portal.zoho.counters().revocations == 1
    assert {one.id for one in portal.records} == {first.get_id(), second.get_id()}
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": portal.zoho.default_users[1].full_name}


@can_revoke
def test_revoke_of_the_own_token(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """The running user may be revoked too; the other one goes on."""
    first, second = two_users
    assert second.revoke(second.get_id()) is True
    assert (_is_live(portal, first), _is_live(portal, second)) == ((True, True), (False, False))


@can_revoke
def test_revoke_of_an_unknown_id(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """An id that is not there revokes nobody."""
    assert two_users[0].revoke("1234567890") is False
    assert portal.zoho.counters().count("revoke") == 0


@pytest.mark.skipif(SDK.can_revoke_by_id, reason="revoke(id) works with this SDK")
def test_revoke_fails_inside_an_older_sdk(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """Before 8.0 release 7.0.0, revoke(id) raises before it asks the store; nobody is revoked."""
    portal.trace.take()
    with pytest.raises(app.SDKException) as caught:
        two_users[1].revoke(two_users[0].get_id())
    assert caught.value.code == "MANDATORY VALUE ERROR"
    assert portal.trace.take() == []
    assert [_is_live(portal, token) for token in two_users] == [(True, True), (True, True)]


def test_revoke_by_the_refresh_token(portal: Portal, two_users: tuple[Any, Any]) -> None:
    """With every SDK a stored refresh token can be revoked by itself."""
    first, second = two_users
    found = portal.store.find_token_by_id(first.get_id())
    url = f"{portal.zoho.accounts_url}/revoke"
    assert app.OAuthToken.revoke_refresh_token(found.get_refresh_token(), url) is True
    assert (_is_live(portal, first), _is_live(portal, second)) == ((False, False), (True, True))


def test_revoked_access_token(portal: Portal) -> None:
    """CRM refuses an access token that Zoho has killed; the SDK neither refreshes nor tells the store."""
    token = portal.log_in()
    app.create_lead("Kumar")
    before = portal.record(token)
    portal.zoho.expire_access_tokens()
    portal.trace.take()
    with pytest.raises(app.RefusedError, match="INVALID_TOKEN"):
        app.leads()
    assert portal.trace.take() == ["find_token_by_id", "records"]
    assert portal.record(token) == before
