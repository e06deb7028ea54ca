"""A copy is reported in both stores: in the one that gave tokens away, and in the one that has them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from zoho_tokenstore.audit import report, trail_of
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._report import CopyReport
from zoho_tokenstore.events import EventKind, OnEvent


@contextlib.contextmanager
def reporting(
    source: Endpoint, destination: Endpoint, state: CopyReport, on_event: OnEvent | None, *, is_real: bool
) -> Iterator[None]:
    """Report what the block copies, even if it does not come to its end."""
    ends = ((source, f"to {destination.backend.location}"), (destination, f"from {source.backend.location}"))
    trails = [trail_of(end.backend, end.signer, on_event=on_event) for end, _ in ends if is_real]
    try:
        yield
    finally:
        copied = state.copied + state.overwritten
        for (end, where), trail in zip(ends, trails, strict=False):
            if copied:
                report(EventKind.COPIED, end.backend, trail, on_event, count=copied, reason=where)
