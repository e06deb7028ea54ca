"""The app, as `INSTALLED_APPS` names it."""

from __future__ import annotations

from typing import Any

from django.apps import AppConfig
from django.core.checks import Tags, register
from django.core.signals import setting_changed

__all__ = ["ZohoLoginConfig"]


class ZohoLoginConfig(AppConfig):
    """Login with Zoho."""

    name = "zoho_tokenstore.login.django"
    label = "zoho_login"
    verbose_name = "Login with Zoho"
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        """Register the checks of the setting."""
        from zoho_tokenstore.login.django._checks import check_setting

        register(check_setting, Tags.security)
        setting_changed.connect(_close_site)


def _close_site(*, setting: str, **_: Any) -> None:
    """Open the store again after a test has changed where it is."""
    from zoho_tokenstore.login.django._site import close_site

    if setting in ("ZOHO_LOGIN", "DATABASES"):
        close_site()
