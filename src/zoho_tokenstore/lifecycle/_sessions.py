"""Session limits: which login is overdue, and what happens to it; docs/how-to/limit-sessions.md."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import partial
from typing import Final, Literal

from zoho_tokenstore._policies import SessionPolicy
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore._util.errands import Errands
from zoho_tokenstore.errors import LoginExpiredError, TokenStoreError
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.lifecycle._ending import Ending
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin

_log: Final = logging.getLogger("zoho_tokenstore")

Limit = Literal["idle", "absolute", "per_user"]

_LONGEST_INTERVAL_MS: Final = 3_600_000
_PAUSE_AFTER_FAILURE_S: Final = 60.0
_NEVER: Final = 2**63

_SENTENCES: Final = {
    "idle": "The login was not used for longer than is allowed, and has ended. Log in again.",
    "absolute": "The login has lasted as long as is allowed, and has ended. Log in again.",
}


class Limits:
    """A session policy as whole milliseconds: pure functions of a record and a time."""

    def __init__(self, policy: SessionPolicy) -> None:
        self.idle_ms = _NEVER if policy.idle is None else ms(policy.idle)
        self.absolute_ms = _NEVER if policy.absolute is None else ms(policy.absolute)
        self.interval_ms = _NEVER if policy.idle is None else min(self.idle_ms // 5, _LONGEST_INTERVAL_MS)

    def passed(self, record: TokenRecord, now_ms: int) -> Limit | None:
        """Return the limit that a login is over, if any.

        A login that another program has stored, and whose times nobody knows, is over none.
        """
        if record.created_at_ms is not None and now_ms - record.created_at_ms >= self.absolute_ms:
            return "absolute"
        used_ms = used_at_ms(record)
        return "idle" if used_ms is not None and now_ms - used_ms >= self.idle_ms else None


def used_at_ms(record: TokenRecord) -> int | None:
    """Return when a login was last used, as far as that is recorded: a renewal is a use."""
    used, saved = record.last_used_at_ms, record.updated_at_ms
    return saved if used is None else used if saved is None else max(used, saved)


def _age_key(record: TokenRecord) -> tuple[int, str]:
    """Sort logins by when they began, and those of one moment by their ids."""
    return record.created_at_ms or 0, record.id or ""


class Sessions:
    """The session limits of a store: what each look-up asks before it hands out a login.

    If the renewer's policy allows no threads, what would be done beside a look-up is done in it.
    """

    def __init__(self, policy: SessionPolicy, renewer: Renewer, origin: Callable[[], Origin]) -> None:
        self.limits: Final = Limits(policy)
        self._policy = policy
        self._renewer = renewer
        self._origin = origin
        self._ending = Ending(renewer, origin)
        self._repository = renewer.repository
        self._errands = Errands() if renewer.policy.background else None
        self._not_before = 0.0

    def admit(self, record: TokenRecord, now_ms: int) -> None:
        """Let a login pass, and record its use if that is due; or end it, and raise a `LoginExpiredError`."""
        limits, used_ms, began_ms = self.limits, record.last_used_at_ms or 0, record.created_at_ms or now_ms
        if (record.updated_at_ms or 0) > used_ms:
            used_ms = record.updated_at_ms or 0
        if now_ms - used_ms < limits.interval_ms and now_ms - began_ms < limits.absolute_ms:
            return  # before nearly every API call
        limit = limits.passed(record, now_ms)
        if limit is not None:
            self.end(record, limit)
            raise LoginExpiredError(_SENTENCES[limit], limit=limit)
        if time.monotonic() >= self._not_before:
            self._do(record.id, lambda: self._record_use(record))

    def is_overdue(self, record: TokenRecord) -> bool:
        """Return whether a login is over a limit."""
        return self.limits.passed(record, self._repository.clock()) is not None

    def began(self, record: TokenRecord) -> None:
        """End the oldest logins of a user who has just logged in once more than is allowed."""
        if self._policy.per_user is None or record.user_name is None:
            return
        try:
            others = [login for login in self._repository.of_user(record.user_name) if login.id != record.id]
        except TokenStoreError as error:
            self._report(record, "per_user", error)
            return
        # Only those that began before: of two that log in at once, one would end the other, and be ended.
        older = sorted((login for login in others if _age_key(login) < _age_key(record)), key=_age_key)
        for login in older[: max(0, len(others) + 1 - self._policy.per_user)]:
            self.end(login, "per_user")

    def end(self, record: TokenRecord, limit: Limit, *, pays: bool = True) -> bool | None:
        """End a login if it is still over the limit.

        Return whether it has ended; `None` if the storage failed, which is an event. If it `pays`, what is
        owed to Zoho then is paid beside the caller.
        """
        remove = partial(self._remove, record, limit)
        try:
            if not (self._ending.remove_owing(record, remove) if self._policy.revoke else remove()):
                return False
        except TokenStoreError as error:
            self._report(record, limit, error)
            return None
        self._report(record, limit)
        if self._policy.revoke and pays:
            self._do("debts", partial(self._pay, self._origin()))  # the SDK's is that of this thread
        return True

    def wait(self, seconds: float) -> None:
        """Wait until what is done beside look-ups is done, for at most this many seconds."""
        if self._errands is not None:
            self._errands.wait(seconds)

    def _remove(self, record: TokenRecord, limit: Limit) -> bool:
        if limit == "per_user":
            return self._ending.remove(record)
        return self._repository.delete_if(record.id or "", self.is_overdue)

    def _report(self, record: TokenRecord, limit: Limit, error: TokenStoreError | None = None) -> None:
        self._repository.emit(EventKind.LOGIN_EXPIRED, record, reason=limit, error=error)
        if error is not None:
            _log.warning("The login %r is over its limit, and could not be removed: %s", record.id, error)

    def _record_use(self, record: TokenRecord) -> None:
        try:
            self._repository.record_use(record.id or "")
        except TokenStoreError as error:  # the login is good, and the caller has it
            self._not_before = time.monotonic() + _PAUSE_AFTER_FAILURE_S
            self._repository.emit(EventKind.USE_NOT_RECORDED, record, error=error)
            _log.warning("The use of a login could not be recorded, and is tried again later: %s", error)

    def _pay(self, origin: Origin) -> None:
        try:
            paid = Ending(self._renewer, lambda: origin, gives_up_after=1).pay_debts()
        except TokenStoreError as error:
            _log.warning("Revocations are owed, and could not be read: %s", error)
        else:
            if paid.owed:
                _log.warning("%d revocations are still owed to Zoho: %s", paid.owed, paid.reason)

    def _do(self, key: object, job: Callable[[], None]) -> None:
        if self._errands is None:  # threads freeze here: another moment may never come
            job()
        else:
            self._errands.leave(key, job)
