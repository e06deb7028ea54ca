"""`zoho-tokens keys`: make keys, see what a store is sealed with, seal it, rotate its keys."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from zoho_tokenstore.cli.shared import KeysPlace, Progress, StoreURL, ring_of, told
from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.registry import open_backend

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.crypto.resealing import Resealing, Stock

keys = typer.Typer(no_args_is_help=True, help="The keys that secrets are sealed with.")

_MOST_SHOWN: Final = 20


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
    from zoho_tokenstore.crypto.keyring import KeyRing

    with told():
        if reveal == (place is not None):
            raise ConfigurationError(
                "Say where the key is to be kept (--keys file:PATH, --keys keyring:SERVICE), or ask to see "
                "it (--reveal)."
            )
        made = KeyRing.generate()
        if place is None:
            typer.echo(made.to_text(), nl=False)
            return
        known = _keys_at(place)
        text = known + made.to_text() if standby else made.to_text() + known
        KeyRing.from_text(text)  # nothing is replaced by what cannot be read again
        if _keys_at(place) != known:
            raise ConfigurationError(f"Somebody else is changing the keys in {place}. Run it again.")
        _keep(place, text)
        typer.echo(
            f"Key {made.ids[0]} was made, and is {'last' if standby and known else 'first'} in {place}."
        )


@keys.command()
def status(
    url: StoreURL = None,
    place: KeysPlace = None,
    verify: Annotated[bool, typer.Option("--verify", help="Open every row; list those that refuse.")] = False,
) -> None:
    """Show how many rows are under which key. Ends with 1 if the keys do not open all of them."""
    from zoho_tokenstore.crypto.resealing import take_stock

    with told():
        ring = ring_of(place) if place or os.environ.get(VARIABLE) else None
        if verify and ring is None:
            raise ConfigurationError(f"To open rows there must be keys: pass --keys, or set {VARIABLE}.")
        backend = open_backend(url)
        try:
            stock = take_stock(backend, ring if verify else None)
        finally:
            backend.close()
        typer.echo(f"{stock.rows:,} rows in {backend.location}")
        unknown = _show(stock, ring.ids if ring else ())
        if unknown or stock.refused:
            raise typer.Exit(1)


@keys.command()
def seal(url: StoreURL = None, place: KeysPlace = None) -> None:
    """Seal all clear secrets of a store, in place, while it is in use."""
    _reseal(url, place, lambda ring: ring.accepting_clear())


@keys.command()
def rotate(url: StoreURL = None, place: KeysPlace = None) -> None:
    """Seal everything under the newest key, in place, while the store is in use."""
    _reseal(url, place, lambda ring: ring)


def _reseal(url: str | None, place: str | None, prepare: Callable[[KeyRing], KeyRing]) -> None:
    from zoho_tokenstore.crypto.resealing import reseal

    with told():
        ring, backend, progress = prepare(ring_of(place)), open_backend(url), Progress("rows")
        try:
            done = reseal(
                backend, ring, on_progress=lambda now: progress.tell(now.rows, f"{now.sealed:,} sealed anew")
            )
        finally:
            progress.end()
            backend.close()
        typer.echo(f"{done.rows:,} rows, {done.sealed:,} sealed anew under {ring.ids[0]}: {backend.location}")
        if done.late or done.refused:
            _explain(done)
            raise typer.Exit(1)


def _explain(done: Resealing) -> None:
    if done.late:
        typer.echo(
            "Other processes go on saving under an older key, or in clear. Give them the newest key, and "
            "run this again.",
            err=True,
        )
    if done.refused:
        typer.echo(
            f"These rows do not open, and were left as they are: {_some(sorted(done.refused))}", err=True
        )


def _show(stock: Stock, ring: tuple[str, ...]) -> bool:
    """Print a line for each key; return whether rows are under one that is not in the ring."""
    unknown = sorted(stock.by_key.keys() - set(ring))
    notes = dict.fromkeys(unknown, "NOT in the ring" if ring else "")
    notes |= dict.fromkeys(ring, "in the ring") | dict.fromkeys(ring[:1], "newest")
    for key_id in (*ring, *unknown):
        typer.echo(f"  {key_id:8}  {notes[key_id]:15}  {stock.by_key[key_id]:,} rows")
    if stock.refused:
        typer.echo(f"These rows do not open: {_some(stock.refused)}", err=True)
    return bool(ring and unknown)


def _some(ids: list[str]) -> str:
    more = len(ids) - _MOST_SHOWN
    return ", ".join(ids[:_MOST_SHOWN]) + (f" and {more:,} more" if more > 0 else "")


def _keys_at(place: str) -> str:
    """Return the text of the keys that are at a place already; an empty one if it does not exist."""
    kind, _, name = place.partition(":")
    if kind == "file":
        if not Path(name).exists():
            return ""
        ring_of(place)  # refuses a file that others can read, or that holds no keys
        return Path(name).read_text(encoding="utf-8").rstrip("\n") + "\n"
    from zoho_tokenstore.crypto import sources

    return sources.system_keyring_text(name) or ""


def _keep(place: str, text: str) -> None:
    kind, _, name = place.partition(":")
    if kind == "file":
        _write(Path(name).resolve(), text)
        return
    from zoho_tokenstore.crypto import sources

    sources.put_into_system_keyring(name, text)


def _write(path: Path, text: str) -> None:
    """Replace a key file by one that is the owner's alone from its first moment on, whole or not at all."""
    try:
        handle, scratch = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")  # mode 0600
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(handle)
            Path(scratch).replace(path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ConfigurationError(
            f"The key file {path} cannot be written: {error.strerror}. Check its folder and its rights."
        ) from error
