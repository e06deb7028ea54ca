"""What the tests of logins share: a store, its local Zoho, and people who consent there."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.support.clock import Clock
from zoho_tokenstore import Client, Event, TokenRecord, Tokens, TokenStoreError, open_tokens
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import LoggedIn, LoginFailedError, LoginFlow, Started
from zoho_tokenstore.testing.doubles import BrowserLogin

CALLBACK: Final = "http://localhost:8000/callback"
SECURE: Final = "https://portal.example/callback"
MOUNTED: Final = "http://localhost:8000/portal/callback"
AUTH: Final = "http://localhost:8000/auth/callback"


def consent(zoho: Emulator, started: Started, user: str, decision: str = "accept") -> dict[str, str]:
    """Go where a browser is sent, decide there, and return the parameters of the callback."""
    location = callback_after(zoho, started.url, user, decision)
    assert location.startswith(f"{CALLBACK}?")
    return dict(parse_qsl(urlsplit(location).query))


def callback_after(zoho: Emulator, url: str, user: str, decision: str = "accept") -> str:
    """Go where a browser is sent, decide there, and return where it is sent back to."""
    return BrowserLogin(zoho)(url, user, accepts=decision == "accept")


class Browser:
    """One browser's session with a site: what the framework keeps in it, and nothing else."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.kept: dict[str, Any] = {}
        self.session: str | None = None

    def start(self, **options: Any) -> Started:
        started = self.site.flow.start(self.kept, **options)
        self.kept = started.kept
        return started

    def come_back(self, answer: dict[str, str], label: str = "") -> LoggedIn:
        """Load the callback; raises as the flow does."""
        try:
            done = self.site.flow.finish(answer, self.kept, label=label)
        except LoginFailedError as error:
            self.kept = error.kept
            raise
        self.kept, self.session = done.kept, done.session
        return done

    def log_in(self, user: str, /, **options: Any) -> LoggedIn:
        return self.come_back(consent(self.site.zoho, self.start(**options), user))

    @property
    def user(self) -> TokenRecord | None:
        """As whom the site knows this browser."""
        return self.site.flow.identify(self.session)


class Site:
    """A site with its store and its local Zoho."""

    def __init__(
        self, zoho: Emulator, url: str, opened: ExitStack, redirect_url: str = CALLBACK, **options: Any
    ) -> None:
        self.zoho = zoho
        self.url = url
        self.clock = Clock()
        self.events: list[Event] = []
        self.client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        self._opened = opened
        self.tokens = self.open(sessions=options.pop("sessions", None))
        self.flow = LoginFlow(self.tokens, self.client, redirect_url, **options)

    def open(self, **options: Any) -> Tokens:
        """Open the store, as one more process would."""
        options.setdefault("accounts_url", self.zoho.accounts_url)
        return self._opened.enter_context(
            open_tokens(self.url, clock=self.clock, on_event=self.events.append, **options)
        )

    def another_process(self, **options: Any) -> LoginFlow:
        """The same site in one more process."""
        return LoginFlow(self.open(), self.client, CALLBACK, **options)

    @property
    def stored(self) -> list[TokenRecord]:
        return list(self.tokens.scan())


def failure_of(call: Callable[[], object]) -> LoginFailedError:
    """Return how a login fails; there is a sentence for the user."""
    with pytest.raises(LoginFailedError) as failed:
        call()
    assert failed.value.sentence
    return failed.value


def fail_with(error: type[TokenStoreError]) -> Callable[..., Any]:
    """Return what a storage does that has no room left."""

    def fail(*_: object, **__: object) -> None:
        raise error("The disk is full.")

    return fail
