"""What is known of the renewals of one credential: written beside its lease, seen by everybody.

One entry for each refresh token or one-time code, under a name that nobody can read it from. All of
its times are by the clock of whoever keeps it. Everything here is a value; nothing waits or asks.
"""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple, Self, get_args

from zoho_tokenstore.errors import FailureKind
from zoho_tokenstore.policies import RefreshPolicy

KEPT: Final = timedelta(hours=25)
"""For how long an entry is kept after its last change: a token's life, and a day for an operator to ask."""

KEPT_REJECTED: Final = timedelta(days=60)
"""For how long it is remembered that Zoho refuses a credential."""

_FIRST_PAUSE_MS: Final = 1_000
_LONGEST_PAUSE_MS: Final = 60_000


class Failure(NamedTuple):
    """A renewal that failed.

    `code` is Zoho's word for it, `until_ms` when the next one may be sent (0: never with these credentials),
    `since_ms` when the first of `tries` failures in a row was.
    """

    kind: FailureKind
    code: str | None
    until_ms: int
    since_ms: int
    tries: int


class Renewed(NamedTuple):
    """A renewal that succeeded: when, the id of its token and when that was saved, and the scopes it has."""

    at_ms: int
    token_id: str
    saved_ms: int
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Entry:
    """Who renews, and what came of it.

    `owner` may renew alone until `until_ms`. `sent` is when requests were sent, oldest first, within the
    window that Zoho counts over. No two entries have the same text: `mark` sees to it.
    """

    owner: str | None = None
    until_ms: int = 0
    sent: tuple[int, ...] = ()
    failure: Failure | None = None
    renewed: Renewed | None = None
    mark: str = field(default_factory=lambda: secrets.token_hex(6), compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an entry. A text that none of us wrote counts as none."""
        try:
            values = json.loads(text) if text else {}
            owner, failure, renewed = (values.get(name) for name in ("owner", "failure", "renewed"))
            return cls(
                owner=None if owner is None else str(owner),
                until_ms=int(values.get("until", 0)),
                sent=tuple(map(int, values.get("sent", ()))),
                failure=None if failure is None else _failure(*failure),
                renewed=None if renewed is None else _renewed(*renewed),
                mark=str(values.get("mark", "")),
            )
        except (ValueError, TypeError, AttributeError, LookupError, RecursionError, OverflowError):
            return cls()

    def __str__(self) -> str:
        values: dict[str, Any] = {
            "owner": self.owner,
            "until": self.until_ms,
            "sent": self.sent,
            "failure": self.failure,
            "renewed": self.renewed,
            "mark": self.mark,
        }
        return json.dumps({name: value for name, value in values.items() if value}, separators=(",", ":"))

    def is_held(self, now_ms: int, policy: RefreshPolicy) -> bool:
        """Tell whether somebody is renewing.

        A lease that ends much later than a new one would is what a clock that was set back has left. A
        little later it may end, where there is no clock but those of the hosts.
        """
        return self.owner is not None and now_ms < self.until_ms <= now_ms + 2 * ms(policy.timeout)

    def is_left(self) -> bool:
        """Tell whether the last renewal was begun and has neither succeeded nor failed."""
        return self.owner is not None

    def holding_off(self, now_ms: int, policy: RefreshPolicy) -> Failure | None:
        """Return the failure for which nothing is to be sent now, if there is one."""
        failure = self.failure
        if failure is None or failure.kind == "rejected":
            return failure
        longest = max(ms(policy.window), _LONGEST_PAUSE_MS)
        return failure if now_ms < failure.until_ms <= now_ms + longest else None

    def blocked_ms(self, now_ms: int, policy: RefreshPolicy) -> int:
        """Return for how many milliseconds the budget allows no further request; 0 if it does."""
        sent = self._within(now_ms, policy)
        if len(sent) < policy.budget:
            return 0
        return max(1, sent[-policy.budget] + ms(policy.window) - now_ms)

    def taken(self, owner: str, now_ms: int, policy: RefreshPolicy) -> Entry:
        """Return the entry with a lease that begins now, for one request, which is counted."""
        return self._next(
            owner=owner, until_ms=now_ms + ms(policy.timeout), sent=(*self._within(now_ms, policy), now_ms)
        )

    def given_back(self) -> Entry:
        """Return the entry without the lease, whose request was not sent."""
        return self._next(owner=None, until_ms=0, sent=self.sent[:-1])

    def succeeded(self, renewed: Renewed) -> Entry:
        """Return the entry after a renewal that succeeded."""
        return self._next(owner=None, until_ms=0, failure=None, renewed=renewed)

    def failed(
        self, kind: FailureKind, code: str | None, now_ms: int, policy: RefreshPolicy, *, jitter: float
    ) -> Entry:
        """Return the entry after a renewal that failed.

        Arguments:
            kind: how.
            code: Zoho's word for it, if it has said one.
            now_ms: when.
            policy: says how long Zoho's window is.
            jitter: between 0 and 1; so much of half the pause is taken off it.
        """
        tries = 1 + (self.failure.tries if self.failure is not None else 0)
        since = self.failure.since_ms if self.failure is not None else now_ms
        pause = min(_FIRST_PAUSE_MS << min(tries - 1, 10), _LONGEST_PAUSE_MS)
        until = {
            "rejected": 0,
            "throttled": now_ms + ms(policy.window),
        }.get(kind, now_ms + int(pause * (1 - jitter / 2)))
        return self._next(owner=None, until_ms=0, failure=Failure(kind, code, until, since, tries))

    def keep_ms(self) -> int:
        """Return for how many milliseconds the entry is to be kept."""
        is_rejected = self.failure is not None and self.failure.kind == "rejected"
        return ms(KEPT_REJECTED if is_rejected else KEPT)

    def _within(self, now_ms: int, policy: RefreshPolicy) -> tuple[int, ...]:
        # A time ahead of ours counts like one as far behind: clocks are set back.
        return tuple(sorted(at for at in self.sent if abs(now_ms - at) < ms(policy.window)))

    def _next(self, **changes: Any) -> Entry:
        return replace(self, mark=secrets.token_hex(6), **changes)


def _failure(kind: Any, code: Any, until_ms: Any, since_ms: Any, tries: Any) -> Failure:
    if kind not in get_args(FailureKind):
        raise ValueError(kind)
    return Failure(kind, None if code is None else str(code), int(until_ms), int(since_ms), int(tries))


def _renewed(at_ms: Any, token_id: Any, saved_ms: Any, scopes: Any) -> Renewed:
    return Renewed(int(at_ms), str(token_id), int(saved_ms), tuple(map(str, scopes)))


def ms(duration: timedelta) -> int:
    """Return a duration in milliseconds."""
    return int(duration.total_seconds() * 1000)
