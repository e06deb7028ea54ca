"""docs/reference/django.md names every option, check, command and URL that there is, and no other."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from django.core.management import get_commands
from django.db.models import Field

from tests.docs.pages import DOCS, Page
from tests.login.django.support import CALLBACK
from zoho_tokenstore.login.django import _checks as checks
from zoho_tokenstore.login.django import _settings as settings
from zoho_tokenstore.login.django.models import Login
from zoho_tokenstore.login.django.urls import app_name, urlpatterns

PAGE: Final = Page(DOCS / "reference" / "django.md").text


def first_column(pattern: str) -> set[str]:
    rows = re.findall(r"^\| (`[^|]*) \|", PAGE, re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row) if re.fullmatch(pattern, name)}


def test_options() -> None:
    assert first_column(r"[A-Z_]+") == set(settings._NAMES)


def test_defaults() -> None:
    """As they are without the option."""
    known = settings.Options(client_id="i", client_secret="s", redirect_url=CALLBACK)
    assert (known.store, known.home, known.sdk, known.options) == ("default", "/", True, {})
    assert (known.session_lifetime.days, known.time_limit.seconds) == (14, 600)
    for words in ('`"default"`', '`"/"`', "| 14 days |", "| 10 minutes |"):
        assert words in PAGE


def test_checks() -> None:
    source = Path(checks.__file__).read_text("utf-8")
    assert first_column(r"zoho_login\.[EW]\d+") == set(re.findall(r"zoho_login\.[EW]\d+", source))


def test_commands() -> None:
    ours = {name for name, app in get_commands().items() if app == "zoho_tokenstore.login.django"}
    assert {name.split()[0] for name in first_column(r"zoho_\w+( .*)?")} == ours


def test_urls() -> None:
    assert first_column(r"zoho_login:\w+") == {f"{app_name}:{each.name}" for each in urlpatterns}


def test_the_model() -> None:
    names = {field.name for field in Login._meta.get_fields() if isinstance(field, Field)}
    assert all(f"`{name}`" in PAGE for name in names)
    rights = {f"zoho_login.{name}" for name, _ in Login._meta.permissions} | {"zoho_login.view_login"}
    assert all(f"`{name}`" in PAGE for name in rights)
