"""A folder, a store in it, and the local Zoho, for commands that run as processes of their own."""

from __future__ import annotations

import contextlib
import socket
import stat
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.support.terminal import Piped, Shown, environment, on_terminal, through_pipes
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.registry import open_backend, open_repository

_BROWSER = """#!{python}
import re, sys, urllib.parse, urllib.request
url = sys.argv[1]
asked = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
get = lambda url: urllib.request.urlopen(url).read().decode()
{script}
"""
IN_2100 = 4_102_444_800_000


class Site:
    """A store in a folder, and Zoho beside it.

    Arguments:
        folder: the folder.
        zoho: the local Zoho.
        redirect_url: what is registered with it, on a port that is free.
    """

    def __init__(self, folder: Path, zoho: Emulator, redirect_url: str) -> None:
        self.folder = folder
        self.zoho = zoho
        self.redirect_url = redirect_url
        self.url = f"sqlite:///{folder}/tokens.db"
        self.env = environment(
            ZOHO_TOKENSTORE_URL=self.url,
            ZOHO_ACCOUNTS_URL=zoho.url,
            ZOHO_CLIENT_ID=zoho.default_client.client_id,
            ZOHO_CLIENT_SECRET=zoho.default_client.client_secret,
        )

    def run(self, *arguments: str, text: str = "", **variables: str) -> Piped:
        """Run a command through pipes."""
        return through_pipes(*arguments, env={**self.env, **variables}, cwd=self.folder, text=text)

    def show(self, *arguments: str, columns: int = 80, **variables: str) -> Shown:
        """Run a command on a terminal."""
        return on_terminal(*arguments, columns=columns, env={**self.env, **variables}, cwd=self.folder)

    def records(self, url: str | None = None) -> list[TokenRecord]:
        """Return the stored logins."""
        with contextlib.closing(open_repository(url or self.url)) as repository:
            return list(repository.scan())

    def save(self, **fields: Any) -> str:
        """Store a login with a good access token; return its id."""
        client = self.zoho.default_client
        values: dict[str, Any] = {
            "client_id": client.client_id,
            "client_secret": client.client_secret,
            "access_token": "1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef",
            "expires_at_ms": IN_2100,
            "api_domain": self.zoho.url,
        } | fields
        with contextlib.closing(open_repository(self.url)) as repository:
            return repository.save(TokenRecord(**values)).id or ""

    def log_in(self, number: int = 0, **fields: Any) -> str:
        """Store a login of one of Zoho's users, alive there; return its id."""
        user = self.zoho.default_users[number]
        return self.save(
            user_name=user.user_name, refresh_token=self.zoho.mint_refresh_token(user=user), **fields
        )

    def put(self, *rows: Row, url: str | None = None) -> None:
        """Store rows as they are."""
        with contextlib.closing(open_backend(url or self.url)) as backend:
            for row in rows:
                backend.write(row, expect=None)

    def browser(self, script: str = "get(url)") -> str:
        """Return the command of a browser that does something when it is sent to `url`."""
        path = self.folder / "browser"
        path.write_text(_BROWSER.format(python=sys.executable, script=script), encoding="utf-8")
        path.chmod(stat.S_IRWXU)
        return f"{path} %s"


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    redirect_url = f"http://127.0.0.1:{free_port()}/callback"
    with Emulator(
        redirect_uris=(redirect_url,),
        auto_consent="patricia@zylker.example",
        device_interval=timedelta(seconds=1),
    ) as zoho:
        yield Site(tmp_path, zoho, redirect_url)
