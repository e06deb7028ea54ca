"""A copy is reported in both stores: in the one that gave tokens away, and in the one that has them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from zoho_tokenstore._emitting import Emitter
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.audit import report, trail_of
from zoho_tokenstore.copying._endpoints import Endpoint, record_of
from zoho_tokenstore.copying._report import CopyReport
from zoho_tokenstore.events import EventKind, OnEvent
from zoho_tokenstore.records import Row

OnRemoved = Callable[[Row], None]


@contextlib.contextmanager
def reporting(
    source: Endpoint, destination: Endpoint, state: CopyReport, on_event: OnEvent | None, *, is_real: bool
) -> Iterator[OnRemoved]:
    """Report what the block copies, even if it does not come to its end, and each row that it removes."""
    ends = ((source, f"to {destination.backend.location}"), (destination, f"from {source.backend.location}"))
    trails = [trail_of(end.backend, end.signer, on_event=on_event) for end, _ in ends if is_real] or [
        None,
        None,
    ]
    there = Emitter(destination.backend.location, on_event, trails[1], destination.signer, now_ms)
    try:
        yield lambda row: there.emit(EventKind.DELETED, record_of(row), reason="its source deleted it")
    finally:
        copied = state.copied + state.overwritten
        for (end, where), trail in zip(ends, trails, strict=True):
            if copied:
                report(EventKind.COPIED, end.backend, trail, on_event, count=copied, reason=where)
