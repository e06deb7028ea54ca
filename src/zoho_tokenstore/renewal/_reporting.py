"""What is reported of renewals: by events, and in the log if somebody has to act, without repeating it."""

from __future__ import annotations

import logging
import time
from typing import Final

from zoho_tokenstore.audit._kinds import LOGIN
from zoho_tokenstore.errors import AccountsError, RateLimitedError, TokenStoreError
from zoho_tokenstore.events import EventKind, Tell
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._task import names_of

_log: Final = logging.getLogger("zoho_tokenstore")
_REPEAT_INTERVAL: Final = 60.0
"""Seconds for which the same failure of a token is not reported again, unless Zoho was asked."""

_MAX_NOTES: Final = 1000


class RenewalReporter:
    """Reports how renewals went; remembers which tokens failed, to report a recovery."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._failing: dict[str | None, tuple[str, float]] = {}

    def renewed(self, record: TokenRecord, *, seconds: float, waiters: int, is_login: bool = False) -> None:
        """Report a renewal that succeeded, or the exchange of a login."""
        reason = LOGIN if is_login else None
        self._tell(EventKind.RENEWED, record, reason=reason, seconds=seconds, waiters=waiters)
        self.recovered(record)

    def recovered(self, record: TokenRecord) -> None:
        """Report that a token which had failed is good again, whoever renewed it."""
        if self._failing.pop(_subject_of(record), None) is not None:
            self._tell(EventKind.RECOVERED, record)

    def failed(self, record: TokenRecord, error: TokenStoreError, *, has_sent: bool) -> None:
        """Report a renewal that failed.

        If it `has_sent`, Zoho was asked now, not only an earlier outcome repeated.
        """
        subject, kind = _subject_of(record), _kind_of(error)
        told, at = self._failing.get(subject, ("", 0.0))
        is_news = told != kind or time.monotonic() > at + _REPEAT_INTERVAL
        if is_news:
            if len(self._failing) >= _MAX_NOTES:
                self._failing.clear()
            self._failing[subject] = kind, time.monotonic()
            _log.warning("A token could not be renewed: %s", error)
        if has_sent and kind == "rejected":
            self._tell(EventKind.DENIED, record, reason=getattr(error, "error_code", None), error=error)
        if is_news or has_sent:
            self._tell(_EVENTS.get(kind, EventKind.RENEWAL_FAILED), record, reason=kind, error=error)


_EVENTS: Final = {"rejected": EventKind.LOGIN_NEEDED, "throttled": EventKind.THROTTLED}


def _subject_of(record: TokenRecord) -> str | None:
    """Return what failures are remembered by: a first login has no id, but its credential."""
    return record.id or next(iter(names_of(record)), record.user_name)


def _kind_of(error: TokenStoreError) -> str:
    if isinstance(error, RateLimitedError):
        return "throttled"
    return error.kind if isinstance(error, AccountsError) else "store"
