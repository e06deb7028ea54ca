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
"""For how many seconds the same failure of the same token is not logged again."""

_MOST: Final = 1000


class Reports:
    """Tells how renewals went; remembers which tokens failed, to tell that one has recovered."""

    def __init__(self, tell: Tell) -> None:
        self._tell = tell
        self._failing: dict[str | None, str] = {}
        self._logged: dict[tuple[str | None, str], float] = {}

    def renewed(self, record: TokenRecord, *, seconds: float, waiters: int) -> None:
        """Tell of a renewal that succeeded."""
        self._tell(EventKind.RENEWED, record, seconds=seconds, waiters=waiters)
        if self._failing.pop(record.id, None) is not None:
            self._tell(EventKind.RECOVERED, record)

    def failed(self, record: TokenRecord, error: TokenStoreError, *, waited: bool) -> None:
        """Tell of one that failed, or that was not tried (`waited`) because another one has."""
        kind = _kind_of(error)
        if waited and self._failing.get(record.id) == kind:
            return
        if len(self._failing) >= _MOST:
            self._failing.clear()
        self._failing[record.id] = kind
        self._tell(_EVENTS.get(kind, EventKind.RENEWAL_FAILED), record, reason=kind, error=error)
        self._log(record, error, kind)

    def _log(self, record: TokenRecord, error: TokenStoreError, kind: str) -> None:
        key, now = (record.id, kind), time.monotonic()
        if self._logged.get(key, -_QUIET) > now - _QUIET:
            return
        if len(self._logged) >= _MOST:
            self._logged.clear()
        self._logged[key] = now
        _log.warning("A token could not be renewed: %s", error)


_EVENTS: Final = {"rejected": EventKind.LOGIN_NEEDED, "throttled": EventKind.THROTTLED}


def _kind_of(error: TokenStoreError) -> str:
    if isinstance(error, RateLimitedError):
        return "throttled"
    return error.kind if isinstance(error, AccountsError) else "store"
