"""What the tests of this folder share."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from tests.support.clock import Clock
from zoho_tokenstore import Client, Event, RefreshToken, SessionPolicy, TokenRecord, Tokens, open_tokens
from zoho_tokenstore.emulator import Emulator, User


class Site:
    """A store and its local Zoho, opened as often as a test likes."""

    def __init__(self, zoho: Emulator, url: str, opened: ExitStack) -> None:
        self.zoho = zoho
        self.url = url
        self.clock = Clock()
        self.events: list[Event] = []
        self.client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        self._opened = opened
        self._users: dict[str, User] = {}

    def open(self, **options: Any) -> Tokens:
        """Open the store, as one more process would."""
        options.setdefault("accounts_url", self.zoho.accounts_url)
        tokens = open_tokens(self.url, clock=self.clock, on_event=self.events.append, **options)
        return self._opened.enter_context(tokens)

    def limited(self, **limits: Any) -> Tokens:
        """Open the store with a session policy."""
        return self.open(sessions=SessionPolicy(**limits))

    def log_in(self, tokens: Tokens, user_name: str = "patricia", **options: Any) -> TokenRecord:
        """Log a user in. Each is a user of their own at Zoho, too: it keeps twenty logins of one alive."""
        if user_name not in self._users:
            self._users[user_name] = self.zoho.add_user(f"user{len(self._users)}@zylker.example", user_name)
        token = RefreshToken(self.zoho.mint_refresh_token(user=self._users[user_name]))
        return tokens.log_in(self.client, token, user_name=user_name, **options)

    def forget_users(self) -> None:
        """Make new users for all names: the local Zoho has been reset."""
        self._users.clear()

    def told(self, kind: str) -> list[Event]:
        """Return the events of a kind."""
        return [event for event in self.events if event.kind == kind]

    def is_alive(self, record: TokenRecord) -> bool:
        """Return whether a login is alive at Zoho."""
        return self.zoho.is_live(record.refresh_token or "")

    def stored(self, tokens: Tokens) -> dict[str, TokenRecord]:
        """Return all logins of the store by id."""
        return {record.id or "": record for record in tokens.scan()}
