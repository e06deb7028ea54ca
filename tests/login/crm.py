"""A site whose users work with Zoho's SDK, as themselves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from tests.login.support import Site
from tests.login.web import Open, Web
from tests.sdk.app import environment
from tests.sdk.portal import forget_sdk_state
from zoho_tokenstore import Tokens, open_store


class Office(Site):
    """A site on a store of the SDK, which is initialized with nobody as its user."""

    def open(self, **_: Any) -> Tokens:
        store = self._opened.enter_context(open_store(self.url, clock=self.clock))
        folder = Path(self.url.removeprefix("sqlite:///")).parent
        store.initialize_sdk(environment(self.zoho.environment_args()), resource_path=str(folder))
        return store.tokens


@contextmanager
def fresh_sdk() -> Iterator[None]:
    """Let a test begin and end with an SDK that has just been imported."""
    # The SDK's log calls are malformed, and pytest would raise what logging only prints.
    with mock.patch.object(logging, "raiseExceptions", new=False):
        forget_sdk_state()
        yield
        forget_sdk_state()


def end_at_zoho(site: Site) -> None:
    """Let Zoho refuse to renew a site's login, whose access token has expired: its user has revoked it."""
    (login,) = site.stored
    site.zoho.fault("token:refresh_token", "error", error="invalid_code")
    site.zoho.expire_access_tokens()
    site.tokens.invalidate(login.id or "", login.access_token)


def staff(site: Site, open_: Open, count: int) -> dict[str, dict[str, str]]:
    """Log people in, each in a browser of their own; return their cookies by their addresses."""
    people = {}
    for number in range(count):
        user = site.zoho.add_user(f"person{number}@zylker.example", f"person{number}", zgid="7")
        with open_() as http:
            web = Web(site, http)
            web.log_in(user.email)
            people[user.email] = web.cookies
    return people
