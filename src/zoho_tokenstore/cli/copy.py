"""`zoho-tokens copy`: from any store to any other."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zoho_tokenstore.cli.shared import Progress, file_of, named_url, parse_keys, ring_of, say, shown_id, told
from zoho_tokenstore.copying import Copying, OnConflict, Outcome, Side, Tally
from zoho_tokenstore.copying import copy as copy_rows
from zoho_tokenstore.crypto.sealing import Clear, Sealed, check_store, sealing_for
from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.errors import ConfigurationError, SealingError, TokenStoreError
from zoho_tokenstore.registry import open_backend

if TYPE_CHECKING:
    from zoho_tokenstore.backend import Backend

_CLEAR: Final = "clear"
_IN_A_PROCESS: Final = ("list", "memory")
_EMPTY: Final = "list://"
_LONGEST_REASON: Final = 400
"""How many characters of an error are shown."""

_EACH: Final = (Outcome.UNREADABLE, Outcome.LOCKED)
"""For which outcomes each row's reason is shown: they are a few words. Else that of the first."""

_SAID: Final = {
    Outcome.ELSEWHERE: (
        "These are in the rows that their owners have in the destination, under other ids: {}."
    ),
    Outcome.LEFT: "The destination has other rows in the place of these, and they stay: {}.",
    Outcome.DELETED: "These were deleted in the destination, and stay deleted: {}.",
    Outcome.REUSED: (
        "These were not copied: they are new logins under ids that were deleted in the destination, and a "
        "deleted id is never used again: {}. Let these users log in there."
    ),
    Outcome.CONFLICT: (
        "The destination has other versions of these, and was left as it is: {}. Say by --on-conflict which "
        "version stays, and run it again."
    ),
    Outcome.TAKEN: (
        "These were not copied, as their ids are those of other users in the destination: {}. Delete one of "
        "the two, or let these users log in there."
    ),
    Outcome.TWICE: (
        "The owners of these have a second, new row in the destination: {}. They logged in there while they "
        "were copied; delete the row that is not used."
    ),
    Outcome.SPOILT: "These did not come back as they were written: {}.",
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
    "The destination has, beside these, rows that cannot be read: {}. Nobody can tell whose they are: "
    "correct or delete them."
)
_OUTLIVED: Final = (
    "The source has deleted these ids before, and the destination has rows of them: {}. They may be the "
    "logins that were deleted there, or other users'. Delete those that are to go."
)


def parse_side_keys(text: str) -> str:
    """Return where the keys of a store are, or `clear` if it has none.

    Raises:
        typer.BadParameter: it is something else.
    """
    return text if text == _CLEAR else parse_keys(text)


def _url(name: str, metavar: str) -> Any:
    return typer.Argument(
        metavar=metavar, help=f"URL of the {name}, or env:NAME for the one in a variable.", show_default=False
    )


def _keys(option: str, owner: str) -> Any:
    return typer.Option(
        option,
        parser=parse_side_keys,
        metavar="PLACE",
        help=f"Keys of the {owner}: file:PATH or keyring:SERVICE; clear if it has none. [{VARIABLE}]",
        show_default=False,
    )


def copy(
    src: Annotated[str, _url("source", "SRC")],
    dst: Annotated[str, _url("destination", "DST")],
    src_keys: Annotated[str | None, _keys("--src-keys", "source")] = None,
    dst_keys: Annotated[str | None, _keys("--dst-keys", "destination")] = None,
    on_conflict: Annotated[
        OnConflict, typer.Option(help="Which version stays, if the destination has another one.")
    ] = OnConflict.FAIL,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Copy nothing; tell what would be done.")
    ] = False,
) -> None:
    """Copy all tokens to another store, while both are in use. Ends with 1 if it then lacks any."""
    with told(), contextlib.ExitStack() as stack:
        _refuse_to_unseal(src_keys, dst_keys)
        source_url = _source_url(src)
        url, place = _destination_url(dst, dry_run=dry_run)
        # First, as opening the source may change its form: not for nothing.
        destination = _side(stack, url, dst_keys, "--dst-keys")
        source = _side(stack, source_url, src_keys, "--src-keys")
        _refuse_one_store(source.backend, destination.backend)
        done = _copy(source, destination, on_conflict, dry_run=dry_run)
        say(f"{done.rows:,} rows in {source.backend.location}")
        _sum_up(done, place or destination.backend.location, dry_run=dry_run)
        _explain(done)
        if not done.is_complete:
            raise typer.Exit(1)


