"""What a store tells about itself while it works."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

from zoho_tokenstore.records import TokenRecord, UnreadableRow

_log = logging.getLogger("zoho_tokenstore")


class EventKind(StrEnum):
    """What happened."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    CLEARED = "cleared"
    NOT_MATCHED = "not_matched"
    SAVE_FAILED = "save_failed"
    SAVED_LATE = "saved_late"
    RENEWAL_STARTED = "renewal_started"
    RENEWED = "renewed"
    RENEWAL_FAILED = "renewal_failed"
    LOGIN_NEEDED = "login_needed"
    THROTTLED = "throttled"
    RECOVERED = "recovered"
    CLOCK_SKEW = "clock_skew"
    FENCED = "fenced"
    ROW_UNREADABLE = "row_unreadable"
    SAVE_REFUSED = "save_refused"


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened in a store. It carries no secret.

    `reason` says in a few words why, where there is something to say; `error` is the exception
    of a failure; `count` is the number of rows concerned. A renewal tells in `seconds` how long it
    took, and in `waiters` how many callers of this process it has served.
    """

    kind: EventKind
    location: str
    at_ms: int
    token_id: str | None = None
    user_name: str | None = None
    client_id: str | None = None
    reason: str | None = None
    count: int = 1
    error: Exception | None = None
    seconds: float | None = None
    waiters: int | None = None


_MOST_ROWS_LOGGED = 20


class UnreadableLog:
    """Logs the rows of a store that cannot be read: each once, and the first ones only."""

    def __init__(self) -> None:
        self._logged: set[str] = set()

    def note(self, location: str, row: UnreadableRow) -> None:
        """Log a row that was left out."""
        if row.id in self._logged or len(self._logged) > _MOST_ROWS_LOGGED:
            return
        self._logged.add(row.id)
        if len(self._logged) > _MOST_ROWS_LOGGED:
            _log.warning("More rows in %s cannot be read; only the first ones are logged.", location)
        else:
            _log.warning("Row %r in %s cannot be read, and is left out: %s.", row.id, location, row.reason)


LOGGED: Final = frozenset({EventKind.SAVE_FAILED, EventKind.SAVE_REFUSED})
"""What is logged, whether or not anybody observes the store."""

OnEvent = Callable[[Event], object]
"""A function that is called with every event, in the thread in which it happened."""


class Tell(Protocol):
    """Tells the observer of something that happened to `record`."""

    def __call__(
        self,
        kind: EventKind,
        record: TokenRecord,
        *,
        reason: str | None = None,
        count: int = 1,
        error: Exception | None = None,
        seconds: float | None = None,
        waiters: int | None = None,
    ) -> None: ...


def emit(on_event: OnEvent | None, event: Event) -> None:
    """Log a save that failed or was refused, and call the observer.

    A failed save is logged at error level because the SDK (6, 7 and 8) drops the exception of
    `save_token` after the one-time code has been spent. What the observer raises is logged, not
    passed on: the token is stored by then.
    """
    if event.kind is EventKind.SAVE_FAILED:
        _log.error("A token could not be saved in %s: %s", event.location, event.error)
    elif event.kind is EventKind.SAVE_REFUSED:
        _log.warning("A token was not saved in %s: %s", event.location, event.error or event.reason)
    if on_event is None:
        return
    try:
        on_event(event)
    except Exception:  # noqa: BLE001  # somebody else's code
        _log.exception("The on_event observer failed on a %s event.", event.kind)
