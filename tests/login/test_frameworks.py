"""Login with Zoho in Starlette, FastAPI and Flask: one table of facts for all of them."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Callable
from typing import Final
from urllib.parse import quote, urlsplit

import httpx2
import pytest

from tests.login.support import MOUNTED
from tests.login.web import PAGE, Visit, Web
from zoho_tokenstore import ConfigurationError
from zoho_tokenstore.login import _failures as failures


class TestSuccess:
    def test_a_login(self, web: Web, patricia: str) -> None:
        """From the page that only users see, over Zoho, back to it."""
        assert web.me() is None
        asked = web.get("/courses?term=2")
        assert asked.status_code == 303
        assert asked.headers["location"] == f"/login?next={quote('/courses?term=2')}"
        to_zoho = web.get(asked.headers["location"])
        done = web.get(web.consent(to_zoho.headers["location"], patricia))
        assert (done.status_code, done.headers["location"]) == (303, "/courses?term=2")
        assert web.get("/courses?term=2").json() == {"user": patricia}
        assert web.me() == patricia

    def test_without_an_aim(self, visit: Visit, patricia: str) -> None:
        """The browser goes home, wherever that is."""
        another = visit(pages={"home": "/start"})
        for aim in (None, "//evil.example"):
            assert another().log_in(patricia, aim).headers["location"] == "/start"

    def test_two_tabs(self, web: Web, patricia: str) -> None:
        """Each ends where its user wanted to go."""
        one, two = web.begin("/one"), web.begin("/two")
        for url, path in ((two, "/two"), (one, "/one")):
            assert web.get(web.consent(url, patricia)).headers["location"] == path
        assert web.me() == patricia

    def test_long_addresses_in_several_tabs(self, web: Web, patricia: str) -> None:
        """Browsers drop a cookie of more than 4096 bytes: the latest login is kept, whatever came before."""
        for tab in range(4):
            path = (
                f"/courses?filter={''.join(hashlib.sha512(bytes([tab, n])).hexdigest() for n in range(14))}"
            )
            url = web.begin(path)
            assert max(len(name) + len(value) for name, value in web.cookies.items()) < 3600
        assert web.get(web.consent(url, patricia)).headers["location"] == path
        assert max(len(name) + len(value) for name, value in web.cookies.items()) < 3600

    def test_the_callback_is_loaded_again(self, web: Web, patricia: str) -> None:
        """Whoever is logged in is sent on; the code is spent once."""
        callback = web.consent(web.begin("/courses"), patricia)
        answers = [web.get(callback) for _ in range(3)]
        assert [(each.status_code, each.headers["location"]) for each in answers] == [(303, "/courses")] * 3
        assert len(web.site.zoho.journal("token:authorization_code")) == 1

    def test_the_browser_is_named(self, web: Web, patricia: str) -> None:
        web.get(web.consent(web.begin(), patricia), {"User-Agent": "Mozilla/5.0 (X11; Linux) Firefox/140.0"})
        (login,) = web.site.stored
        assert [each.label for each in web.site.flow.sessions_of(login.id or "")] == ["Firefox on Linux"]

    def test_a_site_below_a_path(self, visit: Visit, patricia: str) -> None:
        """All addresses have the path that the redirect URL has."""
        web = visit("/portal", redirect_url=MOUNTED)()
        asked = web.get("/portal/courses")
        assert asked.headers["location"] == f"/portal/login?next={quote('/portal/courses')}"
        callback = web.consent(web.get(asked.headers["location"]).headers["location"], patricia)
        assert web.get(callback).headers["location"] == "/portal/courses"
        assert web.get("/portal/courses").json() == {"user": patricia}
        assert "/portal/login?next=" in web.get("/portal/callback?state=forged&code=x").text

    @pytest.mark.parametrize("wrong", [{"callback_path": "/back"}, {"home": "https://evil.example"}])
    def test_what_cannot_be_used_is_told_at_once(self, visit: Visit, wrong: dict[str, str]) -> None:
        with pytest.raises(ConfigurationError, match=r"does not lead to|no path of this site"):
            visit(pages=wrong)

    def test_a_login_that_would_begin_elsewhere(self, visit: Visit) -> None:
        """By the redirect URL, it is at `//login`, which browsers read as another host."""
        with pytest.raises(ConfigurationError, match="'//login' is no path of this site"):
            visit(redirect_url="https://portal.example//callback")


STATUSES: Final = {"denied": 403, "wrong_user": 403, "missing_scopes": 403, "unavailable": 503}


def denied(web: Web, user: str) -> httpx2.Response:
    return web.get(web.consent(web.begin("/courses"), user, "reject"))


def expired(web: Web, user: str) -> httpx2.Response:
    callback = web.consent(web.begin("/courses"), user)
    web.site.clock.pass_(601)
    return web.get(callback)


def foreign(web: Web, user: str) -> httpx2.Response:
    callback = web.consent(web.begin("/courses"), user)
    web.http.cookies.clear()
    return web.get(callback)


def used(web: Web, user: str) -> httpx2.Response:
    callback = web.consent(web.begin("/courses"), user)
    web.get(callback)
    web.site.flow.end(web.site.stored[0].id or "")
    return web.get(callback)


def wrong_user(web: Web, user: str, monkeypatch: pytest.MonkeyPatch) -> httpx2.Response:
    start = web.site.flow.start
    monkeypatch.setattr(web.site.flow, "start", lambda *a, **k: start(*a, user="rajesh@zylker.example", **k))
    return web.get(web.consent(web.begin("/courses"), user))


def unknown_user(web: Web, user: str) -> httpx2.Response:
    web.site.zoho.fault("users", "status", status=401)
    return web.get(web.consent(web.begin("/courses"), user))


def missing_scopes(web: Web, user: str) -> httpx2.Response:
    callback = web.consent(web.begin("/courses"), user)
    body = '{"access_token":"1000.a","refresh_token":"1000.r","expires_in":3600,"scope":"ZohoCRM.users.READ"}'
    web.site.zoho.fault("token:authorization_code", "body", body=body, content_type="application/json")
    return web.get(callback)


def no_refresh_token(web: Web, user: str, monkeypatch: pytest.MonkeyPatch) -> httpx2.Response:
    web.log_in(user)
    web.site.flow.end(web.site.stored[0].id or "")
    start = web.site.flow.start
    monkeypatch.setattr(web.site.flow, "start", lambda *a, **k: start(*a, prompt=None, **k))
    return web.get(web.consent(web.begin("/courses"), user))


def unknown_server(web: Web, user: str) -> httpx2.Response:
    callback = web.consent(web.begin("/courses"), user)
    return web.get(re.sub(r"(?<=accounts-server=)[^&]*", "https://accounts.zoho.evil", callback))


def refused(web: Web, user: str) -> httpx2.Response:
    web.site.zoho.fault("token:authorization_code", "error", error="invalid_client")
    return web.get(web.consent(web.begin("/courses"), user))


def unavailable(web: Web, user: str) -> httpx2.Response:
    web.site.zoho.fault("token:authorization_code", "status", status=503)
    return web.get(web.consent(web.begin("/courses"), user))


FAILURES: Final[dict[str, Callable[..., httpx2.Response]]] = {
    each.__name__: each
    for each in (
        *(denied, expired, foreign, used, wrong_user, unknown_user, missing_scopes, no_refresh_token),
        *(unknown_server, refused, unavailable),
    )
}


class TestFailure:
    """Nobody is logged in, and a page says so."""

    def test_each_kind_is_here(self) -> None:
        assert set(FAILURES) == set(failures.SENTENCES)

    @pytest.mark.parametrize("kind", sorted(FAILURES))
    def test_the_page(
        self,
        web: Web,
        patricia: str,
        kind: str,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        """It has a status, a sentence and a link to begin again, nothing of the request. A log says why."""
        caplog.set_level(logging.INFO, "zoho_tokenstore")
        fail, needed = FAILURES[kind], [web, patricia]
        needed += [monkeypatch] if "monkeypatch" in fail.__annotations__ else []
        page = fail(*needed)
        assert page.status_code == STATUSES.get(kind, 400)
        assert failures.SENTENCES[kind] in page.text  # type: ignore[index]
        wanted = "/" if kind == "foreign" else quote("/courses")
        assert f'<a href="/login?next={wanted}">' in page.text
        for value in dict(httpx2.QueryParams(page.request.url.query)).values():
            assert len(value) < 12 or value not in page.text
        assert web.me() is None
        logged = {
            each.levelname for each in caplog.records if f"The login failed ({kind})" in each.getMessage()
        }
        assert logged == {"INFO" if kind in ("denied", "used") else "WARNING"}

    def test_its_headers(self, web: Web) -> None:
        """It is kept by no cache, shown in no frame, runs no script, and its address goes nowhere."""
        page = web.get("/callback?state=forged&code=x")
        assert page.headers["content-type"].startswith("text/html")
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert page.headers["referrer-policy"] == "no-referrer"
        policy = dict(
            part.strip().split(" ", 1) for part in page.headers["content-security-policy"].split(";")
        )
        assert policy["default-src"] == "'none'"
        assert policy["frame-ancestors"] == "'none'"
        assert "script-src" not in policy

    @pytest.mark.parametrize("twice", ["state", "code"])
    def test_a_parameter_that_is_there_twice(self, web: Web, patricia: str, twice: str) -> None:
        """Zoho never sends that. Neither value is taken."""
        callback = web.consent(web.begin(), patricia)
        page = web.get(f"{callback}&{twice}={dict(httpx2.QueryParams(urlsplit(callback).query))[twice]}")
        assert page.status_code == 400
        assert web.site.zoho.journal("token:authorization_code") == []
        assert web.get(callback).status_code == 303

    def test_a_code_that_no_store_keeps(self, web: Web, patricia: str) -> None:
        """Somebody has changed it: a page says so, and Zoho is not asked."""
        page = web.get(web.consent(web.begin("/courses"), patricia).replace("code=", "code=%00"))
        assert (page.status_code, "/login?next=/courses" in page.text) == (503, True)
        assert web.site.zoho.journal("token:authorization_code") == []

    def test_it_is_over(self, web: Web, patricia: str) -> None:
        """Loaded again, the callback leads to another page: this browser's session knows the outcome."""
        callback = web.consent(web.begin(), patricia, "reject")
        shown = [web.get(callback).text for _ in range(2)]
        assert failures.SENTENCES["denied"] in shown[0]
        assert failures.SENTENCES["used"] in shown[1]

    def test_logged_in_as_before(self, web: Web, patricia: str) -> None:
        """A login that fails does not log out whoever is in already."""
        web.log_in(patricia)
        assert web.get(web.consent(web.begin(), patricia, "reject")).status_code == 403
        assert web.me() == patricia

    def test_nothing_secret_in_logs(self, web: Web, patricia: str, caplog: pytest.LogCaptureFixture) -> None:
        """Neither a code, nor a state, nor a session."""
        with caplog.at_level(logging.DEBUG, "zoho_tokenstore"):
            callback = web.consent(web.begin(), patricia)
            web.get(callback)
            web.site.zoho.fault("token:authorization_code", "error", error="invalid_code")
            failing = web.consent(web.begin(), patricia)
            web.get(failing)
            web.post("/logout")
        texts = [each.getMessage() for each in caplog.records if each.name.startswith("zoho_tokenstore")]
        for address in (callback, failing):
            for name in ("code", "state"):
                secret = dict(httpx2.QueryParams(urlsplit(address).query))[name]
                assert not [text for text in texts if secret in text]


