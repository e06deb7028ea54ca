"""Login with Zoho for Django: pages, sessions, the logins in Django's database, admin and commands.

::

    INSTALLED_APPS += ["zoho_tokenstore.login.django"]
    MIDDLEWARE += ["zoho_tokenstore.login.django.ZohoLoginMiddleware"]
    ZOHO_LOGIN = {"CLIENT_ID": ..., "CLIENT_SECRET": ..., "REDIRECT_URL": "https://portal.example/zoho/callback"}

    urlpatterns += [path("zoho/", include("zoho_tokenstore.login.django.urls"))]

    @zoho_login_required
    def courses(request):
        with acting(request) as login:
            return render(request, "courses.html", {"courses": read_courses(), "login": login})

docs/how-to/log-users-in-with-django.md
"""

from __future__ import annotations

from zoho_tokenstore._util.packages import needed_by

with needed_by("Login with Zoho in Django", "Django", "django"):
    import django as _django  # noqa: F401

from zoho_tokenstore.login.django._guards import (
    ZohoLoginRequiredMixin,
    acting,
    run_as,
    zoho_login_required,
)
from zoho_tokenstore.login.django._middleware import ZohoLoginMiddleware
from zoho_tokenstore.login.django._site import close_site, flow, tokens

__all__ = [
    "ZohoLoginMiddleware",
    "ZohoLoginRequiredMixin",
    "acting",
    "close_site",
    "flow",
    "run_as",
    "tokens",
    "zoho_login_required",
]
