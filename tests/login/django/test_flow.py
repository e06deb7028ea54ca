"""The pages of a login in Django: who gets in, who does not, and what the browser is told."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import override_settings

from tests.login.django.support import Browser, Project, flow, tokens
from zoho_tokenstore import SessionPolicy
from zoho_tokenstore.emulator import Emulator

COOKIE = "sessionid"


class TestIn:
    """Somebody consents, and is logged in."""

    def test_a_login(self, browser: Browser, project: Project, patricia: str) -> None:
        """The browser is taken where its user wanted to go, and the site knows who it is."""
        assert browser.user == "nobody"
        page = browser.log_in(patricia, "/login?next=/courses")
        assert (page.status_code, page["location"]) == (302, "/courses")
        assert browser.user == patricia
        assert browser.page("/courses").content.decode() == f"courses of {patricia}"
        assert [each.label for each in flow().sessions_of(project.stored[0].id or "")] == ["Firefox on Linux"]

    def test_a_view_that_needs_a_login(self, browser: Browser, patricia: str) -> None:
        """The browser is sent to log in, and back to the same page."""
        page = browser.page("/courses?term=2")
        assert page["location"] == "/login?next=/courses%3Fterm%3D2"
        assert browser.log_in(patricia, page["location"])["location"] == "/courses?term=2"

    @pytest.mark.parametrize("path", ["/courses", "/async-courses", "/class-courses", "/async-class-courses"])
    def test_every_kind_of_view(self, browser: Browser, patricia: str, path: str) -> None:
        """Functions and classes, sync and async."""
        assert browser.page(path)["location"] == f"/login?next={path}"
        browser.log_in(patricia)
        assert browser.page(path).content.decode() == f"courses of {patricia}"

    @pytest.mark.parametrize(
        "headers",
        [
            {"accept": "application/json"},
            {"accept": "*/*"},
            {"sec-fetch-mode": "cors"},
            {"sec-fetch-mode": "no-cors"},
        ],
    )
    def test_a_script_is_not_redirected(self, browser: Browser, headers: dict[str, str]) -> None:
        """It could not follow to Zoho; 401 tells it."""
        page = browser.page("/courses", headers=headers)
        assert (page.status_code, page["www-authenticate"]) == (401, "Cookie")
        assert browser.post("/courses").status_code == 401

    def test_a_head(self, browser: Browser) -> None:
        """It is answered as a page load is."""
        assert browser.head("/courses")["location"] == "/login?next=/courses"

    def test_two_tabs(self, browser: Browser, patricia: str) -> None:
        """Both logins of one browser succeed, in the other order, too."""
        one, two = browser.begin("/login?next=/one"), browser.begin("/login?next=/two")
        assert browser.page(browser.consent(two, patricia))["location"] == "/two"
        assert browser.page(browser.consent(one, patricia))["location"] == "/one"
        assert browser.user == patricia

    def test_a_reload(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        """Whoever loads the callback again is still logged in, and goes on; its code is sent once."""
        callback = browser.consent(browser.begin("/login?next=/courses"), patricia)
        assert [browser.page(callback)["location"] for _ in range(3)] == ["/courses"] * 3
        assert browser.user == patricia
        assert len(zoho.journal("token:authorization_code")) == 1

    def test_another_user_in_the_same_browser(
        self, browser: Browser, project: Project, patricia: str, rajesh: str
    ) -> None:
        """The former session has ended, and nothing of it is left."""
        browser.log_in(patricia)
        session = browser.session
        session["basket"] = "patricia's"
        session.save()
        browser.log_in(rajesh)
        assert browser.user == rajesh
        assert "basket" not in browser.session
        assert [login.user_name.partition(":")[0] for login in project.stored if login.user_name] == [rajesh]

    def test_the_same_user_again(self, browser: Browser, project: Project, patricia: str) -> None:
        """There is one session of this browser, and what it held stays."""
        browser.log_in(patricia)
        session = browser.session
        session["basket"] = "patricia's"
        session.save()
        browser.log_in(patricia)
        assert browser.session["basket"] == "patricia's"
        assert len(flow().sessions_of(project.stored[0].id or "")) == 1

    def test_a_path_of_another_site(self, browser: Browser, patricia: str) -> None:
        """It is not followed."""
        assert browser.log_in(patricia, "/login?next=https://evil.example/")["location"] == "/"


class TestFixation:
    """Who knows a session before the login, knows nothing after it."""

    def test_the_key_changes(self, browser: Browser, project: Project, patricia: str) -> None:
        """The key from before leads nowhere, and the token of forms is another one."""
        callback = browser.consent(browser.begin(), patricia)
        before, token = browser.cookies[COOKIE].value, browser.page("/form").content
        browser.page(callback)
        assert browser.cookies[COOKIE].value != before
        assert not Session.objects.filter(session_key=before).exists()
        thief = project.browser()
        thief.cookies[COOKIE] = before
        assert thief.user == "nobody"
        assert browser.page("/form").content[:32] != token[:32]

    def test_an_operator_stays_logged_in(self, browser: Browser, patricia: str) -> None:
        """Who is logged in to the admin with the same browser."""
        browser.force_login(User.objects.create_superuser("operator"))
        browser.log_in(patricia)
        assert browser.page("/admin/").status_code == 200
        assert browser.user == patricia


class TestFailure:
    """Nobody is logged in, and the page says why."""

    @pytest.fixture(autouse=True)
    def _nobody(self, browser: Browser) -> Iterator[None]:
        yield
        assert browser.user == "nobody"

    def failed(self, browser: Browser, callback: str, status: int, words: str) -> None:
        page = browser.page(callback)
        text = page.content.decode()
        assert page.status_code == status
        assert words in text
        assert 'href="/login?next=' in text
        assert page["cache-control"] == "no-store"
        assert page["referrer-policy"] == "no-referrer"
        assert "default-src 'none'" in page["content-security-policy"]
        assert "code=" not in text

    def test_denied(self, browser: Browser, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia, "reject")
        self.failed(browser, callback, 403, "You did not allow access")

    def test_expired(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia)
        zoho.advance(181)
        self.failed(browser, callback, 400, "took too long")

    def test_foreign(self, browser: Browser, project: Project, patricia: str) -> None:
        """An address from another browser, and one without anything."""
        callback = browser.consent(project.browser().begin(), patricia)
        self.failed(browser, callback, 400, "does not belong to a login")
        self.failed(browser, "/callback", 400, "does not belong to a login")

    def test_a_parameter_that_comes_twice(self, browser: Browser, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia)
        self.failed(browser, f"{callback}&code=other", 400, "does not belong to a login")

    def test_used(self, browser: Browser, patricia: str) -> None:
        """The callback of a login that failed, again."""
        callback = browser.consent(browser.begin(), patricia, "reject")
        self.failed(browser, callback, 403, "You did not allow access")
        self.failed(browser, callback, 400, "complete already")

    def test_unknown_user(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia)
        zoho.fault("users", "status", status=401)
        self.failed(browser, callback, 400, "does not say who you are")

    def test_no_refresh_token(self, browser: Browser, patricia: str) -> None:
        """Somebody consented before, and Zoho is asked not to ask again."""
        browser.log_in(patricia)
        browser.post("/logout")
        url = browser.begin().replace("prompt=consent", "prompt=none")
        self.failed(browser, browser.consent(url, patricia), 400, "for an hour only")

    def test_unknown_server(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia)
        changed = callback.replace("accounts-server=http", "accounts-server=https%3A%2F%2Fevil.example%2F")
        assert changed != callback
        self.failed(browser, changed, 400, "does not belong to Zoho")
        assert zoho.journal("token:authorization_code") == []

    def test_refused(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia)
        zoho.fault("token:authorization_code", "error", error="invalid_client")
        self.failed(browser, callback, 400, "does not accept this login")

    def test_unavailable(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        callback = browser.consent(browser.begin(), patricia)
        zoho.fault("token:authorization_code", "status", status=503)
        self.failed(browser, callback, 503, "cannot be reached")

    def test_missing_scopes(self, browser: Browser, project: Project, patricia: str) -> None:
        """The address at Zoho was changed to ask for less."""
        url = browser.begin()
        scope = "ZohoCRM.settings.READ"
        less = url.replace(f"%2C{scope}", "").replace(f",{scope}", "")
        assert less != url
        self.failed(browser, browser.consent(less, patricia), 403, "Not all of the access")

    def test_a_page_of_the_project(self, browser: Browser, patricia: str) -> None:
        """A template of that name is taken instead, with the sentence and where to begin again."""
        template = "{{ failure.kind }}: {{ failure.sentence }} {{ login_path }}"
        loaders = [("django.template.loaders.locmem.Loader", {"zoho_login/failed.html": template})]
        engine = {
            "BACKEND": "django.template.backends.django.DjangoTemplates",
            "OPTIONS": {"loaders": loaders},
        }
        callback = browser.consent(browser.begin("/login?next=/x"), patricia, "reject")
        with override_settings(TEMPLATES=[engine]):
            page = browser.page(callback)
        assert page.status_code == 403
        assert page.content.decode().startswith("denied: You did not allow")
        assert page.content.decode().endswith("/login?next=/x")
        assert page["referrer-policy"] == "no-referrer"


class TestOut:
    """A session ends: here, everywhere, by a limit, or by an operator."""

    def test_here(self, browser: Browser, project: Project, zoho: Emulator, patricia: str) -> None:
        """The last browser ends the login, at Zoho too; a copy of the cookie is worth nothing."""
        other = project.browser()
        browser.log_in(patricia)
        other.log_in(patricia)
        copy = browser.cookies[COOKIE].value
        refresh_token = project.stored[0].refresh_token or ""
        assert browser.post("/logout")["location"] == "/"
        assert (browser.user, other.user) == ("nobody", patricia)
        browser.cookies[COOKIE] = copy
        assert browser.user == "nobody"
        assert zoho.is_live(refresh_token)
        other.post("/logout")
        assert not zoho.is_live(refresh_token)
        assert project.stored == []

    def test_everywhere(self, browser: Browser, project: Project, patricia: str) -> None:
        other = project.browser()
        browser.log_in(patricia)
        other.log_in(patricia)
        browser.post("/logout", {"everywhere": "yes"})
        assert (browser.user, other.user, project.stored) == ("nobody", "nobody", [])

    def test_home(self, browser: Browser, project: Project, patricia: str) -> None:
        """The setting says where a browser goes; to no other site."""
        for home, location in (("/bye", "/bye"), ("https://evil.example", "/")):
            project.set(HOME=home)
            assert browser.post("/logout")["location"] == location

    def test_by_a_link(self, browser: Browser, patricia: str) -> None:
        """A log-out is a POST: an image on another page ends nothing."""
        browser.log_in(patricia)
        assert browser.page("/logout").status_code == 405
        assert browser.user == patricia

    def test_csrf(self, project: Project, patricia: str) -> None:
        """A form without Django's token ends nothing."""
        browser = project.browser(enforce_csrf_checks=True)
        browser.log_in(patricia)
        assert browser.post("/logout").status_code == 403
        assert browser.user == patricia
        token = browser.page("/form").content.decode()
        assert browser.post("/logout", {"csrfmiddlewaretoken": token}).status_code == 302
        assert browser.user == "nobody"

    @pytest.mark.usefixtures("_without_csrf_middleware")
    def test_csrf_without_the_middleware(self, project: Project) -> None:
        """The page is protected all the same."""
        browser = project.browser(enforce_csrf_checks=True)
        assert browser.post("/logout").status_code == 403

    @pytest.fixture
    def _without_csrf_middleware(self) -> Iterator[None]:
        rest = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
        with override_settings(MIDDLEWARE=rest):
            yield

    def test_idle(self, browser: Browser, project: Project, patricia: str) -> None:
        """A login that nobody has used for longer than the policy allows is no login."""
        project.set(SESSIONS=SessionPolicy(idle=timedelta(minutes=30)))
        browser.log_in(patricia)
        project.be_older(29 * 60_000)
        assert browser.user == patricia
        project.be_older(2 * 60_000)
        assert browser.user == "nobody"
        assert browser.page("/courses")["location"] == "/login?next=/courses"

    def test_by_an_operator(self, browser: Browser, project: Project, patricia: str) -> None:
        browser.log_in(patricia)
        flow().end(project.stored[0].id or "")
        assert browser.user == "nobody"

    def test_by_zoho(self, browser: Browser, project: Project, zoho: Emulator, patricia: str) -> None:
        """A login that Zoho has ended: the view that calls Zoho sends the browser to log in."""
        browser.log_in(patricia)
        login = project.stored[0]
        zoho.fault("token:refresh_token", "error", error="invalid_code")
        zoho.expire_access_tokens()
        tokens().invalidate(login.id or "", login.access_token)
        assert browser.page("/leads")["location"] == "/login?next=/leads"
        zoho.clear_faults()
        browser.log_in(patricia)
        assert browser.page("/leads").status_code == 200
