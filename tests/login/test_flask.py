"""What Flask has of its own: the application's settings, blueprints, views of all kinds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock
from urllib.parse import quote

import flask
import httpx2
import pytest

from tests.login.crm import Office, end_at_zoho, fresh_sdk, staff
from tests.login.support import AUTH, SECURE, Site
from tests.login.web import PAGE, Web, flask_app
from tests.sdk import app as crm
from zoho_tokenstore import ConfigurationError
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import CRM_WRITE, LoginFailedError
from zoho_tokenstore.login.flask import ZohoLogin

Make = Callable[..., Site]


@pytest.fixture
def make(zoho: Emulator, tmp_path: Path) -> Any:
    with ExitStack() as opened:
        yield lambda **options: Site(zoho, f"sqlite:///{tmp_path}/tokens.db", opened, **options)


def browse(app: flask.Flask) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.WSGITransport(app=app), base_url="http://localhost:8000")


def configured(site: Site, **settings: Any) -> flask.Flask:
    app = flask.Flask("portal")
    app.config.update(settings)
    ZohoLogin(site.flow).init_app(app)
    return app


class TestSettings:
    """The cookie is made safe; what an application has set more strictly stays."""

    def test_with_https(self, make: Make) -> None:
        config = configured(make(redirect_url=SECURE)).config
        assert config["SESSION_COOKIE_SECURE"]
        assert config["SESSION_COOKIE_HTTPONLY"]
        assert config["SESSION_COOKIE_SAMESITE"] == "Lax"
        assert config["SESSION_COOKIE_NAME"] == "__Host-session"
        assert config["PERMANENT_SESSION_LIFETIME"] == timedelta(days=14)

    def test_without(self, site: Site) -> None:
        config = configured(site).config
        assert not config["SESSION_COOKIE_SECURE"]
        assert config["SESSION_COOKIE_NAME"] == "session"

    def test_a_shorter_life(self, site: Site) -> None:
        config = configured(site, PERMANENT_SESSION_LIFETIME=3600, SESSION_COOKIE_SECURE=True).config
        assert config["PERMANENT_SESSION_LIFETIME"] == timedelta(hours=1)
        assert config["SESSION_COOKIE_SECURE"]

    @pytest.mark.parametrize(
        "settings",
        [
            {"SESSION_COOKIE_NAME": "mine"},
            {"SESSION_COOKIE_DOMAIN": "portal.example"},
            {"SESSION_COOKIE_PATH": "/x"},
        ],
    )
    def test_a_cookie_that_is_not_for_one_host(self, make: Make, settings: dict[str, str]) -> None:
        """Browsers would refuse the prefix; and a name that was chosen stays."""
        config = configured(make(redirect_url=SECURE), **settings).config
        assert config["SESSION_COOKIE_NAME"] == settings.get("SESSION_COOKIE_NAME", "session")

    @pytest.mark.parametrize("value", ["Strict", "strict"])
    def test_strict(self, site: Site, value: str) -> None:
        """Nobody could log in: Zoho's redirect would come without the cookie."""
        with pytest.raises(ConfigurationError, match="Lax"):
            configured(site, SESSION_COOKIE_SAMESITE=value)


