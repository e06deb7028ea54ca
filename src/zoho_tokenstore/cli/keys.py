"""`zoho-tokens keys`: make keys, see what a store is sealed with, seal it, rotate its keys."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Final

import typer

from zoho_tokenstore.cli import key_places
from zoho_tokenstore.cli.shared import (
    KeysPlace,
    Progress,
    StoreURL,
    file_of,
    listed,
    named_url,
    ring_of,
    say,
    told,
)
from zoho_tokenstore.crypto import sources
from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.registry import URL_VARIABLE, open_backend

if TYPE_CHECKING:
    from zoho_tokenstore.backend import Backend
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.crypto.resealing import Resealing, Stock

keys = typer.Typer(no_args_is_help=True, help="The keys that secrets are sealed with.")

_EMPTY: Final = "The store is empty. If that is a surprise, check its URL."


@keys.command()
def generate(
    place: KeysPlace = None,
    standby: Annotated[
        bool, typer.Option("--standby", help="Put it last: it opens, and seals nothing yet.")
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print the key, and keep it nowhere. It is a secret.")
    ] = False,
) -> None:
    """Make a new key, and put it before the others at its place."""
    with told():
        from zoho_tokenstore.crypto.keyring import KeyRing

        where = sources.place_of(place) if place else None
        if reveal == (where is not None):
            raise ConfigurationError(
                "Say where the key is to be kept (--keys file:PATH, --keys keyring:SERVICE), or ask to see "
                "it (--reveal)."
            )
        made = KeyRing.generate()
        if where is None:
            typer.echo(made.to_text(), nl=False)
            return
        order = "last" if key_places.add(made, where, standby=standby) and standby else "first"
        say(f"Key {made.ids[0]} was made, and is {order} in {where}.")


@keys.command()
def status(
    url: StoreURL = None,
    place: KeysPlace = None,
    verify: Annotated[bool, typer.Option("--verify", help="Open every row; list those that refuse.")] = False,
) -> None:
    """Show how many rows are under which key. Ends with 1 unless all can be read, and the keys open them."""
    with told():
        from zoho_tokenstore.crypto.resealing import take_stock

        ring = ring_of(place) if place or os.environ.get(VARIABLE) else None
        if verify and ring is None:
            raise ConfigurationError(f"To open rows there must be keys: pass --keys, or set {VARIABLE}.")
        backend = _open(url)
        try:
            stock = take_stock(backend, ring if verify else None)
        finally:
            backend.close()
        say(f"{stock.rows:,} rows in {backend.location}")
        if not stock.rows:
            say(_EMPTY, err=True)
        unknown = _show(stock, ring.ids if ring else ())
        if unknown or stock.refused or stock.unreadable:
            raise typer.Exit(1)


@keys.command()
def seal(url: StoreURL = None, place: KeysPlace = None) -> None:
    """Seal all clear secrets of a store, in place, while it is in use."""
    _reseal(url, place, lambda ring: ring.accepting_clear())


@keys.command()
def rotate(url: StoreURL = None, place: KeysPlace = None) -> None:
    """Seal everything under the newest key, in place, while the store is in use."""
    _reseal(url, place, lambda ring: ring)


def _open(url: str | None) -> Backend:
    """Return the backend of a store that is there: "0 rows" in one that was just made would mislead."""
    wanted = named_url(url) if url else os.environ.get(URL_VARIABLE, "")
    path = file_of(wanted)
    if path is not None and not path.exists():
        raise ConfigurationError(f"There is no store: {path} does not exist. It was not created.")
    return open_backend(wanted or None)


def _reseal(url: str | None, place: str | None, prepare: Callable[[KeyRing], KeyRing]) -> None:
    with told():
        from zoho_tokenstore.crypto.resealing import reseal

        ring, backend, progress = prepare(ring_of(place)), _open(url), Progress("rows")
        try:
            done = reseal(
                backend, ring, on_progress=lambda now: progress.tell(now.rows, f"{now.sealed:,} sealed anew")
            )
        finally:
            progress.end()
            backend.close()
        say(f"{done.rows:,} rows, {done.sealed:,} sealed anew under {ring.ids[0]}: {backend.location}")
        if not done.rows:
            say(_EMPTY, err=True)
        if not done.is_complete:
            _explain(done)
            raise typer.Exit(1)


def _explain(done: Resealing) -> None:
    if done.late:
        say(
            "Other processes go on saving under an older key, or in clear. Give them the newest key, and "
            "run this again.",
            err=True,
        )
    if done.refused:
        say(f"These rows do not open, and were left as they are: {listed(sorted(done.refused))}", err=True)
    if done.unreadable:
        _tell_unread(sorted(done.unreadable))


def _show(stock: Stock, ring: tuple[str, ...]) -> bool:
    """Print a line for each key; return whether rows are under one that is not in the ring."""
    unknown = sorted(stock.by_key.keys() - set(ring))
    notes = dict.fromkeys(unknown, "NOT in the ring" if ring else "")
    notes |= dict.fromkeys(ring, "in the ring") | dict.fromkeys(ring[:1], "newest")
    for key_id in (*ring, *unknown):
        say(f"  {key_id:8}  {notes[key_id]:15}  {stock.by_key[key_id]:,} rows")
    if stock.refused:
        say(f"These rows do not open: {listed(stock.refused)}", err=True)
    if stock.unreadable:
        _tell_unread(stock.unreadable)
    return bool(ring and unknown)


def _tell_unread(ids: list[str]) -> None:
    rows = "row was" if len(ids) == 1 else "rows were"
    say(
        f"{len(ids):,} {rows} not read: these are no rows that can be read, and were left as they are: "
        f"{listed(ids)}",
        err=True,
    )
