"""Look-ups that answer with a good token: renewed once, however many need it.

docs/explanation/one-refresh.md has the states, the guarantees, and for whom they hold.
"""

from __future__ import annotations

import atexit
import os
import threading
import time
import weakref
from collections.abc import Callable
from typing import Final, Protocol

from zoho_tokenstore._policies import RefreshPolicy
from zoho_tokenstore._saving import Fence
from zoho_tokenstore._util import forks
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.errors import BackendError, InvalidClientError, InvalidGrantError, TokenStoreError
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _failures as failures
from zoho_tokenstore.renewal._accounts import Accounts
from zoho_tokenstore.renewal._answers import TokenResponse
from zoho_tokenstore.renewal._clock_skew import ClockSkew
from zoho_tokenstore.renewal._freshness import Freshness, TokenState
from zoho_tokenstore.renewal._lease_entry import LeaseEntry
from zoho_tokenstore.renewal._pending_saves import PendingSaves, may_pass
from zoho_tokenstore.renewal._renewals import Ask, Renewals
from zoho_tokenstore.renewal._spool import Spool
from zoho_tokenstore.renewal._steps import Origin, Services, Steps
from zoho_tokenstore.renewal._task import Task, names_of
from zoho_tokenstore.renewal._transport import Transport
from zoho_tokenstore.repository import TokenRepository


class Gate(Protocol):
    """What decides whether a stored login may be handed out."""

    def admit(self, record: TokenRecord, now_ms: int) -> None:
        """Let a login pass, or raise a `LoginExpiredError`."""

    def wait(self, seconds: float) -> None:
        """Wait until what it does beside look-ups is done, for at most this many seconds."""


