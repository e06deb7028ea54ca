"""The settings of the project under test. Where its database is, and `ZOHO_LOGIN`, each test says."""

from __future__ import annotations

from typing import Any

SECRET_KEY = "not a secret, as it signs nothing but tests"
DEBUG = False
ALLOWED_HOSTS = ["*"]
USE_TZ = True
LOGGING_CONFIG = None  # logging is that of the whole run
ROOT_URLCONF = "tests.login.django.urls"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
SESSION_COOKIE_SECURE = False

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "zoho_tokenstore.login.django",
]
MIDDLEWARE = [
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "zoho_tokenstore.login.django.ZohoLoginMiddleware",
]
TEMPLATES: list[dict[str, Any]] = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ]
        },
    }
]
DATABASES: dict[str, dict[str, Any]] = {
    "default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "not chosen yet"},
    "postgresql": {"ENGINE": "django.db.backends.postgresql", "NAME": "not chosen yet"},
    "mariadb": {"ENGINE": "django.db.backends.mysql", "NAME": "not chosen yet"},
    "memory": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"},
}
ZOHO_LOGIN: dict[str, Any] = {
    "CLIENT_ID": "1000.PORTAL",
    "CLIENT_SECRET": "secret",
    "REDIRECT_URL": "http://localhost:8000/callback",
}
