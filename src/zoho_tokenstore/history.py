"""What is noted beside a lease: the refreshes of one refresh token, and its last failure."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import NamedTuple, Self

from zoho_tokenstore.clock import Clock
from zoho_tokenstore.errors import AccountsUnavailableError, RateLimitedError
from zoho_tokenstore.leases import LeaseBook
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.records import TokenRecord


class Exchange(NamedTuple):
    """What came of a one-time code: the token's id, and when it was saved, in epoch milliseconds."""

    at_ms: int
    token_id: str

    def is_of(self, record: TokenRecord) -> bool:
        """Tell whether a token is still the one that the code was exchanged for: no later save is."""
        return record.id == self.token_id and record.updated_at_ms == self.at_ms


@dataclass(frozen=True)
class History:
    """When refreshes were sent, when the last one that failed began, and what came of a one-time code.

    Times are epoch milliseconds. Its text is decimal times between spaces, oldest first; the failure's
    behind an ``!``; and behind an ``=`` when the code's token was saved, a blank, and its id.
    Clocks may be set, or differ between hosts: a time ahead of ours counts like one as far behind.
    """

    sent: tuple[int, ...] = ()
    failed_at: int | None = None
    exchanged: Exchange | None = None

    @classmethod
    def parse(cls, note: str) -> Self:
        """Read a note. One that nobody of us wrote counts as empty."""
        times, _, exchanged = note.partition("=")
        sent, _, failed = times.partition("!")
        at, _, token_id = exchanged.partition(" ")
        try:
            return cls(
                tuple(map(int, sent.split())),
                int(failed) if failed else None,
                Exchange(int(at), token_id) if exchanged else None,
            )
        except ValueError:
            return cls()

    def __str__(self) -> str:
        failed = "" if self.failed_at is None else f"!{self.failed_at}"
        exchanged = "" if self.exchanged is None else f"={self.exchanged.at_ms} {self.exchanged.token_id}"
        return " ".join(map(str, self.sent)) + failed + exchanged

    def sending(self, now: int, window_ms: int) -> History:
        """Return the history with one more refresh, without what lies outside the window."""
        return replace(self, sent=(*self._within(now, window_ms), now))

    def failing(self, began: int) -> History:
        """Return the history with the failure of a refresh that began at that time."""
        return replace(self, failed_at=began)

    def blocked_ms(self, now: int, budget: int, window_ms: int) -> int:
        """Return for how many milliseconds the budget allows no further refresh; 0 if it does."""
        sent = sorted(self._within(now, window_ms))
        return 0 if len(sent) < budget else sent[-budget] + window_ms - now

    def cooling_ms(self, now: int, rest_ms: int) -> int:
        """Return for how many milliseconds a failure still holds off the next try; 0 if it does not."""
        if self.failed_at is None or abs(now - self.failed_at) >= rest_ms:
            return 0
        return self.failed_at + rest_ms - now

    def _within(self, now: int, window_ms: int) -> tuple[int, ...]:
        return tuple(at for at in self.sent if abs(now - at) < window_ms)


class Histories:
    """The histories of all refresh tokens, shared by everybody who sees the leases."""

    def __init__(self, leases: LeaseBook, policy: RefreshPolicy, clock: Clock) -> None:
        self._leases = leases
        self._clock = clock
        self._budget = policy.budget
        self._window = policy.window
        self._lease = policy.lease

    def check(self, note: str, about: TokenRecord) -> None:
        """Refuse a refresh that Zoho would refuse, or that has just failed.

        Raises:
            RateLimitedError: the budget is used up.
            AccountsUnavailableError: the last refresh brought nothing, a moment ago.
        """
        history, now = History.parse(note), self._clock()
        blocked = history.blocked_ms(now, self._budget, _ms(self._window)) / 1000
        if blocked > 0:
            raise RateLimitedError(
                f"No refresh of {named(about)} now: {self._budget} were sent within "
                f"{self._window.total_seconds():g} s, and Zoho refuses more. "
                f"The next one is possible in {blocked:.0f} s.",
                retry_after=blocked,
            )
        cooling = history.cooling_ms(now, _ms(self._lease)) / 1000
        if cooling > 0:
            raise AccountsUnavailableError(
                f"The last refresh of {named(about)} brought no new token. "
                f"It is tried again in {cooling:.0f} s; if that fails too, log in again.",
                retry_after=cooling,
            )

    def count(self, name: str, about: TokenRecord) -> None:
        """Note a refresh before it is sent; it is checked again, as `check` does."""
        self._change(name, lambda history: history.sending(self._clock(), _ms(self._window)), about)

    def note_exchange(self, name: str, saved: TokenRecord) -> None:
        """Note which token a one-time code was exchanged for, as it was saved."""
        exchanged = Exchange(saved.updated_at_ms or 0, saved.id or "")
        self._change(name, lambda history: replace(history, exchanged=exchanged))

    def exchange(self, name: str) -> Exchange | None:
        """Return what is noted of the exchange of a one-time code."""
        return History.parse(self._leases.look(name).note).exchanged

    def note_failure(self, name: str, began_ms: int) -> None:
        """Note that a refresh brought no token."""
        self._change(name, lambda history: history.failing(began_ms))

    def _change(
        self, name: str, change: Callable[[History], History], about: TokenRecord | None = None
    ) -> None:
        while True:
            note = self._leases.look(name).note
            if about is not None:
                self.check(note, about)
            if self._leases.annotate(name, note, str(change(History.parse(note)))):
                return


def named(record: TokenRecord) -> str:
    """Return a token's name for a sentence."""
    if record.id is not None:
        return f"the token with id {record.id!r}"
    if record.user_name is not None:
        return f"the token of {record.user_name!r}"
    return "the token of these credentials"


def _ms(duration: timedelta) -> int:
    return int(duration.total_seconds() * 1000)
