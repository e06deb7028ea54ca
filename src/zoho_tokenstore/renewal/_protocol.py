"""How one renewal is made for all who need it: the protocol, apart from everything it waits for.

`renewal` says what to do next, and receives the outcome. `_steps.py` does it with real stores and Zoho;
tests/simulation does it without, by its own clock, in every order, and losing everything that can be
lost. docs/explanation/one-refresh.md says why each step is where it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from zoho_tokenstore._policies import RefreshPolicy
from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitedError,
    RetiredIdError,
    TokenStoreError,
)
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._lease_entry import LeaseEntry, RecordedFailure, Renewed

_FIRST_POLL_DELAY: Final = 0.01
_LONGEST_POLL_DELAY: Final = 0.1

UNKNOWN_OUTCOME: Final = "outcome_unknown"
"""The code of a failure: a one-time code was sent, and the outcome is unknown."""


class Read(NamedTuple):
    """Read the entry; answered by a `LeaseState`."""


class Replace(NamedTuple):
    """Replace an entry's text with another; answered by whether that was done."""

    was: str
    entry: LeaseEntry


class Find(NamedTuple):
    """Find the token that is now stored; answered by its record, or `None`.

    `renewed` is a renewal that somebody else made after this one was requested: anyone who presents the
    same one-time code at the same time gets its token; anyone who presents it later does not.
    """

    renewed: Renewed | None


class Prove(NamedTuple):
    """Verify that a renewal's outcome can be stored, or raise."""

    record: TokenRecord | None


class Send(NamedTuple):
    """Send one request to Zoho; answered by what it grants, or an `AccountsError` is raised."""

    record: TokenRecord | None


class Save(NamedTuple):
    """Save what Zoho has granted, replacing `record`; answered by a `Saved`."""

    record: TokenRecord | None
    grant: Any


class Pause(NamedTuple):
    """Wait this many seconds while somebody else renews."""

    seconds: float


class Saved(NamedTuple):
    """What is stored now, or kept until it can be, and its scopes."""

    record: TokenRecord
    scopes: tuple[str, ...]
    is_stored: bool


Step = Read | Replace | Find | Prove | Send | Save | Pause
Renewal = Generator[Step, Any, TokenRecord | None]


class _OvertakenError(Exception):
    """A renewal failed after its lease ran out, and somebody else has since begun another."""


class TimeSource(NamedTuple):
    """A renewal's time and chance: seconds of a clock that is never set, and numbers below 1."""

    monotonic: Callable[[], float]
    random: Callable[[], float]


@dataclass(frozen=True)
class Ask:
    """What is requested.

    Arguments:
        owner: who asks: a string that nobody else uses.
        subject: whose token it is, for messages.
        is_enough: says whether a stored token satisfies it.
        is_code: the credential is a one-time code, which is sent at most once.
        is_forced: renew although Zoho refused these credentials before.
        is_stored: the token was stored; if it has been deleted, nothing is renewed.
        is_ahead: the token is still valid; then half of the budget is left to those that are not.
        is_own: says whether a stored token has the lease's credential.
        server_of: the accounts server that a stored token, or else the one requested, is sent to; `None` if a
            rejection by any server counts.
        wait: how long to wait for somebody else, in seconds.
    """

    owner: str
    subject: str
    is_enough: Callable[[TokenRecord], bool]
    is_code: bool = False
    is_forced: bool = False
    is_stored: bool = False
    is_ahead: bool = False
    is_own: Callable[[TokenRecord], bool] = lambda _record: True
    server_of: Callable[[TokenRecord | None], str | None] = lambda _record: None
    wait: float = 0.0


def renewal(ask: Ask, policy: RefreshPolicy, clock: TimeSource) -> Renewal:
    """Renew a token, or wait for somebody else's renewal.

    Every take of the lease changes the entry. So anyone who replaces the entry they have read knows that
    nobody has begun a renewal since, and that the token they found after reading is the latest.

    Returns:
        the token, or another login's now stored instead; or `None` if it was deleted, or somebody else
        is renewing and `wait` is zero, or half of the budget is used for one that is renewed ahead.

    Raises:
        InvalidGrantError, InvalidClientError: Zoho refuses the credentials. Nothing is sent again.
        RateLimitedError: the budget is used up, or Zoho says so.
        AccountsUnavailableError: it failed, now or moments ago, or others took longer than `wait`.
    """
    ends = clock.monotonic() + ask.wait
    pause = _FIRST_POLL_DELAY
    before: Renewed | None = None
    for turn in itertools.count():
        kept = yield Read()
        entry = LeaseEntry.parse(kept.text)
        if turn == 0:
            before = entry.renewed
        record = yield Find(None if entry.renewed == before else entry.renewed)
        if ask.is_stored if record is None else ask.is_enough(record) or not ask.is_own(record):
            found: TokenRecord | None = record
            return found
        if not entry.is_held(kept.now_ms, policy):
            entry = entry.at(ask.server_of(record))
            _check(entry, ask, policy, kept.now_ms)
            if ask.is_ahead and entry.is_half_used(kept.now_ms, policy):
                return None
            mine = entry.taken(ask.owner, kept.now_ms, policy)
            if (yield Replace(kept.text, mine)):
                try:
                    return (yield from _renewed(mine, record, ask, policy, clock, kept.now_ms))
                except _OvertakenError:  # its outcome no longer matters, but theirs does
                    continue
            continue
        left = ends - clock.monotonic()
        if left <= 0:
            if ask.wait <= 0:
                return None
            raise AccountsUnavailableError(
                f"Somebody else is renewing {ask.subject}, but produced no token in time. Try again later.",
                retry_after=policy.timeout.total_seconds(),
            )
        yield Pause(min(pause * (0.5 + clock.random() / 2), left))
        pause = min(pause * 1.5, _LONGEST_POLL_DELAY)
    raise AssertionError("counting has no end")


