"""`status`: what an operator asks first."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.renewal.support import Fleet
from zoho_tokenstore import Status
from zoho_tokenstore.errors import AccountsError
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.tokens import Tokens


@pytest.fixture
def fleet() -> Fleet:
    return Fleet(background=False)


def status(fleet: Fleet, token_id: str | None) -> Status:
    return Tokens(Lifecycle(fleet.process())).status(token_id or "")


def test_an_active_login(fleet: Fleet) -> None:
    """Before its first renewal here nothing is known but what is stored."""
    token = fleet.login(3600)
    assert status(fleet, token.id) == Status(
        token_id=token.id or "",
        state="active",
        user_name="patricia",
        expires_at_ms=token.expires_at_ms,
        began_at_ms=token.created_at_ms,
        used_at_ms=token.updated_at_ms,
    )


def test_a_renewed_login(fleet: Fleet) -> None:
    """When it was renewed, and what it may do, as Zoho has said."""
    token = fleet.login(-1)
    renewed = fleet.first.refresh(token.id or "")
    fleet.clock.pass_(60)
    assert status(fleet, token.id) == Status(
        token_id=token.id or "",
        state="active",
        user_name="patricia",
        expires_at_ms=renewed.expires_at_ms,
        scopes=("ZohoCRM.users.READ",),
        began_at_ms=token.created_at_ms,
        used_at_ms=fleet.clock.now - 60_000,
        renewed_at_ms=fleet.clock.now - 60_000,
    )


@pytest.mark.parametrize("seconds_left", [300, 15, -1])
def test_a_due_login_is_not_renewed_for_it(fleet: Fleet, seconds_left: float) -> None:
    """It asks the store alone."""
    token = fleet.login(seconds_left)
    assert status(fleet, token.id).state == "due"
    assert fleet.zoho.sent == 0
    assert fleet.stored() == token


def test_a_login_that_has_ended(fleet: Fleet) -> None:
    """Without the means to renew it, it needs a login as soon as it has expired."""
    token = fleet.login(60, refresh_token=None)
    assert status(fleet, token.id).state == "active"
    fleet.clock.pass_(60)
    assert status(fleet, token.id).state == "login_needed"


@pytest.mark.parametrize(
    ("refusal", "state", "error", "retry_s"),
    [
        ("invalid_code", "login_needed", "invalid_code", None),
        ("invalid_client", "login_needed", "invalid_client", None),
        ("Access Denied", "throttled", "throttled", 600),
        ("server_error", "failing", "server_error", 1),
    ],
)
def test_a_login_that_fails(
    fleet: Fleet, refusal: str, state: str, error: str, retry_s: float | None
) -> None:
    """Zoho's word or how it failed, since when, and when it is tried again; for every process."""
    token = fleet.login(-1)
    fleet.zoho.refusals = [refusal]
    began_ms = fleet.clock.now
    with pytest.raises(AccountsError):
        fleet.first.refresh(token.id or "")
    found = status(fleet, token.id)
    assert (found.state, found.error) == (state, error)
    assert 0 <= (found.failing_since_ms or 0) - began_ms < 1000  # how long the request took counts
    if retry_s is None:
        assert found.retry_at_ms is None
    else:
        assert found.retry_at_ms is not None
        assert retry_s / 2 <= (found.retry_at_ms - began_ms) / 1000 <= retry_s + 1
    fleet.clock.pass_(timedelta(minutes=11).total_seconds())
    fleet.first.refresh(token.id or "")
    assert status(fleet, token.id).state == "active"
    assert status(fleet, token.id).error is None


def test_an_unsaved_login(fleet: Fleet) -> None:
    """This process has a token that it could not save yet; others do not know of it."""
    token = fleet.login(-1)
    fleet.storage.broken = {"write"}
    fleet.first.refresh(token.id or "")
    assert Tokens(Lifecycle(fleet.first)).status(token.id or "").state == "unsaved"
    assert status(fleet, token.id).state == "due"
