"""Doubles for the tests of applications: a clock, a storage that fails, recorded events, a user at a browser.

The plugin of pytest that comes with this package makes fixtures of them: `zoho`, `token_store`,
`logged_in_user` and `browser_login`; docs/how-to/test-your-application.md.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from html import unescape
from typing import Final

import requests

from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.emulator import Emulator, User
from zoho_tokenstore.errors import BackendError, BackendUnavailableError
from zoho_tokenstore.events import Event
from zoho_tokenstore.records import Row

__all__ = ["BrowserLogin", "FakeClock", "FlakyBackend", "LoggedInUser", "RecordedEvents"]

_TICKET: Final = re.compile(r'name="ticket" value="([^"]+)"')
_TIMEOUT_S: Final = 10.0
_ALL: Final = 2**31


class FakeClock:
    """The time in epoch milliseconds, for `clock=`: the host's, and what a test lets pass."""

    def __init__(self) -> None:
        self._passed_ms = 0

    def __call__(self) -> int:
        return time.time_ns() // 1_000_000 + self._passed_ms

    def pass_(self, duration: timedelta) -> None:
        """Let time pass, or come back."""
        self._passed_ms += int(duration.total_seconds() * 1000)


class RecordedEvents(list[Event]):
    """The events of a store, for `on_event=`: a list of them."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: str) -> list[Event]:
        """Return those of a kind, such as `renewed`."""
        return [event for event in self if event.kind == kind]


class FlakyBackend(ListBackend):
    """A list of rows that fails when a test wants it to: ``TokenRepository(FlakyBackend())``."""

    def __init__(self) -> None:
        super().__init__()
        self._error: BackendError | None = None
        self._left = 0

    @contextmanager
    def down(self, error: BackendError | None = None) -> Iterator[None]:
        """Let every call in the block fail."""
        self.fail(_ALL, error)
        try:
            yield
        finally:
            self._left = 0

    def fail(self, times: int = 1, error: BackendError | None = None) -> None:
        """Let the next calls fail."""
        self._left = times
        self._error = error or BackendUnavailableError("The storage is down, as the test wants it.")

    def _open_rows(self) -> list[Row]:
        if self._left > 0 and self._error is not None:
            self._left -= 1
            raise self._error
        return super()._open_rows()


@dataclass(frozen=True)
class LoggedInUser:
    """A user of the local Zoho who is logged in.

    Arguments:
        id: the id of the login in the store.
        user_name: its user name there.
        email: the address at Zoho.
    """

    id: str
    user_name: str
    email: str


class BrowserLogin:
    """A user at a browser: follows the address of a login to the local Zoho, and decides there.

    Arguments:
        zoho: the local Zoho.
    """

    def __init__(self, zoho: Emulator) -> None:
        self._zoho = zoho

    def __call__(self, url: str, user: User | str | None = None, *, accepts: bool = True) -> str:
        """Return the address of the callback that Zoho redirects to.

        Arguments:
            url: where the application has sent the browser.
            user: who consents; the first of the local Zoho's users if not given.
            accepts: whether the user allows the access.

        Raises:
            ValueError: the local Zoho shows no page to decide on: the address is wrong; or it doesn't know
                the user.
        """
        who = user or self._zoho.default_users[0]
        page = requests.get(url, timeout=_TIMEOUT_S).text
        ticket = _TICKET.search(page)
        if ticket is None:
            raise ValueError(f"The local Zoho asks nobody there: {_text_of(page)}")
        email = who if isinstance(who, str) else who.email
        decision = {
            "ticket": unescape(ticket[1]),
            "user": email,
            "decision": "accept" if accepts else "reject",
        }
        address = f"{self._zoho.url}/oauth/v2/auth"
        answer = requests.post(address, decision, timeout=_TIMEOUT_S, allow_redirects=False)
        if not answer.is_redirect:
            raise ValueError(f"The local Zoho takes no decision of {email!r}: {_text_of(answer.text)}")
        return answer.headers["location"]


def _text_of(page: str) -> str:
    return " ".join(re.sub("<style.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL).split())
