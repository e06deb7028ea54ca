"""What a user can set about a store's behaviour."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from zoho_tokenstore.errors import ConfigurationError

SDK_MARGIN: Final = timedelta(seconds=5)
"""The SDK itself refreshes what has less than this left (docs/explanation/sdk-behaviour.md)."""

LONGEST_WINDOW: Final = timedelta(hours=1)
"""Zoho counts over ten minutes; nobody needs more than this."""

_TOKEN_LIFE: Final = timedelta(hours=1)
_SHORTEST: Final = timedelta(seconds=1)


@dataclass(frozen=True, kw_only=True)
class RefreshPolicy:
    """When an access token is renewed, and how long that may take; docs/explanation/one-refresh.md.

    All processes that share a store need the same policy; docs/reference/refresh-policy.md says
    what happens at the edges of each value.

    Arguments:
        ahead: with less than this left a token is due: it is renewed while everybody keeps using it.
            If equal to `urgent`, nothing is renewed ahead.
        urgent: with less than this left a token is stale: everybody waits for a new one. It must be
            more than the SDK's own margin of 5 seconds, below which the SDK would refresh by itself.
        wait: how long a look-up waits in all for a new token before it raises.
        timeout: how long one request to Zoho may take, and so how long a process that
            died while renewing holds up the others.
        background: due tokens are renewed in a background thread. If threads are frozen
            between calls, as in AWS Lambda, pass `False`: then the first caller waits for it.
        budget: how many requests for one refresh token are sent within `window`; Zoho refuses more
            than 10 in 10 minutes.
        window: the time over which `budget` is counted; at most an hour.

    Raises:
        ConfigurationError: a value is of the wrong kind, or the values contradict each other.
    """

    ahead: timedelta = timedelta(minutes=5)
    urgent: timedelta = timedelta(seconds=15)
    wait: timedelta = timedelta(seconds=15)
    timeout: timedelta = timedelta(seconds=10)
    background: bool = True
    budget: int = 10
    window: timedelta = timedelta(minutes=10)

    def __post_init__(self) -> None:
        self._check_kinds()
        if self.urgent <= SDK_MARGIN:
            raise _refusal("urgent must be more than the SDK's own 5 seconds")
        if not self.urgent <= self.ahead < _TOKEN_LIFE:
            raise _refusal("ahead must not be less than urgent, and less than a token's life of one hour")
        if self.timeout < _SHORTEST:
            raise _refusal("timeout must be at least a second")
        if self.wait <= timedelta(0):
            raise _refusal("wait must be above zero")
        if not _SHORTEST <= self.window <= LONGEST_WINDOW:
            raise _refusal("window must be between a second and an hour")
        if self.budget < 1:
            raise _refusal("budget must be at least 1")

    def _check_kinds(self) -> None:
        for name in ("ahead", "urgent", "wait", "timeout", "window"):
            if not isinstance(getattr(self, name), timedelta):
                raise _refusal(f"{name} must be a timedelta")
        if not isinstance(self.background, bool):
            raise _refusal("background must be True or False")
        if not isinstance(self.budget, int) or isinstance(self.budget, bool):
            raise _refusal("budget must be a whole number")


def _refusal(what: str) -> ConfigurationError:
    return ConfigurationError(f"RefreshPolicy: {what}.")


@dataclass(frozen=True, kw_only=True)
class SessionPolicy:
    """How long a login lasts, and how many of them a user may have; docs/how-to/limit-sessions.md.

    A login over a limit is not handed out: a look-up removes it and raises `LoginExpiredError`. All
    processes that share a store need the same policy.

    Arguments:
        idle: how long after its last use a login ends. The last use is recorded every fifth of this time,
            and at least once an hour, so a login may end that much earlier.
        absolute: how long after the login it ends, however much it is used.
        per_user: how many logins of one user there may be, over all clients; the oldest ones end.
        revoke: whether an ended login is also revoked at Zoho.

    Raises:
        ConfigurationError: a value is of the wrong kind or too small, or there is no limit.
    """

    idle: timedelta | None = None
    absolute: timedelta | None = None
    per_user: int | None = None
    revoke: bool = False

    def __post_init__(self) -> None:
        for name in ("idle", "absolute"):
            value = getattr(self, name)
            if value is not None and (not isinstance(value, timedelta) or value < _SHORTEST):
                raise ConfigurationError(f"SessionPolicy: {name} must be a timedelta of at least a second.")
        if self.per_user is not None and (
            not isinstance(self.per_user, int) or isinstance(self.per_user, bool) or self.per_user < 1
        ):
            raise ConfigurationError("SessionPolicy: per_user must be a whole number above zero.")
        if not isinstance(self.revoke, bool):
            raise ConfigurationError("SessionPolicy: revoke must be True or False.")
        if self.idle is None and self.absolute is None and self.per_user is None:
            raise ConfigurationError(
                "SessionPolicy: set idle, absolute or per_user. For no limit, pass None."
            )


DEFAULT_POLICY: Final = RefreshPolicy()
"""The policy of a store without `refresh`. One given `None` leaves every refresh to the SDK."""
