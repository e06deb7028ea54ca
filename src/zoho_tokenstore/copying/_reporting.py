"""A copy is reported in both stores: in the one that gave tokens away, and in the one that has them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from zoho_tokenstore.audit import emitter_of
from zoho_tokenstore.copying._endpoints import Endpoint, record_of
from zoho_tokenstore.copying._report import CopyReport
from zoho_tokenstore.events import EventKind, OnEvent
from zoho_tokenstore.records import Row, TokenRecord

OnRemoved = Callable[[Row], None]


@contextlib.contextmanager
def reporting(
    source: Endpoint, destination: Endpoint, state: CopyReport, on_event: OnEvent | None, *, is_real: bool
) -> Iterator[OnRemoved]:
    """Report what the block copies, even if it does not come to its end, and each row that it removes."""
    if not is_real:
        yield lambda _: None
        return
    there, here = (emitter_of(end.backend, end.signer, on_event) for end in (destination, source))
    try:
        yield lambda row: there.emit(EventKind.DELETED, record_of(row), reason="its source deleted it")
    finally:
        copied = state.copied + state.overwritten
        places = ((here, f"to {destination.backend.location}"), (there, f"from {source.backend.location}"))
        for emitter, reason in places if copied else ():
            emitter.emit(EventKind.COPIED, TokenRecord(), count=copied, reason=reason)
