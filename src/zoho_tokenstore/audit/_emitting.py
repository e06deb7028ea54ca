"""What happens in a store is reported: to its observer, and in its audit trail."""

from __future__ import annotations

from typing import Unpack

from zoho_tokenstore._util.clock import Clock
from zoho_tokenstore.audit._kinds import is_audited
from zoho_tokenstore.audit._signing import Signer, login_digest
from zoho_tokenstore.audit._trail import AuditTrail
from zoho_tokenstore.events import (
    LOGGED,
    Event,
    EventDetails,
    EventKind,
    OnEvent,
    UnreadableLog,
    current_actor,
    emit,
)
from zoho_tokenstore.records import TokenRecord, UnreadableRow


class EmitDetails(EventDetails, total=False):
    """What may be said of an event; `former` is the login that this one replaces."""

    former: TokenRecord | None


class Emitter:
    """Makes events of what happened, and passes them on."""

    def __init__(
        self, location: str, on_event: OnEvent | None, trail: AuditTrail | None, signer: Signer, clock: Clock
    ) -> None:
        self._location = location
        self._on_event = on_event
        self._trail = trail
        self._signer = signer
        self._clock = clock
        self._unreadable_log = UnreadableLog()

    def emit(
        self,
        kind: EventKind,
        record: TokenRecord,
        *,
        former: TokenRecord | None = None,
        **details: Unpack[EventDetails],
    ) -> None:
        """Report something that happened to `record`, first in the audit trail."""
        is_unheard = self._trail is None or not is_audited(kind)
        if self._on_event is None and is_unheard and kind not in LOGGED:
            return
        event = Event(
            kind=kind,
            location=self._location,
            at_ms=self._clock(),
            token_id=record.id,
            user_name=record.user_name,
            client_id=record.client_id,
            actor=current_actor(),
            login=login_digest(self._signer, record) if is_audited(kind) else None,
            former_login=login_digest(self._signer, former),
            **details,
        )
        if self._trail is not None:
            self._trail.record(event)
        emit(self._on_event, event)

    def unreadable(self, row: UnreadableRow) -> None:
        """Report and log a row that was left out."""
        self._unreadable_log.note(self._location, row)
        # Not checked: the id may not be a string that a storage can keep.
        self.emit(EventKind.ROW_UNREADABLE, TokenRecord().changed(id=row.id), reason=row.reason)
