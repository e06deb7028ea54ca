"""Copies every token of one store to another, while both are in use."""

from __future__ import annotations

from typing import TYPE_CHECKING

from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore._util.urls import check_there
from zoho_tokenstore.copying._report import CopyReport, OnConflict, Outcome, Tally
from zoho_tokenstore.events import OnEvent

if TYPE_CHECKING:
    from zoho_tokenstore.copying._passes import OnProgress
    from zoho_tokenstore.sealing import KeysArg

__all__ = ["CopyReport", "OnConflict", "Outcome", "Tally", "copy"]


def copy(
    source: str,
    destination: str,
    *,
    source_keys: KeysArg | None = None,
    destination_keys: KeysArg | None = None,
    on_conflict: OnConflict = OnConflict.FAIL,
    dry_run: bool = False,
    on_progress: OnProgress = lambda _: None,
    on_event: OnEvent | None = None,
    clock: Clock = now_ms,
) -> CopyReport:
    """Copy every token with its id and its times, and compare all of them at the end.

    Run it again until `CopyReport.is_complete`. What it does, and what it leaves alone:
    docs/how-to/move-between-stores.md.

    Arguments:
        source: the URL of the store to copy from. Nothing is written there, except in its audit trail.
        destination: the URL of the store to copy to.
        source_keys, destination_keys: the sealing keys of each, as a store takes them; ``"clear"`` for a
            store without. By default those in ``ZOHO_TOKENSTORE_KEYS``, if it is set.
        on_conflict: which version stays if there are two. What is saved in the destination while
            this runs is only overwritten by what was saved later in the source.
        dry_run: write nothing, and report what would be done.
        on_progress: called after every row, with the same report each time.
        on_event: called with the event `copied` of each store, which is also in its audit trail.
        clock: the time in milliseconds since the epoch; for tests.

    Raises:
        ConfigurationError: a URL or key cannot be used, the source's file is not there, or both are the same
            store.
        SealingError: the rows of one are under other keys.
        BackendError: one of them failed. What was copied stays; run it again.
    """
    from zoho_tokenstore.copying._opening import open_endpoint, refuse_one_store
    from zoho_tokenstore.copying._passes import copy_rows

    check_there(source)
    with (  # the destination first: opening the source may change its form, perhaps for nothing
        open_endpoint(destination, destination_keys) as to,
        open_endpoint(source, source_keys) as from_,
    ):
        refuse_one_store(from_, to)
        return copy_rows(
            from_,
            to,
            on_conflict=on_conflict,
            dry_run=dry_run,
            on_progress=on_progress,
            on_event=on_event,
            clock=clock,
        )
