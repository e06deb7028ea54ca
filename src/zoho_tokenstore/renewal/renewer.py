"""Look-ups that answer with a token that is good: renewed once, whoever else needs it.

docs/explanation/one-refresh.md has the states, what is claimed of them, and for whom.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import random
import secrets
import time
import weakref
from collections.abc import Callable
from typing import Final

from zoho_tokenstore.errors import (
    AccountsError,
    BackendError,
    TokenStoreError,
)
from zoho_tokenstore.leases import names_of
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import failures, protocol
from zoho_tokenstore.renewal.accounts import Accounts
from zoho_tokenstore.renewal.answers import Grant
from zoho_tokenstore.renewal.entries import Entry, ms
from zoho_tokenstore.renewal.flights import Flight, Flights
from zoho_tokenstore.renewal.late import Late, may_pass
from zoho_tokenstore.renewal.needs import Need, Needs
from zoho_tokenstore.renewal.reports import Reports
from zoho_tokenstore.renewal.skew import Skew
from zoho_tokenstore.renewal.spool import Spool
from zoho_tokenstore.renewal.steps import Desk, Origin, Steps
from zoho_tokenstore.renewal.task import Find, Task
from zoho_tokenstore.renewal.transport import Transport
from zoho_tokenstore.repository import Fence, TokenRepository

_GLANCE: Final = 1.0
"""For how many seconds those who can go without do not look whether a renewal is possible again."""

_LONGEST_HOLD: Final = 60.0

Ask = Callable[[], Origin]


class Renewer:
    """Look-ups and saves of a repository that renew what needs it, once for all who share the store.

    Its claims hold for all threads and processes that see the repository's leases. Beside the
    repository's errors its look-ups raise `InvalidGrantError` and `InvalidClientError` if Zoho refuses
    the credentials, `RateLimitedError` when its limit is reached, and `AccountsUnavailableError` if it
    cannot answer: none of them while there is a valid token to answer with.

    Arguments:
        repository: the tokens.
        policy: when to renew, and how long to wait.
        transport: sends the requests to Zoho; for tests.
        origin: tells what the callers know of Zoho, where they do not say it.
        spool: a folder for tokens that could not be saved: they outlive this process, and are saved by the
            next one that opens the store with it.

    Raises:
        ConfigurationError: the spool cannot be used.
        BackendUnavailableError: it cannot be read, or others can write it.
    """

    def __init__(
        self,
        repository: TokenRepository,
        policy: RefreshPolicy,
        *,
        transport: Transport | None = None,
        origin: Ask = Origin,
        spool: str | os.PathLike[str] | None = None,
    ) -> None:
        self.repository: Final = repository
        self._policy = policy
        self._clock = clock = repository.clock
        self._ahead_ms = ms(policy.ahead)
        self._wait = policy.wait.total_seconds()
        self._origin = origin
        self._flights = Flights()
        on_disk = None if spool is None else Spool(spool, repository.location, repository.sealing)
        self.late = Late(repository, clock, on_disk)
        self.skew = Skew(repository.emit)
        self.needs = Needs(policy, clock, self.skew)
        self._reports = Reports(repository.emit)
        self._desk = Desk(
            repository,
            repository.leases,
            self.late,
            transport or Transport(policy.timeout, clock=clock),
            self.skew.learn,
        )
        self._closed = False
        _at_exit.add(self)
        if self.late.kept:
            self._save_late()

    # ---- look-ups

    def get(self, token_id: str, origin: Ask | None = None) -> TokenRecord | None:
        """Return the token with this id, renewed if it needs that; or `None`.

        Arguments:
            token_id: the id.
            origin: tells what the caller knows of Zoho, if that is needed; by default as for all callers.
        """
        now_ms = self._clock()
        if self.late.kept:
            self._save_late()
            record = self.current(token_id)
        else:  # before nearly every API call
            record = self.repository.get(token_id)
        if record is None:
            return None
        ends = record.expires_at_ms
        if (
            ends is not None
            and ends - now_ms - self.skew.offset_ms > self._ahead_ms
            and record.access_token is not None
        ):
            return record
        began = time.monotonic() - max(0, self._clock() - now_ms) / 1000
        return self._serve(record, lambda: self.current(token_id), origin or self._origin, began)

    def find(self, query: TokenRecord, origin: Ask = Origin, *, logs_in: bool = True) -> TokenRecord | None:
        """Return the token that a partial one means, likewise; or log in with what the query brings.

        A query by id alone is answered as it stands: the SDK makes one only to revoke.

        Arguments:
            query: the partial token.
            origin: tells what the caller knows of Zoho, if that is needed.
            logs_in: whether what the query brings is used to log in, if nothing is found.
        """
        began = time.monotonic()
        if self.late.kept:
            self._save_late()
        record = self._found(query)
        if query.id is not None and record is not None:
            return record
        if record is not None:
            return self._serve(record, lambda: self._found(query, tell=False), origin, began)
        return self.log_in(query, origin, began=began) if logs_in else None

    def log_in(
        self, query: TokenRecord, origin: Ask = Origin, *, began: float | None = None
    ) -> TokenRecord | None:
        """Exchange a query's code or refresh token for a first access token, and save it.

        Returns:
            the token; or `None` if the query brings no credentials, or an access token of its own.
        """
        names = names_of(query)
        if query.access_token is not None or not names or None in (query.client_id, query.client_secret):
            return None
        task = Task(names[0], query, lambda: self._found(query, tell=False), origin(), is_stored=False)
        return self._renewed(task, began or time.monotonic())

    def current(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id as it stands, also if it could not be saved yet."""
        kept = self.late.get(token_id) if self.late.kept else None
        return kept or self.repository.get(token_id)

    def refresh(self, token_id: str, origin: Ask = Origin) -> TokenRecord:
        """Renew a token whatever it needs, also if Zoho has refused its credentials before.

        Raises:
            TokenNotFoundError: there is none.
        """
        began = time.monotonic()
        record = self._there(token_id)
        names = names_of(record)
        if self.needs.of(record) is Need.LOGIN or not names:
            raise failures.login_needed(record)
        task = Task(names[0], record, lambda: self.current(token_id), origin(), is_forced=True)
        renewed = self._renewed(task, began)
        if renewed is None:
            raise failures.missing(token_id)
        return renewed

    def invalidate(self, token_id: str, access_token: str | None = None) -> bool:
        """Note that Zoho has refused a token's access token: the next look-up renews, in every process.

        Arguments:
            token_id: the id.
            access_token: the one that was refused; if another one is stored by now, nothing is done.

        Returns:
            whether it was still the stored one.

        Raises:
            TokenNotFoundError: there is none.
        """
        record = self._there(token_id)
        if access_token not in (None, record.access_token) or record.access_token is None:
            return False
        fence = self.late.fence_of(record) or Fence(record.access_token, record.refresh_token)
        self.late.drop(self.repository.save(record.changed(expires_at_ms=0), fence=fence), renews=True)
        return True

    # ---- saves and removals

    def save(self, record: TokenRecord) -> TokenRecord:
        """Save a token, and return what is stored now.

        If the storage fails, the token is kept in this process, found by its look-ups, and saved
        at the next chance.

        Raises:
            BackendError: it could not be stored yet.
            ConflictError: its id is somebody else's or a deleted token's, or others kept changing
                the row.
        """
        try:
            saved = self.repository.save(record)
        except TokenStoreError as error:
            if may_pass(error) and not self._closed:
                self.late.keep(record, Fence(), identified=False)
            raise
        self.late.drop(saved)
        return saved

    def delete(self, token_id: str) -> bool:
        """Delete a token, also one that could not be saved yet; return whether it was stored."""
        self.late.forget(token_id)
        return self.repository.delete(token_id)

    def clear(self) -> int:
        """Delete all tokens, also those that could not be saved yet; return how many were stored."""
        self.late.clear()
        return self.repository.clear()

    def close(self) -> None:
        """Wait for renewals that are under way, as long as a look-up would, and save what is left to save."""
        if self._closed:
            return
        self._flights.wait_for_all(self._wait)
        self.late.save(at_once=True)
        self._closed = True
        self.late.close()

    def entry_of(self, record: TokenRecord) -> Entry:
        """Return what is known of a token's renewals."""
        names = names_of(record)
        return Entry.parse(self._desk.leases.read(names[0]).text if names else "")

    def accounts(self, accounts_url: str) -> Accounts:
        """Return the client for an accounts server."""
        return Accounts(accounts_url, transport=self._desk.transport)

    def keep(self, base: TokenRecord, grant: Grant, origin: Origin) -> TokenRecord:
        """Save what Zoho has granted to `base`, a client and perhaps a user, in a way of its own."""
        self.skew.learn(grant)
        return Steps(self._desk, "", base, lambda: None, origin).save(None, grant).record

    def _serve(self, record: TokenRecord, find: Find, origin: Ask, began: float) -> TokenRecord | None:
        need = self.needs.of(record)
        if need is Need.NOTHING:
            return record
        if need is Need.LOGIN:
            error = failures.login_needed(record)
            self._reports.failed(record, error, has_sent=False)
            raise error
        name = names_of(record)[0]
        if need is Need.SOON:
            return self._renewed_ahead(name, record, find, origin)
        try:
            return self._renewed(Task(name, record, find, origin()), began)
        except (AccountsError, BackendError):
            if self.needs.is_usable(record):
                return record
            raise

    # ---- renewing

    def _renewed_ahead(self, name: str, record: TokenRecord, find: Find, origin: Ask) -> TokenRecord:
        """Answer with a token that is still valid, and see to it that it is renewed beside."""
        if self._flights.is_held_off(name):
            return record
        self._flights.hold_off(name, _GLANCE)
        flight = self._flights.join(name, self._work(Task(name, record, find, origin()), 0.0))
        if self._policy.background:
            return record
        flight.wait(self._wait)
        with contextlib.suppress(AccountsError, BackendError):
            return flight.result() or record
        return record

    def _renewed(self, task: Task, began: float) -> TokenRecord | None:
        """Answer for a token that cannot be used: renew it, or wait for who does."""
        ends = began + self._wait
        while True:
            asked = task.asked
            left = ends - time.monotonic()
            flight = self._flights.join(task.name, self._work(task, max(left, 0.001)))
            if not flight.wait(left):
                raise self._gave_up(flight, asked)
            record = flight.result()
            if record is None:
                if flight.is_final:
                    return None
            elif not task.is_of(record) and not self.needs.is_usable(record):
                task = self._of_another_login(task, record)
            elif asked.id in (None, record.id):
                if not task.is_forced or record.access_token != asked.access_token:
                    return record
            elif (own := task.find()) is not None and self._is_met(task, Need.NOW, own):
                return own  # of another row with the same refresh token

    def _of_another_login(self, task: Task, record: TokenRecord) -> Task:
        """Return the renewal of a login that has come in place of the one that was asked about."""
        names = names_of(record)
        if not names or self.needs.of(record) is Need.LOGIN:
            raise failures.login_needed(record)
        return task._replace(name=names[0], asked=record)

    def _work(self, task: Task, wait: float) -> Callable[[Flight], TokenRecord | None]:
        """Return what a flight does: a renewal, that waits so many seconds for somebody else's."""
        asked = task.asked
        need = Need.NOW if wait > 0 else Need.SOON
        ask = protocol.Ask(
            owner=secrets.token_hex(8),
            subject=failures.named(asked),
            is_enough=functools.partial(self._is_met, task, need),
            is_code=asked.refresh_token is None,
            is_forced=task.is_forced,
            is_stored=task.is_stored,
            is_own=task.is_of,
            wait=wait,
        )

        def work(flight: Flight) -> TokenRecord | None:
            steps = Steps(self._desk, task.name, asked, task.find, task.origin)
            began = time.monotonic()
            try:
                record = steps.run(protocol.renewal(ask, self._policy, _CLOCK), flight)
            except TokenStoreError as error:
                if isinstance(error, AccountsError):
                    self._flights.hold_off(task.name, min(error.retry_after or _GLANCE, _LONGEST_HOLD))
                self._reports.failed(asked, error, has_sent=steps.has_sent)
                raise
            flight.is_final = record is not None or wait > 0
            if steps.has_sent and record is not None:
                self._reports.renewed(record, seconds=time.monotonic() - began, waiters=flight.waiters)
            elif record is not None:
                self._reports.recovered(record)
            return record

        return work

    def _is_met(self, task: Task, need: Need, record: TokenRecord) -> bool:
        return self.needs.is_met(need, task.asked, record, is_forced=task.is_forced)

    def _save_late(self) -> None:
        if self._policy.background:
            self.late.save_beside()
        else:
            self.late.save()

    def _gave_up(self, flight: Flight, asked: TokenRecord) -> TokenStoreError:
        timeout = self._policy.timeout.total_seconds()
        error = failures.too_late(flight.doing, asked, self.repository.location, self._wait, timeout)
        self._reports.failed(asked, error, has_sent=False)
        return error

    def _there(self, token_id: str) -> TokenRecord:
        record = self.current(token_id)
        if record is None:
            raise failures.missing(token_id)
        return record

    def _found(self, query: TokenRecord, *, tell: bool = True) -> TokenRecord | None:
        kept = self.late.find(query) if self.late.kept else None
        return kept or self.repository.find(query, tell=tell)


_CLOCK: Final = protocol.Clock(time.monotonic, random.random)

_at_exit: weakref.WeakSet[Renewer] = weakref.WeakSet()


@atexit.register
def _close_at_exit() -> None:
    for renewer in list(_at_exit):
        renewer.close()
