"""What is known of a credential's renewals: written with its lease, seen by everybody.

One entry for each refresh token or one-time code, under a name that does not reveal it. All times in it
are by the clock of its storage. Everything here is a value; nothing waits or asks.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any, Final, NamedTuple, Self, get_args

from zoho_tokenstore._policies import RefreshPolicy
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.errors import FailureKind

KEPT: Final = timedelta(hours=25)
"""How long an entry is kept after its last change: a token's life, and a day for an operator to ask."""

KEPT_REJECTED: Final = timedelta(days=60)
"""How long Zoho's refusal of a credential is remembered."""

_FIRST_RETRY_DELAY_MS: Final = 1_000
_LONGEST_RETRY_DELAY_MS: Final = 60_000


def within_window(sent: Iterable[int], now_ms: int, policy: RefreshPolicy) -> tuple[int, ...]:
    """Return the request times, in epoch milliseconds, that Zoho still counts, oldest first."""
    # A time ahead of ours counts like one equally far behind: clocks are set back.
    return tuple(sorted(at for at in sent if abs(now_ms - at) < ms(policy.window)))


class RecordedFailure(NamedTuple):
    """A renewal that failed.

    `code` is Zoho's word for it, `until_ms` when the next one may be sent (0: never with these credentials),
    `since_ms` when the first of `tries` consecutive failures was, `server` the accounts server that was
    asked, if known.
    """

    kind: FailureKind
    code: str | None
    until_ms: int
    since_ms: int
    tries: int
    server: str | None = None


class Renewed(NamedTuple):
    """A renewal that succeeded: when, its token's id and save time, and its scopes."""

    at_ms: int
    token_id: str
    saved_ms: int
    scopes: tuple[str, ...] = ()


@dataclass(frozen=True)
class LeaseEntry:
    """Who renews, and the outcome.

    `owner` may renew alone until `until_ms`. `sent` is when requests were sent, oldest first, within the
    window that Zoho counts over. `mark` ensures that no two entries have the same text.
    """

    owner: str | None = None
    until_ms: int = 0
    sent: tuple[int, ...] = ()
    failure: RecordedFailure | None = None
    renewed: Renewed | None = None
    mark: str = field(default_factory=lambda: secrets.token_hex(6), compare=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an entry. A string that we did not write counts as none."""
        try:
            values = json.loads(text) if text else {}
            owner, failure, renewed = (values.get(name) for name in ("owner", "failure", "renewed"))
            return cls(
                owner=str(owner) if owner else None,
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

    def at(self, server: str | None) -> LeaseEntry:
        """Return the entry as it matters at an accounts server: without a rejection by another one.

        Each data centre knows its own users and clients only, and rejects all others. If either server is
        not known, they count as the same.
        """
        failure = self.failure
        if failure is None or failure.kind != "rejected" or None in (server, failure.server):
            return self
        return self if failure.server == server else replace(self, failure=None)

    def is_held(self, now_ms: int, policy: RefreshPolicy) -> bool:
        """Return whether somebody is renewing.

        A lease that ends much later than a new one would was left by a clock that was set back. It may end
        a little later if the only clocks are those of the hosts.
        """
        return self.owner is not None and now_ms < self.until_ms <= now_ms + 2 * ms(policy.timeout)

    def holding_off(self, now_ms: int, policy: RefreshPolicy) -> RecordedFailure | None:
        """Return the failure because of which nothing may be sent now, if any.

        As for a lease: a pause that ends much later than a new one was left by a clock that was set back.
        """
        failure = self.failure
        if failure is None or failure.kind == "rejected":
            return failure
        longest = max(ms(policy.window), _LONGEST_RETRY_DELAY_MS) + ms(policy.timeout)
        return failure if now_ms < failure.until_ms <= now_ms + longest else None

    def blocked_ms(self, now_ms: int, policy: RefreshPolicy) -> int:
        """Return for how many milliseconds the budget allows no request; 0 if it allows one.

        Zoho refuses more than ten requests for one refresh token within ten minutes, a sliding window.
        """
        counted = within_window(self.sent, now_ms, policy)
        if len(counted) < policy.budget:
            return 0
        return max(1, counted[-policy.budget] + ms(policy.window) - now_ms)

    def is_half_used(self, now_ms: int, policy: RefreshPolicy) -> bool:
        """Return whether half of the budget is used: the rest is for tokens that are needed at once."""
        return 2 * len(within_window(self.sent, now_ms, policy)) >= max(2, policy.budget)

    def taken(self, owner: str, now_ms: int, policy: RefreshPolicy) -> LeaseEntry:
        """Return the entry with a lease that begins now, for one request, which is counted."""
        return self._next(
            owner=owner,
            until_ms=now_ms + ms(policy.timeout),
            sent=(*within_window(self.sent, now_ms, policy), now_ms),
        )

    def given_back(self) -> LeaseEntry:
        """Return the entry without the lease, whose request was not sent."""
        return self._next(owner=None, until_ms=0, sent=self.sent[:-1])

    def succeeded(self, renewed: Renewed) -> LeaseEntry:
        """Return the entry after a renewal that succeeded."""
        return self._next(owner=None, until_ms=0, failure=None, renewed=renewed)

    def failed(
        self,
        kind: FailureKind,
        code: str | None,
        now_ms: int,
        policy: RefreshPolicy,
        *,
        jitter: float,
        server: str | None = None,
    ) -> LeaseEntry:
        """Return the entry after a renewal that failed.

        `jitter`, between 0 and 1, is the fraction of half the pause to subtract.
        """
        tries = 1 + (self.failure.tries if self.failure is not None else 0)
        since = self.failure.since_ms if self.failure is not None else now_ms
        pause = min(_FIRST_RETRY_DELAY_MS << min(tries - 1, 10), _LONGEST_RETRY_DELAY_MS)
        until = {
            "rejected": 0,
            "throttled": now_ms + ms(policy.window),
        }.get(kind, now_ms + int(pause * (1 - jitter / 2)))
        failure = RecordedFailure(kind, code, until, since, tries, server)
        return self._next(owner=None, until_ms=0, failure=failure)

    def keep_ms(self) -> int:
        """Return how long to keep the entry, in milliseconds."""
        is_rejected = self.failure is not None and self.failure.kind == "rejected"
        return ms(KEPT_REJECTED if is_rejected else KEPT)

    def _next(self, **changes: Any) -> LeaseEntry:
        return replace(self, mark=secrets.token_hex(6), **changes)


def _failure(
    kind: Any, code: Any, until_ms: Any, since_ms: Any, tries: Any, server: Any = None
) -> RecordedFailure:
    if kind not in get_args(FailureKind):
        raise ValueError(kind)
    code, server = (None if text is None else str(text) for text in (code, server))
    return RecordedFailure(kind, code, int(until_ms), int(since_ms), int(tries), server)


def _renewed(at_ms: Any, token_id: Any, saved_ms: Any, scopes: Any) -> Renewed:
    return Renewed(int(at_ms), str(token_id), int(saved_ms), tuple(map(str, scopes)))
