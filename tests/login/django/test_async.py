"""Under ASGI: async views know the login without holding up the event loop, and call Zoho in threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from asgiref.sync import iscoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory
from django.test.utils import override_settings
from django.urls import path as url

from tests.login.django.support import Browser, Project, flow, tokens
from tests.login.django.views import async_courses, courses, who
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login.django import ZohoLoginMiddleware, zoho_login_required


def ask(path: str, browser: Browser | None = None) -> Any:
    """Load a page with the cookies of a browser, through Django's async handler."""
    client = AsyncClient()
    if browser is not None:
        client.cookies = browser.cookies

    async def load() -> Any:
        try:
            return await client.get(path, headers={"accept": "text/html"})
        finally:
            await sync_to_async(connections.close_all)()  # those of the thread that all tests share

    return asyncio.run(load())


@pytest.mark.parametrize("path", ["/courses", "/async-courses", "/class-courses", "/async-class-courses"])
def test_views(browser: Browser, patricia: str, path: str) -> None:
    """Of both kinds, with and without a login."""
    assert ask(path)["location"] == f"/login?next={path}"
    browser.log_in(patricia)
    assert ask(path, browser).content.decode() == f"courses of {patricia}"


@pytest.mark.parametrize("path", ["/leads", "/async-leads"])
def test_calls_of_zoho(browser: Browser, zoho: Emulator, patricia: str, path: str) -> None:
    """As the user of the request; without one, the browser is sent to log in."""
    assert ask(path)["location"] == f"/login?next={path}"
    browser.log_in(patricia)
    assert ask(path, browser).content.decode() == f"1 leads for {patricia}"
    assert {entry.user for entry in zoho.journal("records")} == {patricia}


def test_a_login_that_zoho_has_ended(
    browser: Browser, project: Project, zoho: Emulator, patricia: str
) -> None:
    """An async view sends the browser to log in, too."""
    browser.log_in(patricia)
    zoho.fault("token:refresh_token", "error", error="invalid_code")
    tokens().invalidate(project.stored[0].id or "")
    assert ask("/async-leads", browser)["location"] == "/login?next=/async-leads"
    zoho.clear_faults()


def test_the_event_loop_goes_on(
    browser: Browser, patricia: str, monkeypatch: pytest.MonkeyPatch, project: Project
) -> None:
    """Who is logged in is looked up in another thread."""
    browser.log_in(patricia)
    threads: list[threading.Thread] = []
    known = flow()

    def noted() -> Any:
        threads.append(threading.current_thread())
        return known

    monkeypatch.setattr("zoho_tokenstore.login.django._middleware.flow", noted)
    assert ask("/async-courses", browser).status_code == 200
    assert len(threads) == 1
    assert threads[0] is not threading.main_thread()


def test_the_middleware_is_async() -> None:
    """Django need not put it, and all that follows, into a thread."""
    assert ZohoLoginMiddleware.async_capable
    assert iscoroutinefunction(ZohoLoginMiddleware(async_courses))
    assert not iscoroutinefunction(ZohoLoginMiddleware(courses))


def test_without_the_middleware(project: Project) -> None:
    """A view says what is missing, instead of letting anybody in."""
    with pytest.raises(ImproperlyConfigured, match="ZohoLoginMiddleware"):
        zoho_login_required(who)(RequestFactory().get("/"))


def test_nobody_asks(browser: Browser, patricia: str) -> None:
    """Without a question, the session is not even read: the page can be cached."""
    with override_settings(ROOT_URLCONF=__name__):
        assert "vary" not in browser.page("/plain").headers


def plain(_: HttpRequest) -> HttpResponse:
    return HttpResponse("plain")


urlpatterns = [url("plain", plain)]
