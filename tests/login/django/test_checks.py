"""`manage.py check`: each mistake in the settings has a sentence that says what to do."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from django.conf import settings
from django.core.checks import run_checks
from django.core.exceptions import ImproperlyConfigured
from django.test import override_settings

from tests.login.django.support import CALLBACK, Project, use_database
from zoho_tokenstore.login.django._site import site

GOOD = {"CLIENT_ID": "1000.A", "CLIENT_SECRET": "a-secret-value", "REDIRECT_URL": CALLBACK}
OURS = "zoho_tokenstore.login.django.ZohoLoginMiddleware"


def found(zoho_login: Any = GOOD, **others: Any) -> dict[str, str]:
    """Return the messages of our checks by their ids."""
    with override_settings(ZOHO_LOGIN=zoho_login, **others):
        messages = [each for each in run_checks() if (each.id or "").startswith("zoho_login.")]
    text: dict[str, str] = {}
    for each in messages:
        name = str(each.id).removeprefix("zoho_login.")
        text[name] = f"{text.get(name, '')}{each.msg} {each.hint or ''}\n"
    assert "a-secret-value" not in repr(text)
    return text


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in GOOD.items() if key != name}


@pytest.fixture(autouse=True)
def _project(project: Project) -> None:
    """With its URLs."""


def test_good_settings() -> None:
    """Nothing is said."""
    assert found() == {}


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ({}, "no CLIENT_ID"),
        (None, "must be a dict"),
        (without("CLIENT_SECRET"), "no CLIENT_SECRET"),
        (without("REDIRECT_URL"), "no REDIRECT_URL"),
        (GOOD | {"CLIENT_ID": ""}, "no CLIENT_ID"),
        (GOOD | {"SCOPE": []}, "no option 'SCOPE'. Is SCOPES meant?"),
        (GOOD | {"zzz": []}, "It may have CLIENT_ID"),
        (GOOD | {"SCOPES": "ZohoCRM.users.READ"}, "SCOPES must be a list"),
        (GOOD | {"SESSIONS": 30}, "SESSIONS must be a SessionPolicy"),
        (GOOD | {"SESSION_LIFETIME": 30}, "SESSION_LIFETIME must be a timedelta"),
        (GOOD | {"TIME_LIMIT": timedelta(0)}, "TIME_LIMIT must be a timedelta above zero"),
        (GOOD | {"STORE": None}, "STORE must be a string"),
        (GOOD | {"SDK": "yes"}, "SDK must be"),
        (GOOD | {"OPTIONS": []}, "OPTIONS must be a dict"),
        (GOOD | {"REDIRECT_URL": "/callback"}, "REDIRECT_URL must be a whole URL"),
        (GOOD | {"REDIRECT_URL": "https://[/callback"}, "REDIRECT_URL must be a whole URL"),
    ],
)
def test_the_setting_itself(setting: Any, words: str) -> None:
    """What is missing, unknown or of the wrong kind; and a process does not start with it either."""
    assert words in found(setting)["E001"]
    with override_settings(ZOHO_LOGIN=setting), pytest.raises(ImproperlyConfigured):
        site()


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "E002"),
        ([OURS, "django.contrib.sessions.middleware.SessionMiddleware"], "E003"),
    ],
)
def test_the_middleware(names: list[str], message: str) -> None:
    """It must be there, after the sessions."""
    rest = [name for name in settings.MIDDLEWARE if name != OURS and "sessions" not in name]
    assert message in found(MIDDLEWARE=names + rest)


def test_forms_of_other_sites() -> None:
    names = [name for name in settings.MIDDLEWARE if "Csrf" not in name]
    assert "W001" in found(MIDDLEWARE=names)


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"SESSION_COOKIE_SAMESITE": "Strict"}, "E004"),
        ({"SESSION_COOKIE_SAMESITE": "None"}, "W002"),
        ({"SESSION_COOKIE_SAMESITE": False}, "W002"),
        ({"SESSION_COOKIE_HTTPONLY": False}, "W004"),
    ],
)
def test_cookies(others: Mapping[str, Any], message: str) -> None:
    assert list(found(**others)) == [message]


def test_cookies_over_http() -> None:
    """On a site with TLS they must not be sent without."""
    secure = GOOD | {"REDIRECT_URL": "https://portal.example/callback"}
    assert "SESSION_COOKIE_SECURE = True" in found(secure)["W003"]
    assert found(secure, SESSION_COOKIE_SECURE=True) == {}


def test_the_redirect_url() -> None:
    """It leads to the callback, and over TLS."""
    assert "E006" in found(GOOD | {"REDIRECT_URL": "http://localhost:8000/zoho/callback"})
    assert "W005" in found(GOOD | {"REDIRECT_URL": "http://portal.example/callback"})


def test_without_urls() -> None:
    assert "zoho_tokenstore.login.django.urls" in found(ROOT_URLCONF="django.contrib.auth.urls")["E005"]


def test_the_store() -> None:
    """An alias that there is not, and a password in the open."""
    assert "neither a URL nor in DATABASES" in found(GOOD | {"STORE": "missing"})["E007"]
    shown = GOOD | {"STORE": "postgresql://u:a-secret-value@db/portal"}
    assert "W006" in found(shown, DEBUG=True)
    assert found(shown) == {}


def test_requests_in_transactions() -> None:
    """On SQLite, they lock the store out."""
    use_database("default", ATOMIC_REQUESTS=True)
    try:
        assert "W007" in found()
        assert found(GOOD | {"STORE": "sqlite:///logins.db"}) == {}
    finally:
        use_database("default", ATOMIC_REQUESTS=False)
