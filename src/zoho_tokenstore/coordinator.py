"""One refresh for all threads and processes that share a store.

The SDK refreshes between a look-up and `save_token`, and tells the store nothing. So all of this
happens inside look-up and save: docs/explanation/one-refresh.md has the states and the proof.
"""

from __future__ import annotations

import atexit
import contextlib
import random
import time
import weakref
from collections.abc import Callable
from enum import Enum
from typing import Final, NamedTuple

from zoho_tokenstore import matching
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    BackendError,
    RateLimitedError,
    TokenStoreError,
)
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.flights import Flight, Flights
from zoho_tokenstore.history import Exchange, Histories, named
from zoho_tokenstore.leases import names_of
from zoho_tokenstore.policies import SDK_MARGIN, RefreshPolicy
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import Fence, TokenRepository
from zoho_tokenstore.unsaved import Kept, Unsaved, may_pass

_SHORTEST_PAUSE: Final = 0.01
_LONGEST_PAUSE: Final = 0.1
_GLANCE: Final = 1.0
"""For how many seconds a lease seen in other hands is not looked at again by those who need not wait."""

_MARGIN_MS: Final = int(SDK_MARGIN.total_seconds() * 1000) + 500

Reread = Callable[[], TokenRecord | None]


class State(Enum):
    """What a token needs."""

    FRESH = "nothing"
    DUE = "a refresh, soon"
    STALE = "a refresh, now"
    ABSENT = "a first exchange"


class Turn(NamedTuple):
    """What came of trying to take the lease; `settled` is false while somebody else holds it."""

    settled: bool
    record: TokenRecord | None = None


class Exchanged(NamedTuple):
    """What came of a one-time code: what is noted beside its lease, and a token that is still to be saved."""

    noted: Exchange | None = None
    kept: Kept | None = None


