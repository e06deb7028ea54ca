"""What a process opens: with Zoho's SDK or without, and as the setting says."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.login.django.support import Project, flow, tokens
from tests.login.support import failure_of
from tests.sdk import app
from zoho_tokenstore import BackendError, ConfigurationError
from zoho_tokenstore.login.django import _site, close_site
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport


def environment() -> Any:
    """Return the SDK's environment of everybody."""
    return app.Initializer.get_initializer().environment


def test_without_the_sdk(project: Project, patricia: str) -> None:
    """Logins work; calls of the SDK as a user do not, and say why."""
    project.set(SDK=False)
    browser = project.browser()
    browser.log_in(patricia)
    assert browser.user == patricia
    assert tokens().access_token(project.stored[0].id or "")
    with pytest.raises(ConfigurationError, match="not initialized"):
        browser.page("/leads")


def test_an_environment_of_ones_own(project: Project) -> None:
    """As it is, or as a function that makes it, so that settings need not import the SDK."""
    place = app.environment(("https://crmsandbox.zoho.eu", "https://accounts.zoho.eu/oauth/v2/token", ""))
    for given in (place, lambda: place):
        project.set(SDK={"environment": given, "resource_path": str(project.folder)})
        tokens()
        assert environment() is place


def test_the_environment_of_a_local_zoho(project: Project) -> None:
    """It is made of the accounts server; Zoho's own servers need none."""
    tokens()
    assert environment().url == project.zoho.url
    for path in ("", "/oauth/v2/token"):
        project.set(ACCOUNTS_URL=f"https://accounts.zoho.eu{path}")
        tokens()
        assert environment().url == "https://www.zohoapis.com"
        assert flow().start().url.startswith("https://accounts.zoho.eu/oauth/v2/auth?")


def test_users_of_another_data_centre(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """They begin where everybody does, also if the SDK is initialized; their codes are exchanged at home."""
    sent: list[str] = []

    def post(_: object, url: str, form: object, headers: object = None) -> HTTPAnswer:
        sent.append(url)
        return HTTPAnswer(200, b'{"error": "invalid_code"}')

    monkeypatch.setattr(Transport, "post", post)
    project.set(ACCOUNTS_URL=None)
    kept = flow().start().kept
    answer = {"state": next(iter(kept)), "code": "1000.x", "accounts-server": "https://accounts.zoho.eu"}
    failure_of(lambda: flow().finish(answer, kept))
    assert sent == ["https://accounts.zoho.eu/oauth/v2/token"]


def test_options_of_the_store(project: Project) -> None:
    """They are passed on; a wrong one is refused, and nothing stays open."""
    seen: list[object] = []
    project.set(OPTIONS={"on_event": seen.append}, SESSION_LIFETIME=flow().session_lifetime * 2)
    project.make_login()
    assert seen
    assert flow().session_lifetime.days == 28
    project.set(OPTIONS={"on_evnt": print})
    with pytest.raises(ConfigurationError, match="on_evnt"):
        tokens()
    project.set(ACCOUNTS_URL="https://accounts.zoho.evil.example/path")
    with pytest.raises(ConfigurationError, match="accounts URL"):
        tokens()


def test_closing_while_others_ask(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever opens gets what was opened, also if another thread closes it at once."""

    @contextmanager
    def lock() -> Iterator[None]:
        yield
        _site._opened.pop().close()

    monkeypatch.setattr(_site, "_lock", lock())
    assert isinstance(_site.site(), _site.Site)


def test_closing(project: Project) -> None:
    """Whoever still has the old one is told; the next who asks opens a new one."""
    before = tokens()
    login = project.make_login()
    close_site()
    with pytest.raises(BackendError, match="closed"):
        before.get(login)
    assert tokens().get(login).id == login
