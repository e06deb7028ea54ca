"""A Django project, its browsers, and people who log in with them."""

from __future__ import annotations

import os
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import django
import pymysql
import sqlalchemy as sa
from django.conf import settings
from django.db import connections
from django.http import HttpResponse
from django.test import Client, override_settings

import zoho_tokenstore
from tests.login.support import CALLBACK, consent
from tests.sql import support as sql
from zoho_tokenstore import RefreshToken, TokenRecord
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import CRM_WRITE, Started

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.login.django.settings")
django.setup()

from zoho_tokenstore.login.django import close_site, flow, tokens  # noqa: E402  # after setup

FIREFOX: Final = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"


class Browser(Client):
    """One browser; it follows no redirect by itself."""

    def __init__(self, zoho: Emulator, **options: Any) -> None:
        super().__init__(headers={"user-agent": FIREFOX, "accept": "text/html"}, **options)
        self.zoho = zoho

    def begin(self, path: str = "/login") -> str:
        """Begin a login; return where the browser is sent."""
        page = self.get(path)
        assert page.status_code == 302
        return str(page["location"])

    def consent(self, url: str, user: str, decision: str = "accept") -> str:
        """Decide at Zoho; return the callback."""
        answer = consent(self.zoho, Started(url, {}), user, decision)
        return f"/callback?{urlencode(answer)}"

    def log_in(self, user: str, path: str = "/login") -> HttpResponse:
        """From the button to the page that the user wanted."""
        return self.page(self.consent(self.begin(path), user))

    def page(self, path: str, **options: Any) -> HttpResponse:
        answer: Any = self.get(path, **options)
        assert isinstance(answer, HttpResponse)
        return answer

    @property
    def user(self) -> str:
        """As whom the site knows this browser."""
        return self.page("/who").content.decode()


class Project:
    """A running project.

    Arguments:
        zoho: its Zoho.
        folder: for its files.
        opened: what ends with it.
        options: of `ZOHO_LOGIN`.
    """

    def __init__(self, zoho: Emulator, folder: Path, opened: ExitStack, **options: Any) -> None:
        self.zoho, self.folder, self._opened = zoho, folder, opened
        opened.callback(close_site)
        self.set(**options)

    def set(self, **options: Any) -> None:
        """Change `ZOHO_LOGIN`, as a restart with other settings does."""
        close_site()
        client = self.zoho.default_client
        setting = {
            "CLIENT_ID": client.client_id,
            "CLIENT_SECRET": client.client_secret,
            "REDIRECT_URL": CALLBACK,
            "ACCOUNTS_URL": self.zoho.url,
            "SCOPES": CRM_WRITE,
            "SDK": {"resource_path": str(self.folder)},
            **options,
        }
        self._opened.enter_context(override_settings(ZOHO_LOGIN=setting))

    def browser(self, **options: Any) -> Browser:
        return Browser(self.zoho, **options)

    @property
    def stored(self) -> list[TokenRecord]:
        return list(tokens().scan())

    def make_login(self) -> str:
        """Log somebody in, without a browser; return the id of the login."""
        client = self.zoho.default_client
        return (
            tokens()
            .log_in(
                zoho_tokenstore.Client(client.client_id, client.client_secret),
                RefreshToken(self.zoho.mint_refresh_token()),
                user_name="p",
                api_domain=self.zoho.url,
                accounts_url=self.zoho.url,
            )
            .id
            or ""
        )

    def be_older(self, ms: int) -> None:
        """Let all logins have begun, and been used, so much longer ago."""
        sessions = tokens().lifecycle.sessions
        if sessions is not None:
            sessions.wait(10)  # until the latest use is recorded
        backend = tokens().lifecycle.renewer.repository._backend
        for record in self.stored:
            row = backend.load(record.id or "")
            assert not isinstance(row, str | None)
            times = {name: getattr(row, name) - ms for name in ("created_at_ms", "updated_at_ms")}
            backend.write(row._replace(**times, last_used_at_ms=None), expect=row.etag)


def use_database(alias: str, **place: Any) -> None:
    """Let a database of the project be somewhere else."""
    with suppress(AttributeError):
        connections[alias].close()
    connections.settings[alias].update(place)


def use_server(kind: str, folder: Path) -> None:
    """Let the database of this name be an empty one on a server."""
    if kind == "mariadb":
        pymysql.install_as_MySQLdb()
    url = sa.make_url(sql.url(kind, folder))
    use_database(
        kind,
        NAME=url.database,
        USER=url.username,
        PASSWORD=url.password,
        HOST=url.host,
        PORT=str(url.port or ""),
        OPTIONS=dict(url.query),
    )


__all__ = ["CALLBACK", "Browser", "Project", "flow", "settings", "tokens", "use_database", "use_server"]
