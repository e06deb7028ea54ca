"""Which release of the SDK is installed, and what is known of it.

The answers come from the installed distribution, not from the package under test:
docs/explanation/sdk-behaviour.md has them as a table.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Final


@dataclass(frozen=True)
class Generation:
    """A release of the SDK: the API generation in its name (5 to 8), and its own number."""

    api: int
    release: tuple[int, ...]

    @property
    def looks_users_up(self) -> bool:
        """After a new login it asks Zoho for the user's name, unless `find_user=False`."""
        return self.api >= 6

    @property
    def swallows_failed_saves(self) -> bool:
        """What `save_token` raises does not reach the application."""
        return self.api >= 6

    @property
    def accepts_missing_id(self) -> bool:
        """After `find_token_by_id` has answered `None`, it goes on with the caller's own token."""
        return self.api >= 8 and self.release >= (7,)

    @property
    def can_revoke_by_id(self) -> bool:
        """`OAuthToken.revoke(id)` works; before, it fails on a constructor of its own."""
        return self.accepts_missing_id

    @property
    def initialize_binds_the_thread(self) -> bool:
        """`Initializer.initialize` leaves a second, thread-local copy of itself behind."""
        return self.api <= 7


def _installed() -> Generation:
    found = []
    for api in (5, 6, 7, 8):
        try:
            text = version(f"zohocrmsdk{api}-0")
        except PackageNotFoundError:
            continue
        found.append(Generation(api, tuple(int(part) for part in text.split("."))))
    if len(found) != 1:
        raise RuntimeError(f"These tests need one Zoho CRM SDK (5.0 to 8.0), and {len(found)} are installed.")
    return found[0]


SDK: Final = _installed()
