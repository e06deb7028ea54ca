"""`zoho-tokens copy`: from any store to any other."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from zoho_tokenstore.cli.shared import Progress, file_of, named_url, parse_keys, ring_of, told
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
_LONGEST_ID: Final = 40
_LONGEST_REASON: Final = 400
"""How many characters of ids and errors are shown; an id may be of any length."""

_SAID: Final = {
    Outcome.ELSEWHERE: (
        "These are in the rows that their owners have in the destination, under other ids: {}."
    ),
    Outcome.LEFT: "The destination has other rows in the place of these, and they stay: {}.",
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
    Outcome.SPOILT: "These did not come back as they were written: {}. The first: {reason}",
    Outcome.REFUSED: "The destination did not take these: {}. The first: {reason}",
    Outcome.UNREADABLE: "These were not copied, as they do not open with the source's keys: {}.",
    Outcome.LOCKED: (
        "These were not copied, as what the destination has in their place does not open with its keys: {}."
    ),
}


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
        typer.echo(f"{done.rows:,} rows in {source.backend.location}")
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
        typer.echo(
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
    if keys == _CLEAR:
        sealing: Any = Clear()
    else:
        sealing = sealing_for(None) if keys is None else Sealed(ring_of(keys))
    backend = open_backend(url)
    stack.callback(backend.close)
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
    typer.echo(f"{done.copied:,} {would}copied, {done.overwritten:,} {would}overwritten: {place}")
    if not done.rows:
        typer.echo("The source is empty. If that is a surprise, check its URL.", err=True)
    elif done.count(Outcome.EQUAL) == done.rows and done.source_digest == done.destination_digest:
        typer.echo(f"All {done.rows:,} are equal there (SHA-256 {done.source_digest[:16]})")
    else:
        typer.echo(f"{done.count(Outcome.EQUAL):,} of {done.rows:,} are equal there")
    if done.others:
        typer.echo(f"{done.others:,} rows there have other ids")


def _explain(done: Copying) -> None:
    for outcome, sentence in _SAID.items():
        tally = done.outcomes.get(outcome)
        if tally is not None:
            typer.echo(sentence.format(_some(tally), reason=tally.reason[:_LONGEST_REASON]), err=True)
    if done.late:
        typer.echo(
            f"The source goes on being written: the last time {done.late:,} rows had changed since they were "
            "copied. They were copied again; run this once more to see whether that was all.",
            err=True,
        )


def _some(tally: Tally) -> str:
    ids = [_shown(row_id) + (f" (there: {_shown(other)})" if other else "") for row_id, other in tally.ids]
    more = tally.count - len(ids)
    return ", ".join(ids) + (f" and {more:,} more" if more else "")


def _shown(row_id: str) -> str:
    """Return an id so that a terminal shows it, and obeys nothing in it."""
    short = row_id if len(row_id) <= _LONGEST_ID else f"{row_id[:_LONGEST_ID]}…"
    return short if short.isprintable() and short == short.strip() else repr(short)
