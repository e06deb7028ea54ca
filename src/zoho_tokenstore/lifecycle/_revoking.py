"""Central revocation: many logins at once, in a way that can be interrupted and repeated."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Final

from zoho_tokenstore.errors import (
    AccountsError,
    ConfigurationError,
    ConflictError,
    SealingError,
    TokenNotFoundError,
    TokenStoreError,
    UnreadableRowError,
)
from zoho_tokenstore.lifecycle._ending import Ending, Revoked
from zoho_tokenstore.lifecycle._filters import LoginFilter
from zoho_tokenstore.lifecycle._lifecycle import HasLifecycle, Lifecycle, lifecycle_of
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import TokenRepository

MOST_REASONS: Final = 20
"""For how many logins a report has the reason why they are still there."""

_GIVES_UP_AFTER: Final = 3
"""After so many requests in a row without an answer, a data centre is not asked about its other logins."""

_ONE_LOGINS_OWN: Final = (AccountsError, ConfigurationError, ConflictError, SealingError, UnreadableRowError)
"""Errors that keep one login here, and stop no other."""


@dataclass(kw_only=True)
class RevocationReport:
    """What a revocation has done.

    Arguments:
        revoked: how many logins were alive at Zoho, and no longer are; they are removed here.
        already_dead: how many Zoho did not know any more; they are removed here.
        owed: how many are removed here, and are still to be revoked at Zoho.
        kept: how many are still here, because Zoho could not be asked, they cannot be read, or others keep
            replacing them.
        reasons: why, for the first of those.
        matched: how many logins were meant.
        paid: how many revocations were paid that were owed before.
    """

    revoked: int = 0
    already_dead: int = 0
    owed: int = 0
    kept: int = 0
    reasons: dict[str, str] = field(default_factory=dict)
    matched: int = 0
    paid: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether none of the logins can be alive at Zoho."""
        return self.kept == 0 and self.owed == 0

    def note(self, record_id: str, reason: object) -> None:
        """Count a login that is still here."""
        self.kept += 1
        if len(self.reasons) < MOST_REASONS:
            self.reasons[record_id] = str(reason)


OnProgress = Callable[[RevocationReport], object]


def revoke(
    tokens: HasLifecycle,
    which: LoginFilter,
    *,
    owe: bool = False,
    dry_run: bool = False,
    workers: int = 8,
    on_progress: OnProgress | None = None,
) -> RevocationReport:
    """Revoke logins: each at Zoho, with those it has replaced, and then here.

    It may be interrupted at any moment, and run again: then it finishes. Logins made while it runs may or
    may not be among them.

    Arguments:
        tokens: the logins.
        which: which of them.
        owe: whether logins also end here if Zoho cannot be asked. Then their revocation is owed, and paid
            by the next run, or by a clean-up.
        dry_run: only count them.
        workers: how many requests to Zoho are in progress at once.
        on_progress: called with the report so far, after every login.

    Raises:
        BackendError: the storage failed. What was done stays done.
    """
    lifecycle = lifecycle_of(tokens, "revoke")
    lifecycle.renewer.pending_saves.save(at_once=True)  # what waits here is meant, too
    job = _Job(lifecycle, owe=owe, dry_run=dry_run)
    with ThreadPoolExecutor(max(1, workers), thread_name_prefix="zoho-tokenstore-revoke") as pool:
        try:
            _revoke_all(job, pool, _chosen(job, which), workers * 2, on_progress)
        finally:
            pool.shutdown(cancel_futures=True)  # who interrupts it waits for the requests in progress alone
    if not dry_run:
        job.pay(which)
    return job.report


def _revoke_all(
    job: _Job,
    pool: ThreadPoolExecutor,
    records: Iterable[TokenRecord],
    most_pending: int,
    on_progress: OnProgress | None,
) -> None:
    pending: deque[Future[None]] = deque()
    for record in records:
        pending.append(pool.submit(job.revoke, record))
        while len(pending) > most_pending:
            _finish(pending, job.report, on_progress)
    while pending:
        _finish(pending, job.report, on_progress)


def _finish(pending: deque[Future[None]], report: RevocationReport, on_progress: OnProgress | None) -> None:
    pending.popleft().result()
    if on_progress is not None:
        on_progress(report)


class _Job:
    def __init__(self, lifecycle: Lifecycle, *, owe: bool, dry_run: bool) -> None:
        self.report: Final = RevocationReport()
        self.repository: Final[TokenRepository] = lifecycle.renewer.repository
        # The SDK's environment is that of this thread, not of the workers'.
        origin = lifecycle.origin()
        self._ending: Final = Ending(lifecycle.renewer, lambda: origin, _GIVES_UP_AFTER)
        self._owe = owe
        self._dry_run = dry_run
        self._lock = threading.Lock()

    def revoke(self, record: TokenRecord) -> None:
        with self._lock:
            self.report.matched += 1
        if self._dry_run:
            return
        try:
            done = self._ending.revoke(record.id or "", owes=self._owe)
        except TokenNotFoundError:  # another run has ended it
            done = Revoked.ALREADY_DEAD
        except _ONE_LOGINS_OWN as error:
            with self._lock:
                self.report.note(record.id or "", error)
            return
        with self._lock:
            self.report.revoked += done is Revoked.REVOKED
            self.report.already_dead += done is Revoked.ALREADY_DEAD
            self.report.owed += done is Revoked.OWED

    def pay(self, which: LoginFilter) -> None:
        """Pay what is owed of these logins, since this run or before."""
        paid = self._ending.pay_debts(which.matches)
        self.report.paid = paid.revoked + paid.already_dead
        self.report.owed = paid.owed
        if paid.reason is not None:
            self.report.reasons.setdefault("", paid.reason)


def _chosen(job: _Job, which: LoginFilter) -> Iterator[TokenRecord]:
    """Yield the logins that are meant; those that cannot be read are noted."""
    if which.token_ids is not None:
        yield from _by_id(job, which)
        return
    scan = job.repository.scan()
    for record in scan:
        if which.matches(record):
            yield record
    for row in scan.unreadable:
        job.report.note(row.id, row.reason)


def _by_id(job: _Job, which: LoginFilter) -> Iterator[TokenRecord]:
    for token_id in dict.fromkeys(which.token_ids or ()):
        try:
            record = job.repository.get(token_id)
        except TokenStoreError as error:
            job.report.note(token_id, error)
            continue
        if record is not None and which.matches(record):
            yield record
