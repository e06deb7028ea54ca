"""Who logs in with a browser that was logged in before, as the same user or another."""

from __future__ import annotations

from unittest import mock

import pytest
from django.db import connection

from tests.login.django.support import Browser, Project, flow
from zoho_tokenstore import BackendUnavailableError


def test_another_user_after_the_first_ones_login_has_ended(
    browser: Browser, project: Project, patricia: str, rajesh: str
) -> None:
    """By an operator or a limit: the session was theirs even so."""
    browser.log_in(patricia)
    session = browser.session
    session["basket"] = "patricia's"
    session.save()
    flow().end(project.stored[0].id or "")
    browser.log_in(rajesh)
    assert browser.user == rajesh
    assert "basket" not in browser.session


@pytest.mark.parametrize("who", ["patricia", "rajesh"])
def test_after_a_login_that_cannot_be_read(
    browser: Browser, patricia: str, who: str, request: pytest.FixtureRequest
) -> None:
    """It locks nobody out."""
    browser.log_in(patricia)
    with connection.cursor() as cursor:
        cursor.execute("UPDATE oauthtoken SET refresh_token = x'00ff'")
    assert browser.user == "nobody"
    user = request.getfixturevalue(who)
    browser.log_in(user)
    assert browser.user == user


def test_the_former_session_cannot_be_ended(
    browser: Browser, patricia: str, rajesh: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever logs in is logged in, although the store fails just then."""
    browser.log_in(patricia)
    fails = mock.Mock(side_effect=BackendUnavailableError("The store is gone."))
    monkeypatch.setattr(flow(), "log_out", fails)
    browser.log_in(rajesh)
    assert browser.user == rajesh
    assert fails.called
