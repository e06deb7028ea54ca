"""The pages of a login: `zoho_login:login`, `zoho_login:callback`, and `zoho_login:logout`, by POST."""

from __future__ import annotations

from typing import Final

from django.urls import path

from zoho_tokenstore.login.django._views import come_back, log_in, log_out

__all__ = ["app_name", "urlpatterns"]

app_name: Final = "zoho_login"

urlpatterns: Final = [
    path("login", log_in, name="login"),
    path("callback", come_back, name="callback"),
    path("logout", log_out, name="logout"),
]
