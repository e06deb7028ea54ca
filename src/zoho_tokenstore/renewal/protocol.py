"""How one renewal comes about among all who need it: the protocol, apart from all that it waits for.

`renewal` says what is to be done next, and is told what came of it. `renewer.py` does it with real
stores and Zoho; tests/simulation does it with none, by a clock of its own, in every order, and with
everything lost that can be lost. docs/explanation/one-refresh.md says why each step is where it is.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitedError,
    RetiredIdError,
    TokenStoreError,
)
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal.entries import Entry, Failure, Renewed

_SHORTEST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.1

UNKNOWN_OUTCOME: Final = "outcome_unknown"
"""The code of a failure: a one-time code was sent, and nobody knows what came of it."""


class Read(NamedTuple):
    """Read the entry; answered by a `leases.Kept`."""


class Replace(NamedTuple):
    """Store an entry's text in place of another one; answered by whether that was so."""

    was: str
    entry: Entry


class Find(NamedTuple):
    """Find the token that is stored by now; answered by its record, or `None`.

    `renewed` is a renewal that somebody else has made since this one was asked for: who presents the
    same one-time code at the same time is to have its token, and who presents it later is not.
    """

    renewed: Renewed | None


class Prove(NamedTuple):
    """Prove that what a renewal brings can be stored, or raise."""

    record: TokenRecord | None


class Send(NamedTuple):
    """Send one request to Zoho; answered by what it grants, or an `AccountsError` is raised."""

    record: TokenRecord | None


class Save(NamedTuple):
    """Save what Zoho has granted, in place of `record`; answered by a `Saved`."""

    record: TokenRecord | None
    grant: Any


class Pause(NamedTuple):
    """Wait for so many seconds, while somebody else renews."""

    seconds: float


class Saved(NamedTuple):
    """What is stored now, or kept until it can be; and the scopes it has."""

    record: TokenRecord
    scopes: tuple[str, ...]
    is_stored: bool


Step = Read | Replace | Find | Prove | Send | Save | Pause
Renewal = Generator[Step, Any, TokenRecord | None]


class _OvertakenError(Exception):
    """A renewal has failed after its lease had run out, and somebody else has begun another one since."""


class Clock(NamedTuple):
    """What a renewal knows of time and chance: seconds of a clock that is never set, and numbers below 1."""

    monotonic: Callable[[], float]
    random: Callable[[], float]


@dataclass(frozen=True)
class Ask:
    """What is asked for.

    Arguments:
        owner: who asks: a text that nobody else uses.
        subject: whose token it is, for messages.
        is_enough: tells whether a stored token answers it.
        is_code: the credential is a one-time code, which is sent once or not at all.
        is_forced: renew although Zoho has refused these credentials before.
        is_stored: what is asked for was stored; if it has been deleted, nothing is renewed.
        is_own: tells whether a stored token has the credential that the lease is for.
        wait: for how many seconds to wait for somebody else.
    """

    owner: str
    subject: str
    is_enough: Callable[[TokenRecord], bool]
    is_code: bool = False
    is_forced: bool = False
    is_stored: bool = False
    is_own: Callable[[TokenRecord], bool] = lambda _record: True
    wait: float = 0.0