class Renewer:
    """Look-ups and saves of a repository that renew what needs it, once for all that share the store.

    Its guarantees hold for all threads and processes that see the repository's leases. Besides the
    repository's errors, look-ups raise `InvalidGrantError` and `InvalidClientError` if Zoho refuses the
    credentials, `RateLimitedError` when its limit is reached, and `AccountsUnavailableError` if it cannot
    answer: none of them while there is a valid token to answer with.

    `origin` returns what callers know of Zoho, unless they say so. Tokens that could not be saved outlive
    this process in the folder `spool`: the next one that opens the store with it saves them.
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
        self.policy = policy
        self._clock = clock = repository.clock
        self._ahead_ms = ms(policy.ahead)
        self._wait = policy.wait.total_seconds()
        self._origin = origin
        on_disk = None if spool is None else Spool(spool, repository.location, repository.cipher)
        self.pending_saves = PendingSaves(repository, clock, on_disk)
        self.skew = ClockSkew(repository.emit)
        self.freshness = Freshness(policy, clock, self.skew)
        self._services = Services(
            repository,
            repository.leases,
            self.pending_saves,
            transport or Transport(policy.timeout, clock=clock),
            self.skew.learn,
        )
        self._renewals = Renewals(policy, self.freshness, self._services)
        self.gate: Gate | None = None
        self._closed = False
        self.reset()
        forks.reset_in_child(self)
        _at_exit.add(self)
        if self.pending_saves.kept:
            self._save_late()

    def reset(self) -> None:
        """In a child, nobody sleeps."""
        self._closing = threading.Event()

    # ---- look-ups

    def get(self, token_id: str, origin: Ask | None = None) -> TokenRecord | None:
        """Return the token with this id, renewed if it needs that; or `None`."""
        now_ms = self._clock()
        if self.pending_saves.kept:
            self._save_late()
            record = self.current(token_id)
        else:  # before nearly every API call
            record = self.repository.get(token_id)
        if record is None:
            return None
        if self.gate is not None:
            self.gate.admit(record, now_ms)
        ends = record.expires_at_ms
        if (
            ends is not None
            and ends - now_ms - self.skew.offset_ms > self._ahead_ms
            and record.access_token is not None
        ):
            return record
        began = time.monotonic() - max(0, self._clock() - now_ms) / 1000
        return self._renewals.serve(record, lambda: self.current(token_id), origin or self._origin, began)

    def find(self, query: TokenRecord, origin: Ask = Origin, *, logs_in: bool = True) -> TokenRecord | None:
        """Return the token that a partial one means, likewise, or log in with the query's credentials.

        A query by id alone returns the token as stored: the SDK makes one only to revoke.
        """
        began = time.monotonic()
        if self.pending_saves.kept:
            self._save_late()
        record = self._found(query)
        if record is not None and self.gate is not None:
            self.gate.admit(record, self._clock())
        if query.id is not None and record is not None:
            return record
        if record is not None:
            return self._renewals.serve(record, lambda: self._found(query, tell=False), origin, began)
        return self.log_in(query, origin, began=began) if logs_in else None

    def log_in(
        self, query: TokenRecord, origin: Ask = Origin, *, began: float | None = None
    ) -> TokenRecord | None:
        """Log in with a query's code or refresh token; `None` if it has neither, or has an access token."""
        names = names_of(query)
        if query.access_token is not None or not names or None in (query.client_id, query.client_secret):
            return None
        task = Task(names[0], query, lambda: self._found(query, tell=False), origin(), is_stored=False)
        return self._renewals.renew(task, began or time.monotonic())

    def current(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id as it is, even if it could not be saved yet."""
        kept = self.pending_saves.get(token_id) if self.pending_saves.kept else None
        return kept or self.repository.get(token_id)

    def refresh(self, token_id: str, origin: Ask = Origin) -> TokenRecord:
        """Renew a token unconditionally, even if Zoho refused its credentials before."""
        began = time.monotonic()
        record = self._there(token_id)
        if self.gate is not None:
            self.gate.admit(record, self._clock())
        names = names_of(record)
        if self.freshness.of(record) is TokenState.LOGIN_NEEDED or not names:
            raise failures.login_needed(record)
        task = Task(names[0], record, lambda: self.current(token_id), origin(), is_forced=True)
        renewed = self._renewals.renew(task, began)
        if renewed is None:
            raise failures.missing(token_id)
        return renewed

    def invalidate(self, token_id: str, access_token: str | None = None) -> bool:
        """Note that Zoho refused a token's access token: the next look-up renews, in every process.

        If another one is stored by now, nothing is done, and the answer is `False`.
        """
        record = self._there(token_id)
        if access_token not in (None, record.access_token) or record.access_token is None:
            return False
        fence = self.pending_saves.fence_of(record) or Fence(record.access_token, record.refresh_token)
        saved = self.repository.save(record.changed(expires_at_ms=0), fence=fence)
        self.pending_saves.drop(record, saved, renews=True)
        return saved.access_token == record.access_token

    # ---- saves and removals

    def save(self, record: TokenRecord) -> TokenRecord:
        """Save a token, and return what is stored now.

        If the storage fails, the token is kept in this process, found by its look-ups, and saved
        at the next chance.
        """
        try:
            saved = self.repository.save(record)
        except TokenStoreError as error:
            if may_pass(error) and not self._closed:
                self.pending_saves.keep(record, Fence(), identified=False)
            raise
        self.pending_saves.drop(record, saved)
        return saved

    def delete(self, token_id: str) -> bool:
        """Delete a token, even one that could not be saved yet; return whether it was stored."""
        self.pending_saves.forget(token_id)
        return self.repository.delete(token_id)

    def clear(self) -> int:
        """Delete all tokens, even those that could not be saved yet; return how many were stored."""
        self.pending_saves.clear()
        return self.repository.clear()

    def close(self) -> None:
        """Wait for renewals in progress, as long as a look-up would, and save what is left to save."""
        if self._closed:
            return
        self._closing.set()
        self._renewals.wait_for_all(self._wait)
        if self.gate is not None:
            self.gate.wait(self._wait)
        self.pending_saves.save(at_once=True)
        self._closed = True
        self.pending_saves.close()

    def entry_of(self, record: TokenRecord, origin: Origin) -> LeaseEntry:
        """Return what is known of a token's renewals at its accounts server."""
        names = names_of(record)
        entry = LeaseEntry.parse(self._services.leases.read(names[0]).text if names else "")
        return entry.at(origin.server_of(record))

    def accounts(self, accounts_url: str) -> Accounts:
        """Return the client for an accounts server."""
        return Accounts(accounts_url, transport=self._services.transport)

    def ask(self, base: TokenRecord, request: Callable[[], TokenResponse]) -> TokenResponse:
        """Return what Zoho grants to `base`, if that can be stored; that it denied it is an event."""
        self.repository.prove_writable(base)
        try:
            return request()
        except (InvalidGrantError, InvalidClientError) as error:
            self.repository.emit(EventKind.DENIED, base, reason=error.error_code, error=error)
            raise

    def keep(
        self,
        base: TokenRecord,
        grant: TokenResponse,
        origin: Origin,
        *,
        check: Callable[[TokenRecord], None] = lambda _: None,
        may_wait: bool = True,
    ) -> TokenRecord:
        """Save what Zoho has granted to `base`, a client and perhaps a user, in the caller's way.

        `check` is called with the token when its user is known, and may raise what prevents the save. If the
        storage fails and it `may_wait`, the token is kept in this process until it can be saved.
        """
        self.skew.learn(grant)
        steps = Steps(self._services, "", base, lambda: None, origin)
        return steps.save(None, grant, check, may_wait=may_wait).record

    def sleep(self, seconds: float) -> None:
        """Wait, unless the store is closed, now or meanwhile."""
        if self._closing.wait(seconds):
            raise BackendError(f"The store on {self.repository.location} has been closed.")

    def _save_late(self) -> None:
        if self.policy.background:
            self.pending_saves.save_beside()
        else:
            self.pending_saves.save()

    def _there(self, token_id: str) -> TokenRecord:
        record = self.current(token_id)
        if record is None:
            raise failures.missing(token_id)
        return record

    def _found(self, query: TokenRecord, *, tell: bool = True) -> TokenRecord | None:
        kept = self.pending_saves.find(query) if self.pending_saves.kept else None
        return kept or self.repository.find(query, tell=tell)


_at_exit: weakref.WeakSet[Renewer] = weakref.WeakSet()


@atexit.register
def _close_at_exit() -> None:
    for renewer in list(_at_exit):
        renewer.close()
