"""When an access token ends: one refresh, seen by Zoho's counters, and kept for everybody."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.sdk import app
from tests.sdk.portal import Portal
from zoho_tokenstore.emulator import label


def test_expired_token_is_refreshed_once(portal: Portal) -> None:
    """The first call after the expiry refreshes, the next ones use the stored new token."""
    token = portal.log_in()
    before = portal.record(token)
    portal.let_expire(token)
    portal.trace.take()
    app.create_lead("Kumar")
    app.create_lead("Peters")
    assert set(app.leads()) == {"Kumar", "Peters"}
    assert portal.trace.take() == [
        "find_token_by_id", "token:refresh_token", "fields",
        "find_token_by_id", "create", "find_token_by_id", "create", "find_token_by_id", "records",
    ]  # fmt: skip
    after = portal.record(token)
    assert after.access_token != before.access_token
    assert replace(after, access_token=None, expires_at_ms=None, updated_at_ms=None) == replace(
        before, access_token=None, expires_at_ms=None, updated_at_ms=None
    )
    assert portal.zoho.counters().refreshes_by_token == {label(before.refresh_token or ""): 1}


def test_expiry_before_a_restart(portal: Portal) -> None:
    """A start that finds an expired token refreshes it, in the same row; the next start does not."""
    user = portal.zoho.default_users[0]
    token = portal.log_in(user)
    portal.let_expire(token)
    portal.restart()
    portal.start(app.token_of(user.user_name))
    assert portal.trace.take() == ["find_token", "token:refresh_token"]
    portal.restart()
    portal.start(app.token_of(id=token.get_id()))
    assert portal.trace.take() == ["find_token_by_id"]
    assert [one.id for one in portal.records] == [token.get_id()]


def test_token_refreshed_elsewhere_is_used(portal: Portal) -> None:
    """A newer stored token beats the one in memory: no second refresh."""
    token = portal.log_in()
    elsewhere = portal.access_token()
    portal.store.repository.save(replace(portal.record(token), access_token=elsewhere))
    portal.trace.take()
    app.create_lead("Kumar")
    used = portal.zoho.journal("create")[-1]
    assert used.access_token == label(elsewhere)
    assert "token:refresh_token" not in portal.trace.take()


def test_dead_refresh_token(portal: Portal) -> None:
    """When Zoho refuses the refresh, the call fails, and the stored token is left as it was."""
    token = portal.log_in()
    portal.let_expire(token)
    before = portal.record(token)
    portal.zoho.fault("token", "error", error="invalid_code")
    with pytest.raises(app.SDKException) as caught:
        app.create_lead("Kumar")
    assert caught.value.code == "INVALID TOKEN ERROR"
    assert portal.record(token) == before


def test_nothing_is_refreshed_before_its_time(portal: Portal) -> None:
    """A token that has time left is used as it is; in its last five seconds it is refreshed."""
    token = portal.log_in()
    for calls in range(3):
        app.create_lead(f"Kumar {calls}")
    assert portal.zoho.counters().refreshes == 0
    now_ms = int(portal.zoho.now() * 1000)
    portal.store.repository.save(replace(portal.record(token), expires_at_ms=now_ms + 4_000))
    app.create_lead("Peters")
    assert portal.zoho.counters().refreshes == 1