def _renewed(
    mine: LeaseEntry,
    record: TokenRecord | None,
    ask: Ask,
    policy: RefreshPolicy,
    clock: TimeSource,
    began_ms: int,
) -> Renewal:
    """Renew under the lease, and write the outcome next to it."""
    try:
        yield Prove(record)
    except TokenStoreError:
        yield from _end(mine, mine.given_back())
        raise
    began = clock.monotonic()
    try:
        grant = yield Send(record)
    except AccountsError as error:
        now_ms = began_ms + int((clock.monotonic() - began) * 1000)
        kind, code = error.kind, error.error_code
        if ask.is_code and kind == "uncertain":
            kind, code = "rejected", UNKNOWN_OUTCOME
        server = ask.server_of(record)
        failed = mine.failed(kind, code, now_ms, policy, jitter=clock.random(), server=server)
        if (yield from _end(mine, failed)) is False:
            raise _OvertakenError from error
        if failed.failure is not None:
            raise _of(failed.failure, ask, now_ms) from error
        raise
    except TokenStoreError:  # not sent: nobody knows where to
        yield from _end(mine, mine.given_back())
        raise
    try:
        saved = yield Save(record, grant)
    except TokenStoreError as error:
        yield from _end(mine, mine.succeeded(Renewed(began_ms, "", 0)))
        if isinstance(error, RetiredIdError):  # deleted meanwhile: none is left
            return None
        raise
    if saved.is_stored:
        token_id, saved_ms = saved.record.id or "", saved.record.updated_at_ms or 0
        yield from _end(mine, mine.succeeded(Renewed(began_ms, token_id, saved_ms, saved.scopes)))
    # If it is not stored yet, the lease runs out: others should not renew at once, also in vain.
    result: TokenRecord = saved.record
    return result


def _end(mine: LeaseEntry, ended: LeaseEntry) -> Generator[Step, Any, bool | None]:
    """Give the lease back with its outcome; return `False` if somebody else now has it.

    If the store fails, nobody knows: it runs out by itself.
    """
    try:
        return bool((yield Replace(str(mine), ended)))
    except TokenStoreError:
        return None


def _check(entry: LeaseEntry, ask: Ask, policy: RefreshPolicy, now_ms: int) -> None:
    """Raise the last renewal's failure, if it shows that another would be in vain."""
    failure = entry.holding_off(now_ms, policy)
    if ask.is_code and entry.sent and not _may_be_sent(entry):
        unknown = RecordedFailure("rejected", UNKNOWN_OUTCOME, 0, entry.sent[0], 1)
        raise _of(failure if failure and failure.kind == "rejected" else unknown, ask, now_ms)
    if failure is not None and not (ask.is_forced and failure.kind != "throttled"):
        raise _of(failure, ask, now_ms)
    blocked = entry.blocked_ms(now_ms, policy) / 1000
    if blocked > 0:
        raise RateLimitedError(
            f"No renewal of {ask.subject} now: {policy.budget} were sent within "
            f"{policy.window.total_seconds():g} s, and Zoho refuses more. The next one is possible in "
            f"{blocked:.0f} s.",
            retry_after=blocked,
        )


def _may_be_sent(entry: LeaseEntry) -> bool:
    """Return whether a code taken before may be sent: if it certainly never has been."""
    is_unspent = entry.failure is not None and entry.failure.kind != "rejected"
    return is_unspent and entry.owner is None and entry.renewed is None


def _of(failure: RecordedFailure, ask: Ask, now_ms: int) -> AccountsError:
    """Return the error that reports a failure."""
    says = f" ({failure.code})" if failure.code is not None else ""
    if failure.kind == "throttled":
        left = max(0.0, (failure.until_ms - now_ms) / 1000)
        return RateLimitedError(
            f"Zoho refuses to renew {ask.subject} because of too many requests. The next one is sent in "
            f"{left:.0f} s.",
            retry_after=left,
            error_code=failure.code,
        )
    if failure.kind == "rejected":
        if failure.code == UNKNOWN_OUTCOME:
            return InvalidGrantError(
                f"The one-time code of {ask.subject} was already sent to Zoho, and the outcome is "
                "unknown. It is not sent again. Log in again.",
                error_code=failure.code,
            )
        if failure.code is not None and failure.code.startswith("invalid_client"):
            return InvalidClientError(
                f"Zoho refuses the client of {ask.subject}{says}: its id, its secret, or its data centre is "
                "wrong. Correct them, and log in again.",
                error_code=failure.code,
            )
        if ask.is_code:
            return InvalidGrantError(
                f"Zoho refuses the one-time code of {ask.subject}{says}: it was used before, is too old, or "
                "belongs to another client, redirect URL or data centre. Log in again.",
                error_code=failure.code,
            )
        return InvalidGrantError(
            f"Zoho refuses to renew {ask.subject}{says}: its login was revoked or has expired. Log in again.",
            error_code=failure.code,
        )
    left = max(0.0, (failure.until_ms - now_ms) / 1000)
    return AccountsUnavailableError(
        f"Renewing {ask.subject} failed{says}: Zoho's accounts server "
        + ("did not answer" if failure.kind == "uncertain" else "could not answer")
        + f". It is tried again in {left:.0f} s.",
        retry_after=left,
        kind=failure.kind,
        error_code=failure.code,
    )
