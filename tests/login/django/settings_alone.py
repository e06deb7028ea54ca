"""The same project with one database, as Django's own test runner wants it: all are looked at."""

from __future__ import annotations

from tests.login.django.settings import *  # noqa: F403

DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "never-opened.sqlite3"}}
