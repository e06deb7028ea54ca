"""Views that need a login, and calls of Zoho in them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial, wraps
from typing import Any, ParamSpec, TypeVar, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest

from zoho_tokenstore.login._acting import acting_in_request
from zoho_tokenstore.login.django._answers import LoginNeeded, ask_to_log_in
from zoho_tokenstore.login.django._middleware import alogin_of, login_of
from zoho_tokenstore.login.django._site import tokens
from zoho_tokenstore.records import TokenRecord

P = ParamSpec("P")
R = TypeVar("R")
V = TypeVar("V", bound=Callable[..., Any])


def zoho_login_required(view: V) -> V:
    """Let a view, sync or async, see only requests that have a login; others are sent to log in."""

    @wraps(view)
    def call(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        return ask_to_log_in(request) if login_of(request) is None else view(request, *args, **kwargs)

    @wraps(view)
    async def acall(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if await alogin_of(request) is None:
            return ask_to_log_in(request)
        return await view(request, *args, **kwargs)

    return cast("V", acall if iscoroutinefunction(view) else call)


class ZohoLoginRequiredMixin:
    """For class-based views: the same; it comes before `View` in the list of bases."""

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        """Answer only requests that have a login."""
        view: Callable[..., Any] = super().dispatch  # type: ignore[misc]  # of Django's View, which follows
        if getattr(self, "view_is_async", False):
            markcoroutinefunction(view := partial(view))
        return zoho_login_required(view)(request, *args, **kwargs)


def acting(request: HttpRequest) -> AbstractContextManager[TokenRecord]:
    """Return a block in which calls of Zoho's SDK are made as the user of a request; see `Tokens.acting_as`.

    Without a login, or if Zoho does not accept it any more, the view ends there, and the browser is sent to
    log in.
    """
    login = login_of(request)
    if login is None or login.id is None:
        raise LoginNeeded("Nobody is logged in here.")
    return acting_in_request(tokens(), login.id, lambda error: LoginNeeded(str(error)))


async def run_as(request: HttpRequest, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
    """Call a function as the user of a request, in a thread, and await it; see `acting`."""

    def act() -> R:
        with acting(request):
            return function(*args, **kwargs)

    await alogin_of(request)
    return await asyncio.to_thread(act)
