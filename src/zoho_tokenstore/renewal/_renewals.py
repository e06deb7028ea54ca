"""The renewals of one process: who renews inline, who waits, and what is renewed ahead of time."""

from __future__ import annotations

import contextlib
import functools
import random
import secrets
import time
from collections.abc import Callable
from typing import Final

from zoho_tokenstore._policies import RefreshPolicy
from zoho_tokenstore.errors import AccountsError, BackendError, TokenStoreError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _failures as failures
from zoho_tokenstore.renewal import _protocol as protocol
from zoho_tokenstore.renewal._freshness import Freshness, TokenState
from zoho_tokenstore.renewal._reporting import RenewalReporter
from zoho_tokenstore.renewal._single_flight import PendingRenewal, SingleFlight
from zoho_tokenstore.renewal._steps import Origin, Services, Steps
from zoho_tokenstore.renewal._task import Find, Task, names_of

_RECHECK_INTERVAL: Final = 1.0
"""For how many seconds callers with a valid token do not check again whether a renewal is possible."""

_LONGEST_RECHECK_INTERVAL: Final = 60.0

_TIME: Final = protocol.TimeSource(time.monotonic, random.random)

Ask = Callable[[], Origin]


class Renewals:
    """Runs renewals, one for each credential, and answers for tokens that need renewal."""

    def __init__(self, policy: RefreshPolicy, freshness: Freshness, services: Services) -> None:
        self._policy = policy
        self._wait = policy.wait.total_seconds()
        self._freshness = freshness
        self._services = services
        self._single_flight = SingleFlight()
        self._reporter = RenewalReporter(services.repository.emit)
        self.wait_for_all: Final = self._single_flight.wait_for_all

    def serve(self, record: TokenRecord, find: Find, origin: Ask, began: float) -> TokenRecord | None:
        state = self._freshness.of(record)
        if state is TokenState.FRESH:
            return record
        if state is TokenState.LOGIN_NEEDED:
            error = failures.login_needed(record)
            self._reporter.failed(record, error, has_sent=False)
            raise error
        name = names_of(record)[0]
        if state is TokenState.DUE:
            return self._renew_ahead(name, record, find, origin)
        try:
            return self.renew(Task(name, record, find, origin()), began)
        except (AccountsError, BackendError):
            if self._freshness.is_usable(record):
                return record
            raise

    def _renew_ahead(self, name: str, record: TokenRecord, find: Find, origin: Ask) -> TokenRecord:
        """Answer with a token that is still valid, and have it renewed in the background."""
        if self._single_flight.is_postponed(name):
            return record
        self._single_flight.postpone(name, _RECHECK_INTERVAL)
        pending = self._single_flight.join(name, self._work(Task(name, record, find, origin()), 0.0))
        if self._policy.background:
            return record
        pending.wait(self._wait)
        with contextlib.suppress(AccountsError, BackendError):
            renewed = pending.result()
            if renewed is not None and renewed.id == record.id:  # not another row's, with its refresh token
                return renewed
        return record

    def renew(self, task: Task, began: float) -> TokenRecord | None:
        """Answer for a token that cannot be used: renew it, or wait for whoever does."""
        ends = began + self._wait
        while True:
            asked = task.asked
            left = ends - time.monotonic()
            pending = self._single_flight.join(task.name, self._work(task, max(left, 0.001)))
            if pending.is_of_this_thread:
                raise failures.not_yet(asked)
            if not pending.wait(left):
                raise self._gave_up(pending, asked)
            record = pending.result()
            if record is None:
                if pending.is_final:
                    return None
            elif not task.is_of(record) and not self._freshness.is_usable(record):
                task = self._of_another_login(task, record)
            elif asked.id in (None, record.id):
                if not task.is_forced or pending.has_renewed or record.access_token != asked.access_token:
                    return record
            elif (own := task.find()) is not None and self._is_met(task, TokenState.STALE, own):
                return own  # of another row with the same refresh token

    def _of_another_login(self, task: Task, record: TokenRecord) -> Task:
        """Return the renewal of a login that replaced the one asked about."""
        names = names_of(record)
        if not names or self._freshness.of(record) is TokenState.LOGIN_NEEDED:
            raise failures.login_needed(record)
        return task._replace(name=names[0], asked=record)

    def _work(self, task: Task, wait: float) -> Callable[[PendingRenewal], TokenRecord | None]:
        """Return what a pending renewal does, waiting this many seconds for somebody else's."""
        asked = task.asked
        state = TokenState.STALE if wait > 0 else TokenState.DUE
        ask = protocol.Ask(
            owner=secrets.token_hex(8),
            subject=failures.named(asked),
            is_enough=functools.partial(self._is_met, task, state),
            is_code=asked.refresh_token is None,
            is_forced=task.is_forced,
            is_stored=task.is_stored,
            is_ahead=state is TokenState.DUE,
            is_own=task.is_of,
            server_of=lambda record: task.origin.server_of(record or asked),
            wait=wait,
        )

        def work(pending: PendingRenewal) -> TokenRecord | None:
            steps = Steps(self._services, task.name, asked, task.find, task.origin)
            began = time.monotonic()
            try:
                record = steps.run(protocol.renewal(ask, self._policy, _TIME), pending)
            except TokenStoreError as error:
                if isinstance(error, AccountsError):
                    self._single_flight.postpone(
                        task.name, min(error.retry_after or _RECHECK_INTERVAL, _LONGEST_RECHECK_INTERVAL)
                    )
                self._reporter.failed(asked, error, has_sent=steps.has_sent)
                raise
            pending.is_final = record is not None or wait > 0
            if steps.has_sent and record is not None:
                pending.has_renewed = True
                self._reporter.renewed(
                    record,
                    is_login=asked.id is None or asked.refresh_token is None,
                    seconds=time.monotonic() - began,
                    waiters=pending.waiters,
                )
            elif record is not None:
                self._reporter.recovered(record)
            return record

        return work

    def _is_met(self, task: Task, state: TokenState, record: TokenRecord) -> bool:
        return self._freshness.is_met(state, task.asked, record, is_forced=task.is_forced)

    def _gave_up(self, pending: PendingRenewal, asked: TokenRecord) -> TokenStoreError:
        timeout = self._policy.timeout.total_seconds()
        error = failures.too_late(
            pending.doing, asked, self._services.repository.location, self._wait, timeout
        )
        self._reporter.failed(asked, error, has_sent=False)
        return error
