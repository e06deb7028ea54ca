"""What a browser gets that is not logged in, or whose login failed."""

from __future__ import annotations

from typing import Final

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.template import TemplateDoesNotExist
from django.template.loader import get_template
from django.urls import reverse

from zoho_tokenstore.login._failures import LoginFailedError
from zoho_tokenstore.login._pages import (
    CHALLENGE,
    HEADERS,
    NOT_LOGGED_IN,
    REDIRECT_HEADERS,
    failure_page,
    status_of,
)
from zoho_tokenstore.login._requests import is_page_load, with_next

TEMPLATE: Final = "zoho_login/failed.html"


class LoginNeeded(PermissionDenied):
    """A view needs a login, and there is none, or Zoho does not accept it any more."""


def redirect(url: str) -> HttpResponse:
    """Send a browser elsewhere; the address that it comes from, with its code, is told to nobody."""
    return HttpResponseRedirect(url, headers=REDIRECT_HEADERS)


def ask_to_log_in(request: HttpRequest) -> HttpResponse:
    """Send a browser to log in, and back here; answer anything but a page load with 401."""
    if is_page_load(request.method or "", request.headers):
        return redirect(login_path(request.get_full_path()))
    return HttpResponse(NOT_LOGGED_IN, status=401, content_type="text/plain", headers=CHALLENGE)


def failed(request: HttpRequest, failure: LoginFailedError) -> HttpResponse:
    """Return the project's page for a login that failed, or a short one of ours."""
    path, status = login_path(failure.next), status_of(failure)
    try:
        template = get_template(TEMPLATE)
    except TemplateDoesNotExist:
        return HttpResponse(failure_page(failure, path), status=status, headers=HEADERS)
    page = template.render({"failure": failure, "login_path": path}, request)
    return HttpResponse(page, status=status, headers=REDIRECT_HEADERS)


def login_path(next_path: str) -> str:
    """Return where a login begins that ends at a path."""
    return with_next(reverse("zoho_login:login"), next_path)
