"""Which events become entries of an audit trail."""

from __future__ import annotations

from typing import Final

from zoho_tokenstore.events import Event, EventKind

_NOT_AUDITED: Final = frozenset(
    {
        EventKind.CREATED,  # as `logged_in`
        EventKind.UPDATED,  # as `renewed` or `replaced`
        EventKind.NOT_MATCHED,
        EventKind.SAVE_FAILED,
        EventKind.SAVED_LATE,
        EventKind.SAVE_REFUSED,
        EventKind.RENEWAL_FAILED,
        EventKind.LOGIN_NEEDED,  # as `denied`
        EventKind.THROTTLED,
        EventKind.RECOVERED,
        EventKind.CLOCK_SKEW,
        EventKind.FENCED,
        EventKind.ROW_UNREADABLE,
        EventKind.USE_NOT_RECORDED,
        EventKind.AUDIT_FAILED,  # nothing could be written
    }
)

LOGIN: Final = "login"
"""The reason of a `renewed` event that reports the first token of a login."""


def is_audited(kind: EventKind) -> bool:
    """Return whether events of a kind may be entries. A kind that nobody thought of here is."""
    return kind not in _NOT_AUDITED


def is_entry(event: Event) -> bool:
    """Return whether an event becomes an entry."""
    if event.kind is EventKind.RENEWED:
        return event.reason != LOGIN  # which `logged_in` or `replaced` reports
    if event.kind is EventKind.RENEWAL_STARTED:
        return event.token_id is not None  # the credentials of a stored login are used
    if event.kind is EventKind.LOGIN_EXPIRED and event.error is not None:
        return False  # it could not be removed yet, and is still there
    return is_audited(event.kind)
