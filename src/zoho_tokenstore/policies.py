"""What a user can set about a store's behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from zoho_tokenstore.errors import ConfigurationError

SDK_MARGIN: Final = timedelta(seconds=5)
"""The SDK refreshes by itself what has less than this left (docs/explanation/sdk-behaviour.md)."""


LONGEST_WINDOW: Final = timedelta(hours=1)
"""For how long the history beside a lease is kept."""

_TOKEN_LIFE: Final = timedelta(hours=1)
_SHORTEST: Final = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class RefreshPolicy:
    """When an access token is refreshed, and by whom; docs/explanation/one-refresh.md.

    All processes that share a store need the same policy; docs/reference/refresh-policy.md tells
    what happens at the edges of each value.

    Arguments:
        ahead: with less than this left a token is due: one caller refreshes it, the others go on
            with it. Equal to `urgent`, nothing is refreshed ahead.
        urgent: with less than this left a token is stale: one caller refreshes it, the others wait.
            It must be more than the SDK's own margin of 5 seconds, below which every caller would
            refresh for himself.
        lease: for how long a caller may refresh alone; after that another one may. Set it above
            the time that a refresh can take.
        wait: for how long the others wait for a new token before they get an error; zero does not
            wait. Below `lease`, a caller that dies is not waited for to the end.
        budget: how many refreshes of one refresh token are sent within `window`; Zoho refuses more
            than 10 in 10 minutes.
        window: the time that `budget` is counted over; an hour at most.

    Raises:
        ConfigurationError: a value is of the wrong kind, or the values contradict each other.
    """

    ahead: timedelta = timedelta(minutes=5)
    urgent: timedelta = timedelta(seconds=15)
    lease: timedelta = timedelta(seconds=30)
    wait: timedelta = timedelta(seconds=35)
    budget: int = 10
    window: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.urgent <= SDK_MARGIN:
            raise _refusal("urgent must be more than the SDK's own 5 seconds")
        if not self.urgent <= self.ahead < _TOKEN_LIFE:
            raise _refusal("ahead must not be less than urgent, and less than a token's life of one hour")
        if self.lease < _SHORTEST:
            raise _refusal("lease must be at least a second")
        if self.wait < timedelta(0):
            raise _refusal("wait must not be below zero")
        if not _SHORTEST <= self.window <= LONGEST_WINDOW:
            raise _refusal("window must be between a second and an hour")
        if self.budget < 1:
            raise _refusal("budget must be at least 1")

    def _check_kinds(self) -> None:
        for name in ("ahead", "urgent", "lease", "wait", "window"):
            if not isinstance(getattr(self, name), timedelta):
                raise _refusal(f"{name} must be a timedelta")
        if not isinstance(self.budget, int) or isinstance(self.budget, bool):
            raise _refusal("budget must be a whole number")


def _refusal(what: str) -> ConfigurationError:
    return ConfigurationError(f"RefreshPolicy: {what}.")


DEFAULT_POLICY: Final = RefreshPolicy()
"""What a store does that is given no `refresh`. One that is given `None` leaves every refresh to the SDK."""
