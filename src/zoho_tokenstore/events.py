"""What a store reports about its work."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final, Protocol, TypedDict, Unpack

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import TokenRecord, UnreadableRow

__all__ = ["Event", "EventKind", "OnEvent", "on_behalf_of"]

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
    LOGIN_EXPIRED = "login_expired"
    USE_NOT_RECORDED = "use_not_recorded"
    REVOKED = "revoked"
    REVOCATION_OWED = "revocation_owed"
    LOGGED_IN = "logged_in"
    REPLACED = "replaced"
    DENIED = "denied"
    SEALED = "sealed"
    COPIED = "copied"
    AUDIT_STARTED = "audit_started"
    AUDIT_PRUNED = "audit_pruned"
    AUDIT_FAILED = "audit_failed"


_MAX_ACTOR_LENGTH: Final = 200
_actor: ContextVar[str | None] = ContextVar("zoho_tokenstore_actor", default=None)


@contextmanager
def on_behalf_of(actor: str) -> Iterator[None]:
    """Say for whom the block acts: every `Event` and every entry of an audit trail then names the actor.

    It holds for this thread or asyncio task, for what they start in the store's own threads, and, in a
    task, for tasks created in the block. An inner block takes the place of an outer one until it ends.

    Arguments:
        actor: a name of the application's choice, such as ``"rajesh@zylker.example"``; at most 200
            characters. It is stored as it is: no secret.

    Raises:
        ConfigurationError: it is not such a string.
    """
    if not isinstance(actor, str) or not 0 < len(actor) <= _MAX_ACTOR_LENGTH:
        raise ConfigurationError(f"An actor is a string of 1 to {_MAX_ACTOR_LENGTH} characters.")
    token = _actor.set(actor)
    try:
        yield
    finally:
        _actor.reset(token)


def current_actor() -> str | None:
    """Return who acts in this context, if that was said."""
    return _actor.get()


@dataclass(frozen=True, kw_only=True)
class Event:
    """One thing that happened in a store. It carries no secret.

    `reason` says in a few words why, if there is something to say; `error` is the exception
    of a failure; `count` is the number of rows concerned. A renewal reports in `seconds` how long it
    took, and in `waiters` how many callers in this process it served. `actor` is who acts, as said with
    `on_behalf_of`. `login` is a digest that tells the logins of one user apart, and `former_login` that of
    the login that was replaced.
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
    actor: str | None = None
    login: str | None = None
    former_login: str | None = None


_MOST_ROWS_LOGGED = 20


class UnreadableLog:
    """Logs the rows of a store that cannot be read: each once, and only the first few."""

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


LOGGED: Final = frozenset({EventKind.SAVE_FAILED, EventKind.SAVE_REFUSED, EventKind.AUDIT_FAILED})
"""What is logged, whether or not anybody observes the store."""

OnEvent = Callable[[Event], object]
"""A function that is called with every event, in the thread in which it happened."""


OBSERVER: Final = "a function that takes an Event (not an async def), or None"


def is_observer(value: Any) -> bool:
    """Return whether events can be passed to it; nobody would await a coroutine."""
    from inspect import iscoroutinefunction  # only where somebody observes

    if value is None:
        return True
    return callable(value) and not any(map(iscoroutinefunction, (value, type(value).__call__)))


class EventDetails(TypedDict, total=False):
    """What an event may say in addition."""

    reason: str | None
    count: int
    error: Exception | None
    seconds: float | None
    waiters: int | None


class Tell(Protocol):
    """Reports something that happened to `record`; `former` is the login that it replaced."""

    def __call__(
        self,
        kind: EventKind,
        record: TokenRecord,
        *,
        former: TokenRecord | None = None,
        **details: Unpack[EventDetails],
    ) -> None: ...


def emit(on_event: OnEvent | None, event: Event) -> None:
    """Log a save or an entry of the audit trail that failed, a save that was refused, and call the observer.

    A failed save is logged at error level because the SDK (6, 7 and 8) drops the exception of
    `save_token` after the one-time code has been used. What the observer raises is logged, not
    passed on: the token is stored by then.
    """
    if event.kind is EventKind.SAVE_FAILED:
        _log.error("A token could not be saved in %s: %s", event.location, event.error)
    elif event.kind is EventKind.SAVE_REFUSED:
        _log.warning("A token was not saved in %s: %s", event.location, event.error or event.reason)
    elif event.kind is EventKind.AUDIT_FAILED:
        _log.error(
            "%s could not be added to the audit trail of %s: %s", event.reason, event.location, event.error
        )
    if on_event is None:
        return
    try:
        on_event(event)
    except Exception:  # noqa: BLE001  # somebody else's code
        _log.exception("The on_event observer failed on a %s event.", event.kind)
