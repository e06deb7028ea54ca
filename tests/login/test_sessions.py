"""The browser's session in Starlette, FastAPI and Flask: who is let in, and when that ends."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import timedelta
from email.utils import parsedate_to_datetime
from http.cookies import Morsel
from unittest import mock

import pytest

from tests.login.support import MOUNTED, SECURE
from tests.login.web import Visit, Web, set_cookies
from tests.support import wait_until
from zoho_tokenstore import BackendUnavailableError, SessionPolicy


def _days_of(cookie: Morsel[str]) -> float:
    """Return how long a cookie lives; Starlette says for how long, Flask until when."""
    if cookie["max-age"]:
        return int(cookie["max-age"]) / 86400
    return (parsedate_to_datetime(cookie["expires"]).timestamp() - time.time()) / 86400


def _give(one: Web, other: Web) -> None:
    """Let a browser have the cookies of another, as if the two were one."""
    for cookie in one.http.cookies.jar:
        other.http.cookies.jar.set_cookie(cookie)


class TestSession:
    """What the cookie is, and who is let in by it."""

    @pytest.mark.parametrize(("url", "name"), [(SECURE, "__Host-session"), (None, "session")])
    def test_the_cookie(self, visit: Visit, patricia: str, url: str | None, name: str) -> None:
        """It is for no script, for no form of another site, and for HTTPS alone where the site has it."""
        web = visit(**({"redirect_url": url} if url else {}))()
        cookie = set_cookies(web.log_in(patricia))[name]
        assert cookie["httponly"]
        assert cookie["samesite"].lower() == "lax"
        assert bool(cookie["secure"]) is (url is not None)
        assert (cookie["path"], cookie["domain"]) == ("/", "")
        assert 13.9 < _days_of(cookie) <= 14
        assert web.me() == patricia

    def test_two_sites_of_one_host(self, visit: Visit, patricia: str, rajesh: str) -> None:
        """Whoever logs in at one is not logged out of the other."""
        one, two = visit()(), visit("/portal", redirect_url=MOUNTED)()
        one.log_in(patricia)
        _give(one, two)
        two.get(two.consent(two.get("/portal/login").headers["location"], rajesh))
        _give(two, one)
        assert (one.me(), two.get("/portal/me").json()) == (patricia, {"user": rajesh})

    def test_what_was_there_before_a_login(self, web: Web, patricia: str) -> None:
        """Somebody may have put it there (session fixation): nothing of it survives."""
        assert web.get("/cart?item=planted").json() == {"cart": ["planted"]}
        before = web.cookies
        web.log_in(patricia)
        assert web.get("/cart").json() == {"cart": []}
        assert web.cookies != before

    def test_a_planted_session(self, another: Callable[[], Web], patricia: str) -> None:
        """The cookie from before a login lets nobody in afterwards."""
        web, thief = another(), another()
        web.begin()
        thief.http.cookies.update(web.cookies)
        web.log_in(patricia)
        assert (web.me(), thief.me()) == (patricia, None)

    def test_a_changed_cookie(self, another: Callable[[], Web], patricia: str) -> None:
        """Nobody is let in, and the site works."""
        web, thief = another(), another()
        web.log_in(patricia)
        for wrong in (lambda text: text[:-2] + "xx", lambda text: "x" + text[1:], lambda text: "null"):
            thief.http.cookies.clear()
            thief.http.cookies.set("session", wrong(web.cookies["session"]))
            assert thief.me() is None

    def test_a_copy_after_a_log_out(self, another: Callable[[], Web], patricia: str) -> None:
        web, copy = another(), another()
        web.log_in(patricia)
        copy.http.cookies.update(web.cookies)
        assert copy.me() == patricia
        web.post("/logout")
        assert (web.me(), copy.me()) == (None, None)
        assert copy.get("/courses").status_code == 303

    def test_somebody_else_in_the_same_browser(
        self, another: Callable[[], Web], patricia: str, rajesh: str
    ) -> None:
        """The session of the first one ends, and so does a copy of its cookie."""
        web, copy = another(), another()
        web.log_in(patricia)
        copy.http.cookies.update(web.cookies)
        web.log_in(rajesh)
        assert (web.me(), copy.me()) == (rajesh, None)
        assert [(each.user_name or "").partition(":")[0] for each in web.site.stored] == [rajesh]

    @pytest.mark.parametrize("limit", ["idle", "absolute"])
    def test_a_limit(self, visit: Visit, patricia: str, limit: str) -> None:
        """The store's policy ends a session; the next page load leads to a login."""
        hour = timedelta(hours=1)
        policy = SessionPolicy(idle=hour) if limit == "idle" else SessionPolicy(absolute=hour)
        web = visit(sessions=policy)()
        web.log_in(patricia)
        web.site.clock.pass_(3500)
        assert web.me() == patricia
        if limit == "idle":  # this use is recorded beside the request
            wait_until(lambda: web.site.stored[0].last_used_at_ms is not None)
        web.site.clock.pass_(3601)
        assert web.me() is None
        assert web.get("/courses").status_code == 303

    @pytest.mark.parametrize("who", ["patricia", "rajesh"])
    def test_a_login_that_cannot_be_read(
        self, web: Web, patricia: str, who: str, request: pytest.FixtureRequest
    ) -> None:
        """Its user is asked to log in again, and that works, as it does for whoever comes next."""
        web.log_in(patricia)
        with sqlite3.connect(web.site.url.removeprefix("sqlite:///")) as database:
            database.execute("UPDATE oauthtoken SET refresh_token = x'00ff'")
        database.close()
        assert web.me() is None
        assert web.get("/courses").status_code == 303
        user = request.getfixturevalue(who)
        web.log_in(user)
        assert web.me() == user

    def test_the_former_session_cannot_be_ended(
        self, web: Web, patricia: str, rajesh: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Whoever logs in is logged in, although the store fails just then."""
        web.log_in(patricia)
        fails = mock.Mock(side_effect=BackendUnavailableError("The store is gone."))
        monkeypatch.setattr(web.site.flow, "log_out", fails)
        web.log_in(rajesh)
        assert web.me() == rajesh
        assert fails.called

    def test_the_operator_ends_a_login(self, another: Callable[[], Web], patricia: str) -> None:
        """In all browsers at once, while their users work."""
        browsers = [another(), another()]
        for web in browsers:
            web.log_in(patricia)
            assert web.get("/courses").status_code == 200
        (login,) = browsers[0].site.stored
        browsers[0].site.flow.end(login.id or "")
        assert [web.get("/courses").status_code for web in browsers] == [303, 303]
        assert [web.me() for web in browsers] == [None, None]


class TestLogOut:
    """By a POST of this site, and by nothing else."""

    def test_this_browser(self, another: Callable[[], Web], patricia: str) -> None:
        web, other = another(), another()
        web.log_in(patricia)
        other.log_in(patricia)
        answer = web.post("/logout")
        assert (answer.status_code, answer.headers["location"]) == (303, "/")
        assert (web.me(), other.me()) == (None, patricia)

    def test_everywhere(self, another: Callable[[], Web], patricia: str) -> None:
        web, other = another(), another()
        web.log_in(patricia)
        other.log_in(patricia)
        web.post("/logout", {"everywhere": "1"})
        assert (web.me(), other.me()) == (None, None)
        assert web.site.stored == []
        assert web.site.zoho.counters().live_refresh_tokens == 0

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "cross-site"},
            {"Sec-Fetch-Site": "same-site"},
            {"Sec-Fetch-Site": "cross-site", "Origin": "http://localhost:8000"},
            {"Origin": "https://evil.example"},
            {"Origin": "http://localhost:8001"},
            {"Origin": "null"},
            {"Origin": "http://["},
            {"Origin": "http://localhost:8000/"},
        ],
    )
    def test_another_site(self, web: Web, patricia: str, headers: dict[str, str]) -> None:
        """A form elsewhere logs nobody out."""
        web.log_in(patricia)
        assert web.post("/logout", headers=headers).status_code == 403
        assert web.me() == patricia

    @pytest.mark.parametrize(
        "headers",
        [
            {"Sec-Fetch-Site": "same-origin", "Origin": "http://localhost:8000"},
            {"Sec-Fetch-Site": "same-origin", "Origin": "null"},
            {"Origin": "http://localhost:8000"},
            {"Origin": "http://localhost:8000", "Host": "10.0.0.7:9000"},
            {},
        ],
    )
    def test_this_site(self, web: Web, patricia: str, headers: dict[str, str]) -> None:
        """Also behind a proxy that has changed the host."""
        web.log_in(patricia)
        assert web.post("/logout", headers=headers).status_code == 303
        assert web.me() is None

    def test_by_a_link(self, web: Web, patricia: str) -> None:
        web.log_in(patricia)
        assert web.get("/logout").status_code == 405
        assert web.me() == patricia

    def test_nobody_is_logged_in(self, web: Web) -> None:
        assert web.post("/logout").status_code == 303
