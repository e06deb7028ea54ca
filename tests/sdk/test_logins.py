"""A login is one unit: whatever is logged in under a name, no call works as somebody else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.sdk import app
from tests.sdk.portal import Portal, of_kind
from tests.sdk.test_users import needs_user_lookup
from zoho_tokenstore import Event, TokenRecord
from zoho_tokenstore.emulator import User
from zoho_tokenstore.errors import AccountsUnavailableError

TENANT = "tenant-7"


def online_code(portal: Portal, user: User) -> dict[str, str]:
    """Return the fields of a token whose code brings no refresh token."""
    code = portal.zoho.mint_code(None, user, access_type="online")
    return {"grant_token": code, **portal.credentials()}


def work_as(portal: Portal, token: Any) -> None:
    """Start with a token, and call CRM."""
    portal.start(token)
    app.create_lead("never")
    app.leads()


def test_another_account_inherits_no_refresh_token(portal: Portal) -> None:
    """A row that the application named gets a login of another account: it never works as the first again.

    The second login brings no refresh token. With that of the first one it would be the first account's
    an hour later.
    """
    one, two = portal.zoho.default_users
    portal.start(app.token_of(TENANT, **portal.grant(one)))
    app.create_lead("first")
    portal.restart()
    token = portal.start(app.token_of(TENANT, **online_code(portal, two)))
    app.create_lead("second")
    assert app.leads() == {"first": one.full_name, "second": two.full_name}
    assert len(portal.records) == 1
    assert portal.record(token).refresh_token is None
    portal.let_expire(token)
    portal.restart()
    with pytest.raises((app.SDKException, app.RefusedError)):
        work_as(portal, app.token_of(TENANT))
    assert portal.zoho.counters().refreshes == 0


@needs_user_lookup
def test_the_same_user_keeps_the_refresh_token(portal: Portal) -> None:
    """A login without a refresh token keeps the stored one if Zoho itself named the same user both times."""
    user = portal.zoho.default_users[0]
    first = portal.log_in(user)
    portal.restart()
    again = portal.start(app.token_of(**online_code(portal, user)))
    record = portal.record(again)
    assert again.get_id() == first.get_id()
    assert record.refresh_token == first.get_refresh_token()
    portal.let_expire(again)
    portal.restart()
    portal.start(app.token_of(id=again.get_id()))
    app.create_lead("renewed")
    assert app.leads() == {"renewed": user.full_name}


@needs_user_lookup
@pytest.mark.parametrize("named", ["first", "second"])
def test_a_name_of_the_applications_proves_nothing(portal: Portal, named: str) -> None:
    """If one of the two names came from the application, even one as Zoho writes it, nothing is inherited."""
    one, two = portal.zoho.default_users
    if named == "first":  # one's account under the name of two
        portal.start(app.token_of(two.user_name, **portal.grant(one)))
        portal.restart()
        again = portal.start(app.token_of(**online_code(portal, two)))
    else:
        portal.log_in(one)
        portal.restart()
        again = portal.start(app.token_of(one.user_name, **online_code(portal, two)))
    app.create_lead("second")
    assert app.leads() == {"second": two.full_name}
    assert len(portal.records) == 1
    assert portal.record(again).refresh_token is None


def test_a_new_refresh_token_ends_the_old_access_token(portal: Portal) -> None:
    """A refresh token of another account, saved for a known name: the next call works as that account."""
    one, two = portal.zoho.default_users
    portal.start(app.token_of(TENANT, **portal.grant(one)))
    portal.restart()
    portal.store.save_token(app.token_of(TENANT, **portal.refresh(two)))
    (record,) = portal.records
    assert (record.access_token, record.expires_at_ms, record.grant_token) == (None, None, None)
    portal.start(app.token_of(TENANT))
    app.create_lead("first")
    assert app.leads() == {"first": two.full_name}


@pytest.mark.parametrize("access_token", [None, ""], ids=["null", "empty"])
def test_an_answer_without_an_access_token_is_no_renewal(
    portal: Portal, events: list[Event], access_token: str | None
) -> None:
    """If Zoho answers without an access token, nothing is stored: what has expired stays expired."""
    token = portal.log_in()
    portal.let_expire(token)
    before = portal.record(token)
    body = json.dumps({"access_token": access_token, "expires_in": 3600, "token_type": "Bearer"})
    portal.zoho.fault("token:refresh_token", "body", times=1, body=body)
    portal.restart()
    events.clear()
    with pytest.raises((app.SDKException, app.RefusedError)):
        work_as(portal, app.token_of(id=token.get_id()))
    assert portal.record(token) == before
    (failed,) = of_kind(events, "renewal_failed")
    assert failed.reason == "transient"
    assert isinstance(failed.error, AccountsUnavailableError)


def test_an_access_token_alone_joins_no_client(portal: Portal) -> None:
    """An access token of no client, saved for a client's user, is a row of its own; the client's stays."""
    token = portal.log_in()
    before = portal.record(token)
    only = app.token_of(before.user_name, access_token="1000.of.nobody.known")
    portal.store.save_token(only)
    assert only.get_id() != token.get_id()
    assert portal.record(token) == before
    assert portal.record(only) == TokenRecord(
        **{name: getattr(portal.record(only), name) for name in ("id", "created_at_ms", "updated_at_ms")},
        user_name=before.user_name,
        access_token="1000.of.nobody.known",
    )


def test_an_access_token_of_another_account_is_not_answered_with_the_row(portal: Portal) -> None:
    """A start with a name and another access token fails, instead of working as the stored account."""
    one = portal.zoho.default_users[0]
    portal.start(app.token_of(TENANT, **portal.grant(one)))
    before = portal.records
    portal.restart()
    own: Any = app.token_of(TENANT, access_token=portal.access_token(), **portal.credentials())
    assert portal.store.find_token(own) is None
    with pytest.raises((app.SDKException, app.RefusedError)):
        work_as(portal, own)
    assert portal.records == before


def test_a_code_of_one_account_leads_no_other_into_its_row(portal: Portal) -> None:
    """A refresh token of another account, beside a spent code: the row of the code stays as it is."""
    one, two = portal.zoho.default_users
    token = portal.start(app.token_of(**portal.grant(one)))
    before = portal.record(token)
    portal.restart()
    code = {"grant_token": before.grant_token}
    other = portal.start(app.token_of(**portal.refresh(two), **code))
    app.create_lead("second")
    assert app.leads() == {"second": two.full_name}
    assert other.get_id() != token.get_id()
    assert portal.record(token) == before