OUTSIDE: Final = (
    *("//evil.example", "/\\evil.example", "https://evil.example", "https:evil.example", "\\/evil.example"),
    *("/\t/evil.example", "\t//evil.example", "/\n/evil.example", "javascript:alert(1)", "evil.example"),
    *("///evil.example", "/%0d%0aSet-Cookie:x", "//%5cevil.example", "/\x00", "/é", "", "/" + "x" * 2000),
)
STAYS: Final = {"/%0d%0aSet-Cookie:x"}
"""It is a path, as it stands; nothing may decode it."""


class TestAddresses:
    """A login ends at a path of this site, whoever has made its address."""

    @pytest.mark.parametrize("address", OUTSIDE)
    def test_an_open_redirect(self, web: Web, patricia: str, address: str) -> None:
        location = web.log_in(patricia, address).headers["location"]
        assert location == (address if address in STAYS else "/")

    @pytest.mark.parametrize("encoded", ["%2F%2Fevil.example", "%252F%252Fevil.example", "/%09/evil.example"])
    def test_an_encoded_one(self, web: Web, patricia: str, encoded: str) -> None:
        to_zoho = web.get(f"/login?next={encoded}").headers["location"]
        location = web.get(web.consent(to_zoho, patricia)).headers["location"]
        assert location == "/"