def _copy(source: Side, destination: Side, on_conflict: OnConflict, *, dry_run: bool) -> Copying:
    progress, now = Progress("rows"), Copying()

    def tell(state: Copying) -> None:
        nonlocal now
        now = state
        progress.tell(state.rows, f"{state.copied:,} copied" if state.passes == 1 else "compared")

    try:
        return copy_rows(source, destination, on_conflict=on_conflict, dry_run=dry_run, on_progress=tell)
    except TokenStoreError:
        say(
            f"Not finished. The {now.copied:,} rows that were copied stay; run it again to go on.",
            err=True,
        )
        raise
    finally:
        progress.end()


def _source_url(given: str) -> str:
    url = _named(given)
    path = file_of(url)
    if path is not None and not path.exists():
        raise ConfigurationError(f"There is no source: {path} does not exist. It was not created.")
    return url


def _destination_url(given: str, *, dry_run: bool) -> tuple[str, str]:
    """Return the URL to open, and what to call it if that is another one."""
    url = _named(given)
    path = file_of(url)
    if dry_run and path is not None and path.parent.is_dir() and not path.exists():
        return _EMPTY, f"{path} (not there yet)"  # opening it would create it
    return url, ""


def _named(given: str) -> str:
    """Return the URL that is given or named, if it is of a store that another process can open."""
    url = named_url(given)
    if url.partition("://")[0] in _IN_A_PROCESS:
        raise ConfigurationError(
            "A list or memory store is in one process, which this is not. Copy from or to another store."
        )
    return url


def _side(stack: contextlib.ExitStack, url: str, keys: str | None, option: str) -> Side:
    backend = open_backend(url)
    stack.callback(backend.close)
    if keys == _CLEAR:
        sealing: Any = Clear()
    else:
        sealing = sealing_for(None, backend.location) if keys is None else Sealed(ring_of(keys))
    try:
        check_store(backend, sealing)
    except SealingError as error:
        raise SealingError(
            f"{error} That is about {backend.location}; {option} says where its keys are, and {option} clear "
            "that it has none."
        ) from error
    return Side(backend, sealing)


def _refuse_to_unseal(src_keys: str | None, dst_keys: str | None) -> None:
    """Raise a `ConfigurationError` where a forgotten option would leave secrets in clear."""
    if src_keys not in (None, _CLEAR) and dst_keys is None and VARIABLE not in os.environ:
        raise ConfigurationError(
            "The source has keys, and the destination's are not given: its secrets would be in clear. "
            "Say where the keys are with --dst-keys; or --dst-keys clear, if that is what you want."
        )


def _refuse_one_store(source: Backend, destination: Backend) -> None:
    """Raise a `ConfigurationError` if both are one store.

    Two may look alike to people, as two schemas of one database do: then their rows tell.
    """
    if source.location != destination.location:
        return
    first, theirs = (next(iter(backend.scan(limit=1)), None) for backend in (source, destination))
    if first == theirs:
        raise ConfigurationError(f"The source and the destination are one store: {source.location}.")


def _sum_up(done: Copying, place: str, *, dry_run: bool) -> None:
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


def _explain(done: Copying) -> None:
    for outcome, sentence in _SAID.items():
        if outcome in done.outcomes:
            _tell(sentence, done.outcomes[outcome], each=outcome in _EACH)
    _tell(_DAMAGED, done.damaged, each=True)
    _tell(_OUTLIVED, done.outlived)
    if done.late:
        say(
            f"The source goes on being written: the last time {done.late:,} rows had changed since they were "
            "copied. They were copied again; run this once more to see whether that was all.",
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
