"""Copies tokens between stores, and says what was done: `copy`, `import` and `export` use it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Final

import typer

from zoho_tokenstore._util.os_errors import exists
from zoho_tokenstore._util.urls import file_of
from zoho_tokenstore.cli._shared import FAILED, Progress, ring_of, say, store_url
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.copying import CopyReport, OnConflict, Outcome, Tally
from zoho_tokenstore.copying._endpoints import Endpoint
from zoho_tokenstore.copying._opening import CLEAR, open_endpoint, refuse_one_store
from zoho_tokenstore.copying._passes import copy_rows
from zoho_tokenstore.errors import ConfigurationError, SealingError, TokenStoreError
from zoho_tokenstore.sealing._sources import VARIABLE

_EMPTY: Final = "list://"
_LONGEST_REASON: Final = 400
"""How many characters of an error are shown."""

_EACH: Final = (Outcome.UNREADABLE, Outcome.LOCKED)
"""For these outcomes each row's reason is shown: a few words. Otherwise only the first one's."""

_SAID: Final = {
    Outcome.ELSEWHERE: (
        "These are in the rows that their owners have in the destination, under other ids: {}."
    ),
    Outcome.KEPT_DESTINATION: "The destination has other rows instead of these, and they stay: {}.",
    Outcome.DELETED: "These were deleted in the destination, and stay deleted: {}.",
    Outcome.REUSED: (
        "These were not copied: they are new logins under ids that were deleted in the destination, and a "
        "deleted id is never used again: {}. Let these users log in there."
    ),
    Outcome.CONFLICT: (
        "The destination has other versions of these, and was left as it is: {}. Set --on-conflict to "
        "choose which stays, and run it again."
    ),
    Outcome.ID_IN_USE: (
        "These were not copied, as their ids are those of other users in the destination: {}. Delete one of "
        "the two, or let these users log in there."
    ),
    Outcome.DUPLICATE_OWNER: (
        "The owners of these have a second, new row in the destination: {}. They logged in there while they "
        "were copied; delete the row that is not used."
    ),
    Outcome.VERIFY_FAILED: "These did not come back as they were written: {}.",
    Outcome.REFUSED: "The destination did not take these: {}.",
    Outcome.UNREADABLE: (
        "These were not copied, as they cannot be read, or do not open with the source's keys: {}."
    ),
    Outcome.LOCKED: (
        "These were not copied, as what the destination has in their place cannot be read, or does not open "
        "with its keys: {}."
    ),
}


_DAMAGED: Final = (
    "The destination also has rows that cannot be read: {}. Whose they are is unknown: "
    "correct or delete them."
)
_OUTLIVED: Final = (
    "The source has deleted these ids before, and the destination has rows of them: {}. They may be the "
    "logins that were deleted there, or other users'. Delete those that should go."
)


def run(
    source_url: str,
    destination_url: str,
    source_keys: str | None,
    destination_keys: str | None,
    on_conflict: OnConflict,
    *,
    dry_run: bool,
    goes_on: bool = True,
) -> None:
    """Copy all tokens, and say what was done; `goes_on`: another run continues one that failed."""
    with contextlib.ExitStack() as stack:
        if not (source_url and destination_url):
            raise ConfigurationError("A store's URL is empty. Name the source, then the destination.")
        _refuse_to_unseal(source_keys, destination_keys)
        from_url = store_url(source_url)
        to_url, place = url_to_fill(destination_url, dry_run=dry_run)
        # First, as opening the source may change its form, perhaps for nothing.
        destination = stack.enter_context(_endpoint(to_url, destination_keys, "--dst-keys"))
        source = stack.enter_context(_endpoint(from_url, source_keys, "--src-keys"))
        refuse_one_store(source, destination)
        if not copy_between(source, destination, on_conflict, to=place, dry_run=dry_run, goes_on=goes_on):
            raise typer.Exit(FAILED)


def copy_between(
    source: Endpoint,
    destination: Endpoint,
    on_conflict: OnConflict,
    *,
    from_: str = "",
    to: str = "",
    dry_run: bool,
    goes_on: bool = True,
) -> bool:
    """Copy all tokens from one open store to another, say what was done, and return whether that is all.

    `from_` and `to` are what to call the two, if not by their locations; `goes_on` as in `run`.
    """
    done = _copy(source, destination, on_conflict, dry_run=dry_run, goes_on=goes_on)
    say(f"{done.rows:,} rows in {from_ or source.backend.location}")
    _sum_up(done, to or destination.backend.location, dry_run=dry_run)
    _explain(done)
    return done.is_complete


def _copy(
    source: Endpoint, destination: Endpoint, on_conflict: OnConflict, *, dry_run: bool, goes_on: bool
) -> CopyReport:
    now = CopyReport()

    def tell(state: CopyReport) -> None:
        nonlocal now
        now = state
        progress.tell(state.rows, f"{state.copied:,} copied" if state.passes == 1 else "compared")

    try:
        with Progress("rows") as progress:
            return copy_rows(source, destination, on_conflict=on_conflict, dry_run=dry_run, on_progress=tell)
    except TokenStoreError:
        if goes_on:
            say(
                f"Not finished. The {now.copied:,} rows that were copied stay; run it again to continue.",
                err=True,
            )
        raise


def url_to_fill(given: str | None, *, dry_run: bool) -> tuple[str, str]:
    """Return the URL to open for what an option says, and what to call it if that differs."""
    url = store_url(given, may_create=True)
    path = file_of(url)
    if dry_run and path is not None and not exists(path) and path.parent.is_dir():
        return _EMPTY, f"{path} (not there yet)"  # opening it would create it
    return url, ""


@contextlib.contextmanager
def _endpoint(url: str, keys: str | None, option: str) -> Iterator[Endpoint]:
    with contextlib.ExitStack() as stack:
        try:
            endpoint = stack.enter_context(
                open_endpoint(url, keys if keys in (None, CLEAR) else ring_of(keys))
            )
        except SealingError as error:
            raise SealingError(
                f"{error} That is about {file_of(url) or url}; {option} says where its keys are, and "
                f"{option} clear that it has none."
            ) from error
        yield endpoint


def _refuse_to_unseal(src_keys: str | None, dst_keys: str | None) -> None:
    """Raise a `ConfigurationError` if a forgotten option would leave secrets unsealed."""
    if src_keys not in (None, CLEAR) and dst_keys is None and VARIABLE not in os.environ:
        raise ConfigurationError(
            "The source has keys, and the destination's are not given: its secrets would be unsealed. "
            "Say where the keys are with --dst-keys; or --dst-keys clear, if that is what you want."
        )


def _sum_up(done: CopyReport, place: str, *, dry_run: bool) -> None:
    would = "would be " if dry_run else ""
    say(f"{done.copied:,} {would}copied, {done.overwritten:,} {would}overwritten: {place}")
    if not done.rows:
        say("The source is empty. If that is a surprise, check its URL.", err=True)
    elif done.count(Outcome.EQUAL) == done.rows and done.source_digest == done.destination_digest:
        say(f"All {done.rows:,} are equal there (SHA-256 {done.source_digest[:16]})")
    else:
        say(f"{done.count(Outcome.EQUAL):,} of {done.rows:,} are equal there")
    if done.retired:
        noted = "would be noted" if dry_run else "are now noted"
        say(f"{done.retired:,} ids of tokens that the source has deleted {noted} as deleted there")
    if done.removed:
        say(f"{done.removed:,} rows were deleted there, as the source deleted them meanwhile")
    if done.others:
        say(f"{done.others:,} rows there have other ids")


def _explain(done: CopyReport) -> None:
    for outcome, sentence in _SAID.items():
        if outcome in done.outcomes:
            _tell(sentence, done.outcomes[outcome], each=outcome in _EACH)
    _tell(_DAMAGED, done.damaged, each=True)
    _tell(_OUTLIVED, done.outlived)
    if done.pending:
        say(
            f"The source is still being written to: in the last pass, {done.pending:,} rows had changed "
            "since they were copied. They were copied again; run this once more to see whether that was all.",
            err=True,
        )


def _tell(sentence: str, tally: Tally, *, each: bool = False) -> None:
    if tally.count:
        first = f" The first: {tally.reason[:_LONGEST_REASON]}" if tally.reason and not each else ""
        say(sentence.format(_some(tally, tally.reasons if each else {})) + first, err=True)


def _some(tally: Tally, reasons: Mapping[str, str]) -> str:
    notes = (
        (row_id, reasons.get(row_id) or (there and f"there: {shown_id(there)}"))
        for row_id, there in tally.ids
    )
    shown = [shown_id(row_id) + (f" ({note[:_LONGEST_REASON]})" if note else "") for row_id, note in notes]
    more = tally.count - len(shown)
    return ", ".join(shown) + (f" and {more:,} more" if more else "")