class TestRequired:
    """Browsers are sent to log in; whatever is no page load is told."""

    @pytest.mark.parametrize(
        "headers",
        [
            {"Accept": "application/json"},
            {"Accept": "*/*"},
            {"Sec-Fetch-Mode": "cors", **PAGE},
            {"Sec-Fetch-Mode": "same-origin", **PAGE},
        ],
    )
    def test_a_script(self, web: Web, headers: dict[str, str]) -> None:
        answer = web.http.get("/courses", headers=headers)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"]
        assert "location" not in answer.headers

    def test_a_form(self, web: Web) -> None:
        """What it says would be lost on the way."""
        assert web.post("/courses", {"course": "7"}, PAGE).status_code == 401

    @pytest.mark.parametrize("headers", [PAGE, {"Sec-Fetch-Mode": "navigate", "Accept": "*/*"}])
    @pytest.mark.parametrize("method", ["GET", "HEAD"])
    def test_a_page_load(self, web: Web, headers: dict[str, str], method: str) -> None:
        answer = web.http.request(method, "/courses/7?a=b%20c&d=%2F", headers=headers)
        assert answer.status_code == 303
        assert answer.headers["location"] == f"/login?next={quote('/courses/7?a=b%20c&d=%2F')}"
        assert answer.headers["cache-control"] == "no-store"

    def test_a_head(self, web: Web, patricia: str) -> None:
        """It begins no login, and finishes none."""
        assert web.http.head("/login").status_code == 405
        callback = web.consent(web.begin(), patricia)
        answer = web.http.head(callback)
        assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
        assert web.get(callback).status_code == 303
