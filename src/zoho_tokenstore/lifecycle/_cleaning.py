"""Clean-up: what nobody needs any more is removed, in a way that can be interrupted and repeated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.lifecycle._ending import Ending
from zoho_tokenstore.lifecycle._lifecycle import HasLifecycle, Lifecycle, lifecycle_of
from zoho_tokenstore.lifecycle._sessions import Limit, Sessions
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._lease_entry import KEPT_REJECTED

_BATCH: Final = 1000
"""After how many logins progress is reported, and owed revocations are paid."""


@dataclass(kw_only=True)
class CleanUpReport:
    """What a clean-up has removed, or would remove.

    Arguments:
        logins: how many logins were looked at.
        overdue: how many were over a limit of the session policy, and nobody has used or ended meanwhile.
        rejected: how many Zoho had rejected for long enough.
        nameless: how many had no user for long enough.
        failed: how many of these could not be removed; an event and a log line say why.
        unreadable: how many rows could not be read, and stay.
        revoked: how many owed revocations were paid: the logins were still alive.
        already_dead: how many of those Zoho did not know any more.
        owed: how many are still owed.
        owed_reason: why, for the first of them.
        retired_ids: how many ids of deleted logins were forgotten.
        audit_entries: how many entries of the audit trail were deleted.
    """

    logins: int = 0
    overdue: int = 0
    rejected: int = 0
    nameless: int = 0
    failed: int = 0
    unreadable: int = 0
    revoked: int = 0
    already_dead: int = 0
    owed: int = 0
    owed_reason: str | None = None
    retired_ids: int = 0
    audit_entries: int = 0

    @property
    def is_complete(self) -> bool:
        """Whether nothing is left to do."""
        return self.failed == 0 and self.owed == 0


def clean_up(
    tokens: HasLifecycle,
    *,
    rejected_for: timedelta | None = None,
    nameless_for: timedelta | None = None,
    retired_for: timedelta | None = None,
    audit_for: timedelta | None = None,
    dry_run: bool = False,
    on_progress: Callable[[CleanUpReport], object] | None = None,
) -> CleanUpReport:
    """End what is over a limit of the store's session policy, remove what is asked for, and pay what is owed.

    It may run beside live traffic and beside other clean-ups: a login that is used or renewed in the
    meantime stays. It may be interrupted at any moment; the next run continues.

    Arguments:
        tokens: the logins, opened with the session policy of the application.
        rejected_for: removes logins that Zoho has rejected for longer than this, at most 59 days: that is
            remembered for 60.
        nameless_for: removes logins without a user name that were last saved longer ago than this. Only for
            stores in which every login has a user.
        retired_for: forgets the ids of logins deleted longer ago than this; see
            `TokenRepository.prune_retired`.
        audit_for: deletes the entries of the store's audit trail that are older than this; the rest can
            still be verified.
        dry_run: only count.
        on_progress: called with the report so far, every thousand logins.

    Raises:
        ConfigurationError: a duration is of the wrong kind, negative or too long.
        BackendError: the storage failed. What was done stays done.
    """
    durations = {
        "rejected_for": rejected_for,
        "nameless_for": nameless_for,
        "retired_for": retired_for,
        "audit_for": audit_for,
    }
    for name, value in durations.items():
        if value is not None and (not isinstance(value, timedelta) or value < timedelta(0)):
            raise ConfigurationError(f"clean_up: {name} must be a timedelta, not negative.")
    if rejected_for is not None and rejected_for >= KEPT_REJECTED:
        raise ConfigurationError(
            f"clean_up: rejected_for must be less than {KEPT_REJECTED.days} days. A rejection is not "
            "remembered for longer, so nothing would ever be removed."
        )
    job = _Job(lifecycle_of(tokens, "clean_up"), rejected_for, nameless_for, dry_run=dry_run)
    report = job.report
    scan = job.repository.scan()
    for report.logins, record in enumerate(scan, 1):
        job.clean(record)
        if report.logins % _BATCH == 0:
            job.pay()
            if on_progress is not None:
                on_progress(report)
    report.unreadable = len(scan.unreadable)
    job.pay()
    if retired_for is not None:
        report.retired_ids = job.repository.prune_retired(retired_for, dry_run=dry_run)
    if audit_for is not None and job.repository.audit is not None:
        report.audit_entries = job.repository.audit.prune(audit_for, dry_run=dry_run)
    return report


class _Job:
    def __init__(
        self,
        lifecycle: Lifecycle,
        rejected_for: timedelta | None,
        nameless_for: timedelta | None,
        *,
        dry_run: bool,
    ) -> None:
        self.report: Final = CleanUpReport()
        self.repository: Final = lifecycle.renewer.repository
        self._lifecycle = lifecycle
        self._ending = Ending(lifecycle.renewer, lifecycle.origin, gives_up_after=1)
        self._rejected_ms = _ms(rejected_for)
        self._nameless_ms = _ms(nameless_for)
        self._dry_run = dry_run
        self._unpaid = True

    def clean(self, record: TokenRecord) -> None:
        """End or remove a login, if it is one of those."""
        now, sessions = self.repository.clock(), self._lifecycle.sessions
        limit = None if sessions is None else sessions.limits.passed(record, now)
        if sessions is not None and limit is not None:
            self._end(sessions, record, limit)
        elif self._is_rejected(record, now):
            self.report.rejected += self._removed(record, self._is_rejected)
        elif self._is_nameless(record, now):
            self.report.nameless += self._removed(record, self._is_nameless)

    def _end(self, sessions: Sessions, record: TokenRecord, limit: Limit) -> None:
        """End a login, and count it unless somebody has used or ended it meanwhile."""
        if self._dry_run:
            self.report.overdue += 1
            return
        has_ended = sessions.end(record, limit, pays=False)
        self.report.overdue += has_ended is not False
        self.report.failed += has_ended is None
        self._unpaid = True

    def pay(self) -> None:
        """Pay what is owed, once, and again when something has been added."""
        if not self._unpaid:
            return
        paid = self._ending.pay_debts(dry_run=self._dry_run)
        self.report.revoked += paid.revoked
        self.report.already_dead += paid.already_dead
        self.report.owed, self.report.owed_reason = paid.owed, paid.reason
        self._unpaid = False

    def _removed(self, record: TokenRecord, is_meant: Callable[[TokenRecord, int], bool]) -> bool:
        if self._dry_run:
            return True
        # Zoho may have refused the client, so that the login is alive; and so may be those it has replaced.
        is_gone = self._ending.remove_owing(
            record,
            lambda: self.repository.delete_if(
                record.id or "", lambda stored: is_meant(stored, self.repository.clock())
            ),
        )
        self._unpaid |= is_gone
        return is_gone

    def _is_rejected(self, record: TokenRecord, now_ms: int) -> bool:
        if self._rejected_ms is None or (record.expires_at_ms or 0) > now_ms:
            return False  # while its access token is good, nobody has asked
        failure = self._lifecycle.renewer.entry_of(record, self._lifecycle.origin()).failure
        return (
            failure is not None
            and failure.kind == "rejected"
            and now_ms - failure.since_ms >= self._rejected_ms
        )

    def _is_nameless(self, record: TokenRecord, now_ms: int) -> bool:
        if self._nameless_ms is None or record.user_name is not None:
            return False
        return record.updated_at_ms is not None and now_ms - record.updated_at_ms >= self._nameless_ms


def _ms(duration: timedelta | None) -> int | None:
    return None if duration is None else ms(duration)