def renewal(ask: Ask, policy: RefreshPolicy, clock: Clock) -> Renewal:
    """Renew a token, or wait for somebody else's renewal.

    Every take of the lease changes the entry. So whoever replaces the entry that he has read knows that
    nobody has begun a renewal since; and the token that he has found after reading is the latest one.

    Returns:
        the token, or another login's that is stored in its place; or `None` if it was deleted, or somebody
        else is renewing and `wait` is over at once.

    Raises:
        InvalidGrantError, InvalidClientError: Zoho refuses the credentials. Nothing is sent again.
        RateLimitedError: the budget is used up, or Zoho says so.
        AccountsUnavailableError: it failed, a moment ago at most; or others took longer than `wait`.
    """
    ends = clock.monotonic() + ask.wait
    pause = _SHORTEST_PAUSE
    before: Renewed | None = None
    for turn in itertools.count():
        kept = yield Read()
        entry = Entry.parse(kept.text)
        if turn == 0:
            before = entry.renewed
        record = yield Find(None if entry.renewed == before else entry.renewed)
        if ask.is_stored if record is None else ask.is_enough(record) or not ask.is_own(record):
            found: TokenRecord | None = record
            return found
        if not entry.is_held(kept.now_ms, policy):
            _check(entry, ask, policy, kept.now_ms)
            mine = entry.taken(ask.owner, kept.now_ms, policy)
            if (yield Replace(kept.text, mine)):
                try:
                    return (yield from _renewed(mine, record, ask, policy, clock, kept.now_ms))
                except _OvertakenError:  # what came of it is of no interest any more, but what came of theirs
                    continue
            continue
        left = ends - clock.monotonic()
        if left <= 0:
            if ask.wait <= 0:
                return None
            raise AccountsUnavailableError(
                f"Somebody else is renewing {ask.subject}, and brought no token in time. Try again later.",
                retry_after=policy.timeout.total_seconds(),
            )
        yield Pause(min(pause * (0.5 + clock.random() / 2), left))
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    raise AssertionError("counting has no end")


def _renewed(
    mine: Entry,
    record: TokenRecord | None,
    ask: Ask,
    policy: RefreshPolicy,
    clock: Clock,
    began_ms: int,
) -> Renewal:
    """Renew under the lease, and write the outcome beside it."""
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
        failed = mine.failed(kind, code, now_ms, policy, jitter=clock.random())
        if (yield from _end(mine, failed)) is False:
            raise _OvertakenError from error
        if failed.failure is not None:
            raise _of(failed.failure, ask, now_ms) from error
        raise
    except TokenStoreError:  # it was not sent: nobody knows where to
        yield from _end(mine, mine.given_back())
        raise
    try:
        saved = yield Save(record, grant)
    except TokenStoreError as error:
        yield from _end(mine, mine.succeeded(Renewed(began_ms, "", 0)))
        if isinstance(error, RetiredIdError):  # deleted meanwhile: there is none any more
            return None
        raise
    if saved.is_stored:
        token_id, saved_ms = saved.record.id or "", saved.record.updated_at_ms or 0
        yield from _end(mine, mine.succeeded(Renewed(began_ms, token_id, saved_ms, saved.scopes)))
    # What is not stored yet leaves the lease to run out: others shall not renew at once, in vain as well.
    result: TokenRecord = saved.record
    return result


def _end(mine: Entry, ended: Entry) -> Generator[Step, Any, bool | None]:
    """Give the lease back with its outcome; return `False` if somebody else has it by now.

    If the store fails, nobody knows: it runs out by itself.
    """
    try:
        return bool((yield Replace(str(mine), ended)))
    except TokenStoreError:
        return None


def _check(entry: Entry, ask: Ask, policy: RefreshPolicy, now_ms: int) -> None:
    """Raise what came of the last renewal, if it tells that another one would be in vain."""
    failure = entry.holding_off(now_ms, policy)
    if ask.is_code and entry.sent and not _may_be_sent(entry):
        unknown = Failure("rejected", UNKNOWN_OUTCOME, 0, entry.sent[0], 1)
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


def _may_be_sent(entry: Entry) -> bool:
    """Tell whether a code that was taken before may be sent: each time it certainly had not been."""
    is_unspent = entry.failure is not None and entry.failure.kind != "rejected"
    return is_unspent and not entry.is_left() and entry.renewed is None


def _of(failure: Failure, ask: Ask, now_ms: int) -> AccountsError:
    """Return the error that tells of a failure."""
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
                f"The one-time code of {ask.subject} was sent to Zoho before, and what came of it is not "
                "known. It is not sent again. Log in again.",
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
