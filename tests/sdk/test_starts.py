"""The five ways to start: what the SDK calls, what it asks Zoho, and what is stored afterwards."""

from __future__ import annotations

from dataclasses import fields

import pytest

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal, of_kind
from zoho_tokenstore import Event, TokenNotFoundError, TokenRecord
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS

_USER_LOOKUP = ["users", "org"] if SDK.looks_users_up else []


def test_grant_start(portal: Portal) -> None:
    """A code is exchanged once; what came of it is stored under a new id, a browser's code itself is not."""
    grant = portal.grant()
    token = portal.start(app.token_of(redirect_url="http://localhost:8000/callback", **grant))
    assert portal.trace.take() == ["find_token", "token:authorization_code", *_USER_LOOKUP]
    user = portal.zoho.default_users[0]
    stored = portal.record(token)
    assert portal.records == [stored]
    client = portal.zoho.default_client
    assert stored == TokenRecord(
        id=token.get_id(),
        user_name=user.user_name if SDK.looks_users_up else None,
        refresh_token=token.get_refresh_token(),
        access_token=token.get_access_token(),
        expires_at_ms=int(token.get_expires_in()),
        redirect_url="http://localhost:8000/callback",
        api_domain=portal.zoho.url,
        created_at_ms=stored.created_at_ms,
        updated_at_ms=stored.updated_at_ms,
        identified_at_ms=stored.updated_at_ms if SDK.looks_users_up else None,
        client_id=client.client_id,
        client_secret=client.client_secret,
    )
    assert portal.zoho.is_live(stored.refresh_token or "")
    assert portal.zoho.is_live(stored.access_token or "")


def test_refresh_token_start(portal: Portal) -> None:
    """A refresh token is refreshed once, and stored with its access token."""
    start = portal.refresh()
    token = portal.start(app.token_of(**start))
    assert portal.trace.take() == ["find_token", "token:refresh_token", *_USER_LOOKUP]
    stored = portal.record(token)
    assert stored.refresh_token == start["refresh_token"]
    assert portal.zoho.is_live(stored.access_token or "")
    assert portal.zoho.counters().refreshes == 1


def test_access_only_start(portal: Portal) -> None:
    """An access token alone is stored without credentials and without an expiry, and never refreshed."""
    text = portal.access_token()
    portal.trace.take()
    token = portal.start(app.token_of(access_token=text))
    assert portal.trace.take() == ["find_token", *_USER_LOOKUP, "save_token"]
    stored = portal.record(token)
    assert (stored.access_token, stored.refresh_token, stored.client_id) == (text, None, None)
    assert stored.expires_at_ms is None
    app.create_lead("Kumar")
    assert "token:refresh_token" not in portal.trace.take()


def test_access_only_start_again(portal: Portal) -> None:
    """The same access token finds its row again: no second row, no second look-up of the user."""
    text = portal.access_token()
    first = portal.start(app.token_of(access_token=text))
    portal.restart()
    again = portal.start(app.token_of(access_token=text))
    assert portal.trace.take() == ["find_token"]
    assert again.get_id() == first.get_id()
    assert len(portal.records) == 1


def test_id_only_start(portal: Portal) -> None:
    """An id alone is enough to work as the stored user, without any login request."""
    token_id = portal.log_in().get_id()
    portal.restart()
    portal.start(app.token_of(id=token_id))
    assert portal.trace.take() == ["find_token_by_id"]
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": portal.zoho.default_users[0].full_name}


def test_user_only_start(portal: Portal) -> None:
    """A user's name alone finds that user's token, and nobody else's."""
    patricia, rajesh = portal.zoho.default_users
    ids = [portal.log_in(user).get_id() for user in (patricia, rajesh)]
    portal.restart()
    token = portal.start(app.token_of(rajesh.user_name))
    assert portal.trace.take() == ["find_token"]
    assert token.get_id() == ids[1]
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": rajesh.full_name}


def test_unknown_user_only_start(portal: Portal) -> None:
    """An unknown name is nobody: the SDK asks for credentials, and Zoho is not asked at all."""
    portal.log_in()
    portal.restart()
    with pytest.raises(app.SDKException) as caught:
        portal.start(app.token_of("somebody@zylker.example"))
    assert caught.value.code == "MANDATORY VALUE ERROR"
    assert portal.trace.take() == ["find_token"]


def test_empty_user_name_start(portal: Portal) -> None:
    """An empty name is nobody, although there are tokens to choose from."""
    portal.log_in()
    portal.restart()
    with pytest.raises(app.SDKException) as caught:
        portal.start(app.token_of(""))
    assert caught.value.code == "MANDATORY VALUE ERROR"


def test_unknown_id_only_start(portal: Portal) -> None:
    """An unknown id without credentials is refused by the store; Zoho is not asked."""
    portal.log_in()
    portal.restart()
    with pytest.raises(app.SDKException) as caught:
        portal.start(app.token_of(id="1234567890"))
    assert isinstance(caught.value, TokenNotFoundError)
    assert portal.trace.take() == ["find_token_by_id"]


def test_start_that_fails_leaves_the_sdk_half_initialized(portal: Portal) -> None:
    """After a failed start the SDK keeps the token that failed: start again before any call."""
    with pytest.raises(app.SDKException):
        portal.start(app.token_of("somebody@zylker.example"))
    assert app.Initializer.initializer is not None
    portal.log_in()
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": portal.zoho.default_users[0].full_name}


def test_every_api_call_reads_the_token_by_its_id(portal: Portal) -> None:
    """Each HTTP request costs one look-up by id; the first one about a module fetches its fields too."""
    portal.log_in()
    portal.trace.take()
    app.create_lead("Kumar")
    assert portal.trace.take() == ["find_token_by_id", "fields", "find_token_by_id", "create"]
    app.leads()
    assert portal.trace.take() == ["find_token_by_id", "records"]


def test_found_token_is_the_callers_own_object(portal: Portal) -> None:
    """A look-up fills and returns the very token that was passed; by id it makes a new one each time."""
    token_id = portal.log_in().get_id()
    asked = app.token_of(portal.zoho.default_users[0].user_name)
    assert portal.store.find_token(asked) is asked
    first, second = portal.store.find_token_by_id(token_id), portal.store.find_token_by_id(token_id)
    assert first is not second
    first.set_access_token("changed")
    assert second.get_access_token() != "changed"


def test_looked_up_token_has_all_ten_fields(portal: Portal) -> None:
    """A token by id brings all ten columns, the expiry as the decimal text that the SDK insists on."""
    token = portal.log_in()
    found, stored = portal.store.find_token_by_id(token.get_id()), portal.record(token)
    assert {item.name for item in fields(stored)} - {*BOOKKEEPING} == {*COLUMNS} - {"expiry_time"} | {
        "expires_at_ms"
    }
    assert found.get_expires_in() == str(stored.expires_at_ms)
    assert found.get_user_signature().get_name() == stored.user_name
    for name in ("id", "client_id", "client_secret", "refresh_token", "access_token", "grant_token"):
        assert getattr(found, f"get_{name}")() == getattr(stored, name)
    assert (found.get_redirect_url(), found.get_api_domain()) == (None, portal.zoho.url)


def test_starts_are_observed(portal: Portal, events: list[Event]) -> None:
    """The observer learns of a login, and of the look-up before it that found nothing."""
    token = portal.log_in()
    assert events[0].kind == "not_matched"
    assert events[0].reason == f"no such {'grant_token' if SDK.looks_users_up else 'user_name'}"
    (written,) = of_kind(events, "created", "updated")
    assert (written.kind, written.token_id) == ("created", token.get_id())
