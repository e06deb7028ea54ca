"""The audit trail of a store: who did what to which login, when, in entries that are chained by hashes."""

from __future__ import annotations

from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore.audit._chain import AuditReport
from zoho_tokenstore.audit._emitting import Emitter
from zoho_tokenstore.audit._entries import AuditEntry
from zoho_tokenstore.audit._signing import Signer
from zoho_tokenstore.audit._trail import AuditTrail
from zoho_tokenstore.backend import Backend, SupportsAudit
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.events import OnEvent

__all__ = ["AuditEntry", "AuditReport", "AuditTrail"]


def trail_of(
    backend: Backend,
    signer: Signer,
    wanted: bool | None = None,
    *,
    on_event: OnEvent | None = None,
    clock: Clock = now_ms,
) -> AuditTrail | None:
    """Return the audit trail of a storage, if it has one.

    Arguments:
        backend: the storage.
        signer: the keys that authenticate it.
        wanted: `True` begins a trail if there is none, and `False` looks for none.
        on_event: called when an entry could not be written.
        clock: the time in milliseconds since the epoch.

    Raises:
        ConfigurationError: one is wanted, and the storage cannot keep one.
        BackendError: the storage failed.
    """
    if not isinstance(backend, SupportsAudit):
        if wanted:
            raise ConfigurationError(
                f"{backend.location} cannot keep an audit trail; SQLite and SQL databases can. "
                "Leave out audit=, and keep the events elsewhere, with on_event=."
            )
        return None
    if wanted is False:
        return None
    trail = AuditTrail(backend.audit, backend.location, signer, on_event=on_event, clock=clock)
    if wanted:
        trail.start()
    return trail if wanted or backend.audit.last() is not None else None


def emitter_of(backend: Backend, signer: Signer, on_event: OnEvent | None) -> Emitter:
    """Return what reports a job over a whole storage, also in its audit trail if it has begun one."""
    trail = trail_of(backend, signer, on_event=on_event)
    return Emitter(backend.location, on_event, trail, signer, now_ms)
