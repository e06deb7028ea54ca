"""What is told of renewals: by events, and in the log where somebody has to act, without end for nobody."""

from __future__ import annotations

import logging
import time
from typing import Final

from zoho_tokenstore.errors import AccountsError, RateLimitedError, TokenStoreError
from zoho_tokenstore.events import EventKind, Tell
from zoho_tokenstore.records import TokenRecord

_log: Final = logging.getLogger("zoho_tokenstore")
_QUIET: Final = 60.0
"""For how many seconds the same failure of the same token is not told again, unless Zoho was asked."""

_MOST: Final = 1000


class Reports:
    """Tells how renewals went; remembers which tokens failed, to tell that one has recovered."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._failing: dict[str | None, tuple[str, float]] = {}

    def renewed(self, record: TokenRecord, *, seconds: float, waiters: int) -> None:
        """Tell of a renewal that succeeded."""
        self._tell(EventKind.RENEWED, record, seconds=seconds, waiters=waiters)
        self.recovered(record)

    def recovered(self, record: TokenRecord) -> None:
        """Tell that a token which had failed is good again, whoever has renewed it."""
        if self._failing.pop(record.id, None) is not None:
            self._tell(EventKind.RECOVERED, record)

    def failed(self, record: TokenRecord, error: TokenStoreError, *, has_sent: bool) -> None:
        """Tell of a renewal that failed.

        Arguments:
            record: the token.
            error: what its callers are told.
            has_sent: Zoho was asked, and not only what had come of that before.
        """
        kind = _kind_of(error)
        told, at = self._failing.get(record.id, ("", 0.0))
        is_news = told != kind or time.monotonic() > at + _QUIET
        if is_news:
            if len(self._failing) >= _MOST:
                self._failing.clear()
            self._failing[record.id] = kind, time.monotonic()
            _log.warning("A token could not be renewed: %s", error)
        if is_news or has_sent:
            self._tell(_EVENTS.get(kind, EventKind.RENEWAL_FAILED), record, reason=kind, error=error)


_EVENTS: Final = {"rejected": EventKind.LOGIN_NEEDED, "throttled": EventKind.THROTTLED}


def _kind_of(error: TokenStoreError) -> str:
    if isinstance(error, RateLimitedError):
        return "throttled"
    return error.kind if isinstance(error, AccountsError) else "store"
