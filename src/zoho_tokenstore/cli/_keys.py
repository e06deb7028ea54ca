"""`zoho-tokens keys`: make keys, see what a store is sealed with, seal it, rotate its keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Final

import typer

from zoho_tokenstore.cli._group import Group
from zoho_tokenstore.cli._shared import KeysPlace, Progress, StoreURL, ring_of, say, store_url, told
from zoho_tokenstore.cli._texts import listed
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.sealing import _sources as sources
from zoho_tokenstore.sealing._sources import VARIABLE

if TYPE_CHECKING:
    from zoho_tokenstore.backend import Backend
    from zoho_tokenstore.sealing._keyset import Keyset
    from zoho_tokenstore.sealing._resealing import KeyUsage, ResealReport

keys = typer.Typer(cls=Group, no_args_is_help=True, help="The keys that secrets are sealed with.")

_EMPTY: Final = "The store is empty. If that is a surprise, check its URL."


@keys.command()
def generate(
    place: KeysPlace = None,
    standby: Annotated[
        bool, typer.Option("--standby", help="Put it last: it opens, and seals nothing yet.")
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print the key without storing it. It is a secret.")
    ] = False,
) -> None:
    """Make a new key, and put it before the others at its place."""
    with told():
        from zoho_tokenstore.cli import _key_places as key_places
        from zoho_tokenstore.sealing._keyset import Keyset

        where = sources.parse_location(place) if place else None
        if reveal == (where is not None):
            raise ConfigurationError(
                "Say where the key is to be kept (--keys file:PATH, --keys keyring:SERVICE), or ask to see "
                "it (--reveal)."
            )
        made = Keyset.generate()
        if where is None:
            typer.echo(made.to_text(), nl=False)
            return
        order = "last" if key_places.add(made, where, standby=standby) and standby else "first"
        say(f"Key {made.ids[0]} was made, and is {order} in {where}.")


@keys.command()
def status(
    url: StoreURL = None,
    place: KeysPlace = None,
    verify: Annotated[bool, typer.Option("--verify", help="Open every row; list those that fail.")] = False,
) -> None:
    """Show how many rows are under which key. Ends with 1 unless all can be read, and the keys open them."""
    with told():
        from zoho_tokenstore.sealing._resealing import count_by_key

        ring = ring_of(place) if place or os.environ.get(VARIABLE) else None
        if verify and ring is None:
            raise ConfigurationError(f"Opening rows needs keys: pass --keys, or set {VARIABLE}.")
        with closing(_open(url)) as backend:
            usage = count_by_key(backend, ring if verify else None)
        say(f"{usage.rows:,} rows{_besides(usage)} in {backend.location}")
        if not usage.rows:
            say(_EMPTY, err=True)
        unknown = _show(usage, ring.ids if ring else ())
        if unknown or usage.refused or usage.unreadable:
            raise typer.Exit(1)


@keys.command()
def seal(url: StoreURL = None, place: KeysPlace = None) -> None:
    """Seal all unsealed secrets of a store, in place, while it is in use."""
    _reseal(url, place, lambda ring: ring.accepting_clear())


@keys.command()
def rotate(url: StoreURL = None, place: KeysPlace = None) -> None:
    """Seal everything under the newest key, in place, while the store is in use."""
    _reseal(url, place, lambda ring: ring)


def _open(url: str | None) -> Backend:
    from zoho_tokenstore.registry import open_backend

    return open_backend(store_url(url))


def _reseal(url: str | None, place: str | None, prepare: Callable[[Keyset], Keyset]) -> None:
    with told():
        from zoho_tokenstore.sealing._resealing import reseal

        ring = prepare(ring_of(place))
        with closing(_open(url)) as backend, Progress("rows") as progress:
            done = reseal(
                backend, ring, on_progress=lambda now: progress.tell(now.rows, f"{now.sealed:,} resealed")
            )
        rows = f"{done.rows:,} rows{_besides(done)}"
        say(f"{rows}, {done.sealed:,} resealed under {ring.ids[0]}: {backend.location}")
        if not done.rows:
            say(_EMPTY, err=True)
        if not done.is_complete:
            _explain(done)
            raise typer.Exit(1)


def _besides(found: KeyUsage | ResealReport) -> str:
    return f" and {found.remembered:,} tokens to be revoked" if found.remembered else ""


def _explain(done: ResealReport) -> None:
    if done.pending:
        say(
            "Other processes still save under an older key, or unsealed. Give them the newest key, and "
            "run this again.",
            err=True,
        )
    if done.refused:
        say(f"These rows do not open, and were left as they are: {listed(sorted(done.refused))}", err=True)
    if done.unreadable:
        _tell_unread(sorted(done.unreadable))


def _show(usage: KeyUsage, ring: tuple[str, ...]) -> bool:
    """Print a line for each key; return whether rows are under one that is not in the ring."""
    unknown = sorted(usage.by_key.keys() - set(ring))
    notes = dict.fromkeys(unknown, "NOT in the ring" if ring else "")
    notes |= dict.fromkeys(ring, "in the ring") | dict.fromkeys(ring[:1], "newest")
    for key_id in (*ring, *unknown):
        say(f"  {key_id:8}  {notes[key_id]:15}  {usage.by_key[key_id]:,} rows")
    if usage.refused:
        say(f"These rows do not open: {listed(usage.refused)}", err=True)
    if usage.unreadable:
        _tell_unread(usage.unreadable)
    return bool(ring and unknown)


def _tell_unread(ids: list[str]) -> None:
    rows = "row was" if len(ids) == 1 else "rows were"
    say(
        f"{len(ids):,} {rows} not read: these are not readable rows, and were left as they are: "
        f"{listed(ids)}",
        err=True,
    )