class TestPages:
    def test_a_prefix(self, make: Make, patricia: str) -> None:
        """The redirect URL says where the pages are."""
        site = make(redirect_url=AUTH)
        app = flask.Flask("portal")
        app.secret_key = "0123456789abcdef"
        login = ZohoLogin(site.flow)
        login.init_app(app, url_prefix="/auth")
        app.add_url_rule("/courses", "courses", login.required(lambda: "here"))
        web = Web(site, browse(app))
        asked = web.get("/courses")
        assert asked.headers["location"] == f"/auth/login?next={quote('/courses')}"
        callback = web.consent(web.get(asked.headers["location"]).headers["location"], patricia)
        assert web.get(callback).headers["location"] == "/courses"
        assert web.get("/courses").text == "here"

    def test_a_page_with_a_name_in_another_script(self, site: Site, patricia: str) -> None:
        """The browser comes back to it."""
        path = "/courses/caf%C3%A9%20%3F%23?q=%C3%A9"
        asked = flask_app(site).test_client().get(path, headers=PAGE)
        assert asked.headers["location"] == f"/login?next={quote(path)}"

    def test_a_page_of_ones_own(self, site: Site) -> None:
        """It need not know that the callback's address has a code; headers that it has stay."""

        def on_failure(failure: LoginFailedError) -> flask.Response:
            headers = {"Cache-Control": "private"}
            return flask.Response(f"{flask.request.path} {failure.kind}", 418, headers)

        answer = browse(flask_app(site, on_failure=on_failure)).get("/callback")
        assert (answer.status_code, answer.text) == (418, "/callback foreign")
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "private"

    def test_requests_in_one_context_of_the_application(self, site: Site, patricia: str, rajesh: str) -> None:
        """As in many test suites: nobody is taken for who came before."""
        app = flask_app(site)
        with app.app_context():
            browsers = [Web(site, browse(app)) for _ in range(3)]
            for web, user in zip(browsers, (patricia, rajesh), strict=False):
                web.log_in(user)
            assert [web.me() for web in browsers] == [patricia, rajesh, None]

    def test_the_user_is_read_once(self, site: Site, patricia: str) -> None:
        """However often a request asks."""
        web = Web(site, browse(flask_app(site)))
        web.log_in(patricia)
        with mock.patch.object(site.flow, "identify", wraps=site.flow.identify) as identify:
            assert web.get("/courses").json() == {"user": patricia}
        assert identify.call_count == 1


@pytest.fixture
def office(zoho: Emulator, tmp_path: Path) -> Any:
    with fresh_sdk(), ExitStack() as opened:
        yield Office(zoho, f"sqlite:///{tmp_path}/tokens.db", opened, scopes=CRM_WRITE)


def crm_of(office: Office) -> flask.Flask:
    app = flask.Flask("portal")
    app.secret_key = "0123456789abcdef"
    login = ZohoLogin(office.flow)
    login.init_app(app)

    @app.post("/leads/<name>")
    @login.required
    def create(name: str) -> str:
        with login.acting():
            return crm.create_lead(name)

    @app.get("/leads")
    def leads() -> dict[str, str]:
        with login.acting():
            return crm.leads()

    return app


def test_everybody_at_once(office: Office, zoho: Emulator) -> None:
    """Sixty requests of six users, in eight threads: Zoho sees each as its own user."""
    app = crm_of(office)
    people = staff(office, lambda: browse(app), 6)
    orders = [(user, cookies, turn) for turn in range(10) for user, cookies in people.items()]

    def order(user: str, cookies: dict[str, str], turn: int) -> int:
        with browse(app) as http:
            http.cookies.update(cookies)
            return http.post(f"/leads/{user.partition('@')[0]}-{turn}").status_code

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(order, *zip(*orders, strict=True))) == [200] * 60
    assert Counter(entry.user for entry in zoho.journal("create")) == dict.fromkeys(people, 10)


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/leads", 303), ("POST", "/leads/a", 401)])
def test_a_login_that_zoho_has_ended(
    office: Office, zoho: Emulator, patricia: str, method: str, path: str, status: int
) -> None:
    """Its user is asked to log in again, as without a login."""
    web = Web(office, browse(crm_of(office)))
    web.log_in(patricia)
    end_at_zoho(office)
    for _ in range(2):
        answer = web.http.request(method, path, headers=PAGE)
        assert (answer.status_code, answer.headers.get("location")) == (
            (303, "/login?next=/leads") if status == 303 else (401, None)
        )
    web.log_in(patricia)
    assert web.http.request(method, path, headers=PAGE).status_code == 200


def test_acting_without_a_user(office: Office, zoho: Emulator) -> None:
    """The block sends the browser to log in, as a view for users does; Zoho is not asked."""
    with browse(crm_of(office)) as http:
        assert http.get("/leads", headers=PAGE).headers["location"] == f"/login?next={quote('/leads')}"
        assert http.get("/leads").status_code == 401
    assert zoho.journal("records") == []
