"""The views of the project under test."""

from __future__ import annotations

from typing import Any

from django.db import connections
from django.http import HttpRequest, HttpResponse
from django.middleware.csrf import get_token
from django.views import View

from tests.sdk import app
from zoho_tokenstore.login.django import ZohoLoginRequiredMixin, acting, run_as, tokens, zoho_login_required
from zoho_tokenstore.login.django._settings import store_alias


def name_of(request: Any) -> str:
    login = request.zoho_login
    return "nobody" if login is None else str(login.user_name).partition(":")[0]


def who(request: HttpRequest) -> HttpResponse:
    """Anybody may see it; the login is looked up when it is asked for."""
    return HttpResponse(name_of(request))


@zoho_login_required
def courses(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"courses of {name_of(request)}")


@zoho_login_required
async def async_courses(request: Any) -> HttpResponse:
    login = await request.azoho_login()
    assert login == request.zoho_login
    return HttpResponse(f"courses of {name_of(request)}")


class Courses(ZohoLoginRequiredMixin, View):
    def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"courses of {name_of(request)}")


class AsyncCourses(ZohoLoginRequiredMixin, View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return HttpResponse(f"courses of {name_of(request)}")


def create_lead(name: str) -> int:
    app.create_lead(name)
    return len(app.leads())


def leads(request: HttpRequest) -> HttpResponse:
    """It has no decorator: whoever is not logged in is sent to log in by the block."""
    with acting(request) as login:
        return HttpResponse(f"{create_lead(str(login.user_name))} leads for {name_of(request)}")


async def async_leads(request: Any) -> HttpResponse:
    count = await run_as(request, create_lead, "somebody")
    return HttpResponse(f"{count} leads for {name_of(request)}")


def write() -> None:
    """Write to the database in which the logins are, if they are in one."""
    with connections[store_alias() or "default"].cursor() as cursor:
        cursor.execute("INSERT INTO written VALUES ('something')")


def renew_and_fail(request: Any) -> HttpResponse:
    """Renew the login, write, and fail."""
    tokens().refresh(request.zoho_login.id)
    write()
    if "no" not in request.GET:
        raise ZeroDivisionError
    return HttpResponse()


def write_and_renew(request: Any) -> HttpResponse:
    login_id = request.zoho_login.id
    write()
    tokens().refresh(login_id)
    return HttpResponse()


def form(request: HttpRequest) -> HttpResponse:
    """The token of a form."""
    return HttpResponse(get_token(request))
