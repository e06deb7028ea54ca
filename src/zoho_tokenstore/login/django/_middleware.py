"""`request.zoho_login`: who is logged in, looked up when somebody asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import cache, cached_property
from typing import Any, Final

from asgiref.sync import iscoroutinefunction, markcoroutinefunction, sync_to_async
from django.core.exceptions import ImproperlyConfigured
from django.http import HttpRequest, HttpResponse, HttpResponseBase

from zoho_tokenstore.login._requests import SESSION
from zoho_tokenstore.login.django._answers import LoginNeeded, ask_to_log_in
from zoho_tokenstore.login.django._site import flow
from zoho_tokenstore.records import TokenRecord

ATTRIBUTE: Final = "zoho_login"

GetResponse = Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]


class ZohoLoginMiddleware:
    """Gives requests `zoho_login`, a `TokenRecord` or `None`, and `azoho_login()` to await in async code.

    A view that nobody may see without a login can just use one: whoever has none is sent to log in.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: GetResponse) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        request.__class__ = _with_login(type(request))  # type: ignore[arg-type]  # a class has a hash
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Send a browser to log in, if that is what a view lacks."""
        return ask_to_log_in(request) if isinstance(exception, LoginNeeded) else None


def login_of(request: HttpRequest) -> TokenRecord | None:
    """Return the login of a request, or `None`.

    Raises:
        ImproperlyConfigured: the middleware is missing.
    """
    _check(request)
    found: TokenRecord | None = getattr(request, ATTRIBUTE)
    return found


async def alogin_of(request: HttpRequest) -> TokenRecord | None:
    """Return the same without holding up the event loop."""
    _check(request)
    return await sync_to_async(login_of)(request)


@cache
def _with_login(kind: type[HttpRequest]) -> type[HttpRequest]:
    """Return a kind of request that knows its login.

    Of a class, so that the attribute is looked up when it is used, and really is `None` without a login.
    """
    if hasattr(kind, ATTRIBUTE):
        return kind
    members: dict[str, Any] = {ATTRIBUTE: cached_property(_look_up), f"a{ATTRIBUTE}": alogin_of}
    return type(kind.__name__, (kind,), {**members, "__module__": kind.__module__})


def _look_up(request: HttpRequest) -> TokenRecord | None:
    session = request.session.get(SESSION)
    return None if session is None else flow().identify(session)


def _check(request: HttpRequest) -> None:
    if not hasattr(type(request), ATTRIBUTE):
        raise ImproperlyConfigured(
            "Add zoho_tokenstore.login.django.ZohoLoginMiddleware to MIDDLEWARE, after SessionMiddleware."
        )
