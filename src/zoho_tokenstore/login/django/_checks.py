"""System checks of the setting, and of what it needs from others: `manage.py check` says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any, Final
from urllib.parse import urlsplit

from django.conf import settings
from django.core.checks import CheckMessage, Error
from django.core.checks import Warning as Caution
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.urls import NoReverseMatch, reverse

from zoho_tokenstore.login.django._databases import url_of
from zoho_tokenstore.login.django._settings import Options, options, problems

_PACKAGE: Final = "zoho_tokenstore.login.django"
_MIDDLEWARE: Final = f"{_PACKAGE}.ZohoLoginMiddleware"
_SESSIONS: Final = "django.contrib.sessions.middleware.SessionMiddleware"
_CSRF: Final = "django.middleware.csrf.CsrfViewMiddleware"
_LOCAL: Final = ("localhost", "127.0.0.1", "::1")


def check_setting(**_: Any) -> list[CheckMessage]:
    """Return what would keep users from logging in, or let others in."""
    found = [Error(problem, id="zoho_login.E001") for problem in problems()]
    if found:
        return list(found)
    known = options()
    return list(chain(_of_middleware(), _of_cookies(known), _of_urls(known), _of_store(known)))


def _of_middleware() -> Iterator[CheckMessage]:
    names = list(settings.MIDDLEWARE)
    if _MIDDLEWARE not in names:
        yield Error(
            f"MIDDLEWARE lacks {_MIDDLEWARE}.", "Add it after SessionMiddleware.", id="zoho_login.E002"
        )
    elif _SESSIONS not in names or names.index(_SESSIONS) > names.index(_MIDDLEWARE):
        yield Error(f"{_MIDDLEWARE} must come after {_SESSIONS}.", id="zoho_login.E003")
    if _CSRF not in names:
        yield Caution(
            f"MIDDLEWARE lacks {_CSRF}: forms of other sites can act as the user.", id="zoho_login.W001"
        )


def _of_cookies(known: Options) -> Iterator[CheckMessage]:
    same_site = settings.SESSION_COOKIE_SAMESITE
    if str(same_site).lower() == "strict":
        yield Error(
            'With SESSION_COOKIE_SAMESITE = "Strict", no login succeeds: Zoho\'s redirect brings no session.',
            'Set it to "Lax", the default.',
            id="zoho_login.E004",
        )
    elif same_site != "Lax":
        yield Caution('SESSION_COOKIE_SAMESITE is not "Lax".', id="zoho_login.W002")
    if known.redirect_url.lower().startswith("https://") and not settings.SESSION_COOKIE_SECURE:
        yield Caution(
            "The site is at https://, but its session cookie is also sent over http://.",
            "Set SESSION_COOKIE_SECURE = True, and CSRF_COOKIE_SECURE = True.",
            id="zoho_login.W003",
        )
    if not settings.SESSION_COOKIE_HTTPONLY:
        yield Caution("Scripts can read the session cookie: SESSION_COOKIE_HTTPONLY.", id="zoho_login.W004")


def _of_urls(known: Options) -> Iterator[CheckMessage]:
    parts = urlsplit(known.redirect_url)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        yield Caution("REDIRECT_URL is not https://: Zoho's codes can be read.", id="zoho_login.W005")
    try:
        path = reverse("zoho_login:callback")
    except NoReverseMatch:
        yield Error(
            f"No URL leads to {_PACKAGE}.urls.",
            f'Add to urlpatterns: path("zoho/", include("{_PACKAGE}.urls")).',
            id="zoho_login.E005",
        )
        return
    if parts.path != path:
        yield Error(
            f"REDIRECT_URL leads to {parts.path}, but the callback is at {path}.",
            "Zoho sends browsers to REDIRECT_URL; change it here and in Zoho's API console, or the URLs.",
            id="zoho_login.E006",
        )


def _of_store(known: Options) -> Iterator[CheckMessage]:
    alias = known.alias
    if alias is None:
        if urlsplit(known.store).password and settings.DEBUG:
            yield Caution(
                "STORE has a password, which Django's debug pages show.",
                "Describe the database in DATABASES, whose passwords are hidden, and name its alias.",
                id="zoho_login.W006",
            )
        return
    try:
        url_of(alias)
    except ImproperlyConfigured as error:
        yield Error(str(error), id="zoho_login.E007")
        return
    if connections[alias].vendor == "sqlite" and connections[alias].settings_dict["ATOMIC_REQUESTS"]:
        yield Caution(
            "With ATOMIC_REQUESTS on SQLite, a view and the store of the logins lock each other out.",
            "Give the logins a file of their own: another entry of DATABASES, or STORE = sqlite:///logins.db.",
            id="zoho_login.W007",
        )