class Coordinator:
    """Look-ups and saves of a repository, with one refresh at a time for each refresh token.

    Its claims hold for all threads and processes that see the repository's leases. What its
    look-ups raise, beside the repository's errors: `RateLimitedError` when Zoho's limit on
    refreshes is reached and `AccountsUnavailableError` when a refresh has just failed or takes
    too long, both only if there is no valid token left to answer with.

    Arguments:
        repository: the tokens.
        policy: when to refresh, and how long to wait.
        is_refresher: tells whether the caller of a look-up is about to refresh what has expired,
            and will save it. Anybody else is answered with what is stored.
        clock: the time in milliseconds since the epoch; for tests.
    """

    def __init__(
        self,
        repository: TokenRepository,
        policy: RefreshPolicy | None = None,
        *,
        is_refresher: Callable[[], bool] = lambda: True,
        clock: Clock = now_ms,
    ) -> None:
        self._repository = repository
        self._leases = repository.leases
        self._policy = policy = policy or RefreshPolicy()
        self._is_refresher = is_refresher
        self._clock = clock
        self._ahead_ms = int(policy.ahead.total_seconds() * 1000)
        self._urgent_ms = int(policy.urgent.total_seconds() * 1000)
        self._lease = policy.lease.total_seconds()
        self._lease_ms = int(self._lease * 1000)
        self._wait = policy.wait.total_seconds()
        self._histories = Histories(self._leases, policy, clock)
        self._flights = Flights()
        self._unsaved = Unsaved(repository, self._release, clock)
        self._closed = False
        _at_exit.add(self)

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id, ready to use or to be refreshed by the caller; or `None`."""
        if self._flights.under_way or self._unsaved.kept:
            self._settle()
            record = self._current(token_id)
        else:  # before nearly every API call
            record = self._repository.get(token_id)
        if record is None:
            return None
        ends = record.expires_at_ms
        if ends is not None and ends - self._clock() > self._ahead_ms and record.access_token is not None:
            return record
        return self._serve(record, lambda: self._current(token_id))

    def find(self, query: TokenRecord) -> TokenRecord | None:
        """Return the token that a partial one means, likewise; `None` lets the caller log in.

        A query by id alone is answered as it stands: the SDK makes one only to revoke. So is one
        with an access token: the caller goes on with his own, whatever is stored.
        """
        if self._flights.under_way or self._unsaved.kept:
            self._settle()
        before = self._exchanged_before(query)  # not later: what comes from now on is an answer to us, too
        record = self._found(query)
        if query.id is not None or query.access_token is not None:
            return record
        if record is not None:
            return self._serve(record, lambda: self._found(query))
        names = names_of(query)
        if not names:
            return None
        self._unsaved.begin_login()
        if not self._is_refresher():
            return None
        return self._renew_or_wait(names[0], query, lambda: self._logged_in(query, names[0], before))

    def save(self, record: TokenRecord, *, identified: bool = False) -> TokenRecord:
        """Save a token, end the refresh that it comes from, and return what is stored now.

        If the storage fails, the token is kept in this process, found by its look-ups, and saved
        at the next chance.

        Arguments:
            record: the token.
            identified: Zoho itself named the user in the exchange that the token comes from.

        Raises:
            BackendError: it could not be stored yet.
            ConflictError: its id is somebody else's or a deleted token's, or others kept changing
                the row.
            AccountsUnavailableError: it is what a refresh was to bring, and has no access token.
        """
        flight = self._flight_of(record)
        fence = None if flight is None else flight.fence
        try:
            if flight is not None and record.access_token is None:
                raise self._failed(flight)
            saved = self._repository.save(record, fence=fence, identified=identified)
        except TokenStoreError as error:
            if may_pass(error) and not self._closed:
                self._unsaved.keep(record, fence or Fence(), flight, identified=identified)
            elif flight is not None:
                self._release(flight)
            raise
        else:
            self._note_exchange(flight, saved)
        finally:
            if flight is not None:
                self._flights.land(flight)
        if flight is not None:
            self._release(flight)
            self._repository.emit(EventKind.REFRESHED, saved)
        self._unsaved.drop(saved)
        return saved

    def _note_exchange(self, flight: Flight | None, saved: TokenRecord) -> None:
        """Tell those who wait with the same code, if the store lets us; they are to have the token, too."""
        if flight is not None and flight.is_of_code:
            with contextlib.suppress(BackendError):
                self._histories.note_exchange(flight.name, saved)

    def _exchanged_before(self, query: TokenRecord) -> Exchanged:
        """Return what is known of an earlier exchange of the query's code."""
        if query.grant_token is None or query.id is not None or not self._is_refresher():
            return Exchanged()
        return self._exchanged(names_of(query)[0])

    def _exchanged(self, name: str) -> Exchanged:
        return Exchanged(self._histories.exchange(name), self._unsaved.of_exchange(name))

    def _failed(self, flight: Flight) -> AccountsUnavailableError:
        """Note that Zoho's answer to a refresh had no access token; what is stored stays as it is."""
        with contextlib.suppress(BackendError):
            self._histories.note_failure(flight.name, flight.began_ms)
        self._repository.emit(EventKind.REFRESH_FAILED, flight.about, reason="Zoho sent no access token")
        return AccountsUnavailableError(
            f"Zoho's answer for {named(flight.about)} has no access token; nothing was stored. "
            "Try again later; if that fails too, log in again.",
            retry_after=self._lease,
        )

    def delete(self, token_id: str) -> bool:
        """Delete a token, also one that could not be saved yet; return whether it was stored."""
        self._unsaved.forget(token_id)
        return self._repository.delete(token_id)

    def clear(self) -> int:
        """Delete all tokens, also those that could not be saved yet; return how many were stored."""
        self._unsaved.clear()
        return self._repository.clear()

    def close(self) -> None:
        """Save what is left to save, and give back every lease, so that nobody waits for them."""
        self._end_abandoned()
        self._unsaved.save(at_once=True)
        self._closed = True
        self._unsaved.clear()
        for flight in self._flights.take_all():
            self._release(flight)

    # ---- states

    def state_of(self, record: TokenRecord | None) -> State:
        """Return what a token needs now. One that cannot be refreshed needs nothing."""
        if record is None:
            return State.ABSENT
        if record.refresh_token is None or record.client_id is None or record.client_secret is None:
            return State.FRESH
        if record.access_token is None:
            return State.STALE
        if record.expires_at_ms is None:
            return State.FRESH
        left = record.expires_at_ms - self._clock()
        if left > self._ahead_ms:
            return State.FRESH
        return State.DUE if left > self._urgent_ms else State.STALE

    def _serve(self, record: TokenRecord, reread: Reread) -> TokenRecord | None:
        state = self.state_of(record)
        if state is State.FRESH or not self._is_refresher():
            return record
        name = names_of(record)[0]
        if state is State.DUE:
            return self._renew_if_free(name, record, reread)
        try:
            return self._renew_or_wait(name, record, reread)
        except (AccountsError, BackendError):
            if self._is_usable(record):
                return record
            raise

    def _is_usable(self, record: TokenRecord) -> bool:
        """Tell whether the SDK would go on with the token, instead of refreshing it by itself."""
        ends = record.expires_at_ms
        return ends is not None and ends - self._clock() > _MARGIN_MS and record.access_token is not None

    def _renew_if_free(self, name: str, record: TokenRecord, reread: Reread) -> TokenRecord | None:
        """Answer for a token that is due: refresh it if nobody does, and never wait or fail."""
        if self._flights.get(name) or self._flights.is_elsewhere(name):
            return record
        with self._flights.turn(name, 0) as came:
            if not came:
                return record
            try:
                turn = self._try(name, record, reread)
            except AccountsError as error:
                self._flights.note_elsewhere(name, min(error.retry_after or _GLANCE, self._lease))
                return record
            except BackendError:
                self._flights.note_elsewhere(name, _GLANCE)
                return record
        return turn.record if turn.settled else record

    def _renew_or_wait(self, name: str, asked: TokenRecord, reread: Reread) -> TokenRecord | None:
        """Answer for a token that is stale or absent: refresh it, or wait for who does."""
        deadline = time.monotonic() + self._wait
        with self._flights.turn(name, self._wait) as came:
            pause = _SHORTEST_PAUSE
            while came:
                flight = self._flights.get(name)
                turn = Turn(False) if flight else self._try(name, asked, reread)
                if turn.settled:
                    return turn.record
                left = deadline - time.monotonic()
                if left <= 0:
                    break
                self._pause(flight, min(pause, left), left)
                pause = min(pause * 1.5, _LONGEST_PAUSE)
        raise self._gave_up(asked)

    def _pause(self, flight: Flight | None, seconds: float, left: float) -> None:
        if flight is None:
            time.sleep(seconds * random.uniform(0.5, 1.0))  # noqa: S311  # jitter, not a secret
            return
        # A thread of this process: it says when it is done, unless it ends or hangs.
        flight.landed.wait(min(max(flight.ends - time.monotonic(), 0.0), left, 1.0))
        if flight.is_abandoned():
            self._end_abandoned()

    def _gave_up(self, asked: TokenRecord) -> AccountsUnavailableError:
        self._repository.emit(EventKind.REFRESH_AWAITED, asked, reason="waited in vain")
        return AccountsUnavailableError(
            f"Somebody else is refreshing {named(asked)}, and brought no new token within "
            f"{self._wait:g} s. Try again later.",
            retry_after=self._lease,
        )

    # ---- the lease

    def _try(self, name: str, asked: TokenRecord, reread: Reread) -> Turn:
        """Take the lease if it is free, and read again under it."""
        lease = self._leases.look(name)
        if lease.is_held(self._clock(), self._lease_ms):
            self._flights.note_elsewhere(name, _GLANCE)
            return self._if_renewed(asked, reread)
        renewed = self._if_renewed(asked, reread)
        if renewed.settled:
            return renewed
        flight = Flight(name, renewed.record or asked, self._clock(), self._lease)
        try:
            self._histories.check(lease.note, asked)
            if self._leases.acquire(name, flight.owner, self._lease_ms).owner != flight.owner:
                return Turn(False)
            return self._begin(flight, asked, reread, taken_over=lease.owner is not None)
        except BaseException as error:
            self._release(flight)
            self._repository.emit(
                EventKind.REFRESH_REFUSED,
                asked,
                reason=_reason(error),
                error=error if isinstance(error, Exception) else None,
            )
            raise

    def _begin(self, flight: Flight, asked: TokenRecord, reread: Reread, *, taken_over: bool) -> Turn:
        renewed = self._if_renewed(asked, reread)
        if renewed.settled:
            self._release(flight)
            return renewed
        record = renewed.record
        self._repository.prove_writable(record or asked)
        self._histories.count(flight.name, asked)
        if flight.is_over():  # the store was busy for longer than the lease
            return Turn(False)
        if record is not None:
            flight.fence = Fence(record.access_token, record.refresh_token)
        flight.is_of_code = record is None and flight.name.startswith("grant:")
        self._flights.add(flight)
        reason = "the holder before brought no token" if taken_over else None
        self._repository.emit(EventKind.REFRESH_STARTED, record or asked, reason=reason)
        return Turn(True, self._to_refresh(record))

    def _if_renewed(self, asked: TokenRecord, reread: Reread) -> Turn:
        """Settle the turn if by now there is another token, that needs no refresh at once."""
        record = reread()
        state = self.state_of(record)
        if record is None or state is State.FRESH:
            return Turn(state is State.FRESH, record)
        if record.access_token != asked.access_token:
            return Turn(self._is_usable(record), record)
        return Turn(state is State.DUE and self.state_of(asked) is not State.DUE, record)

    def _to_refresh(self, record: TokenRecord | None) -> TokenRecord | None:
        """Return the record so that the SDK refreshes it for certain."""
        if record is None or record.expires_at_ms is None:
            return record
        past = min(record.expires_at_ms, self._clock() - 1)
        return record if past == record.expires_at_ms else record.changed(expires_at_ms=past)

    def _release(self, flight: Flight) -> None:
        """Give the lease back if the store lets us; else it ends by itself."""
        with contextlib.suppress(BackendError):
            self._leases.release(flight.name, flight.owner)

    def _flight_of(self, record: TokenRecord) -> Flight | None:
        """Return the refresh of this thread that a save ends, if it comes from one."""
        if not self._flights.under_way:
            return None
        names = names_of(record)
        return next(
            (
                flight
                for flight in reversed(self._flights.of_this_thread())
                if flight.name in names
                or (flight.about.id == record.id and flight.about.client_id == record.client_id)
            ),
            None,
        )

    # ---- what is left to do from before

    def _settle(self) -> None:
        self._end_abandoned()
        if self._unsaved.kept:
            self._unsaved.save()

    def _end_abandoned(self) -> None:
        """End the refreshes that no save will follow, and let nobody try again too soon."""
        for flight in self._flights.take_abandoned():
            with contextlib.suppress(BackendError):
                if not flight.is_over() and self._leases.look(flight.name).owner == flight.owner:
                    self._histories.note_failure(flight.name, flight.began_ms)
            self._release(flight)
            flight.landed.set()
            self._repository.emit(EventKind.REFRESH_FAILED, flight.about, reason="no new token was saved")

    # ---- reading, with what could not be saved

    def _current(self, token_id: str) -> TokenRecord | None:
        kept = self._unsaved.get(token_id) if self._unsaved.kept else None
        return kept or self._repository.get(token_id)

    def _found(self, query: TokenRecord) -> TokenRecord | None:
        kept = self._unsaved.find(query) if self._unsaved.kept else None
        return kept or self._repository.find(query)

    def _logged_in(self, query: TokenRecord, name: str, before: Exchanged) -> TokenRecord | None:
        """Return what a query for a login finds: also the token of its code, if that came while we waited.

        A code that has been exchanged may not be kept: then it leads nobody in who comes later.
        """
        found = self._found(query)
        if found is not None or query.grant_token is None:
            return found
        now = self._exchanged(name)
        record = None if now == before else self._token_of(now)
        if record is None or not matching.same_person(query, record):
            return None
        return record.changed(grant_token=query.grant_token)

    def _token_of(self, exchanged: Exchanged) -> TokenRecord | None:
        """Return the token of an exchange, if its row holds no other login by now."""
        if exchanged.kept is not None:
            return exchanged.kept.record
        noted = exchanged.noted
        record = None if noted is None else self._repository.get(noted.token_id)
        return record if record is not None and noted is not None and noted.is_of(record) else None


_at_exit: weakref.WeakSet[Coordinator] = weakref.WeakSet()


@atexit.register
def _close_at_exit() -> None:
    for coordinator in list(_at_exit):
        coordinator.close()


def _reason(error: BaseException) -> str:
    if isinstance(error, RateLimitedError):
        return "the limit is reached"
    if isinstance(error, AccountsError):
        return "the last one failed a moment ago"
    return "the storage failed" if isinstance(error, BackendError) else type(error).__name__
