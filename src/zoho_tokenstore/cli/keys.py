"""`zoho-tokens keys`: make keys, see what a store is sealed with, seal it, rotate its keys."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from zoho_tokenstore.cli.shared import KeysPlace, Progress, StoreURL, file_of, named_url, ring_of, told
from zoho_tokenstore.crypto import sources
from zoho_tokenstore.crypto.sources import VARIABLE, Place
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.registry import URL_VARIABLE, open_backend

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from zoho_tokenstore.backend import Backend
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.crypto.resealing import Resealing, Stock

keys = typer.Typer(no_args_is_help=True, help="The keys that secrets are sealed with.")

_MOST_SHOWN: Final = 20

_PATIENCE: Final = 10.0
"""For how many seconds another run that is changing the same keys is waited for."""


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
        order = "last" if _add(made, where, standby=standby) and standby else "first"
        typer.echo(f"Key {made.ids[0]} was made, and is {order} in {where}.")


@keys.command()
def status(
    url: StoreURL = None,
    place: KeysPlace = None,
    verify: Annotated[bool, typer.Option("--verify", help="Open every row; list those that refuse.")] = False,
) -> None:
    """Show how many rows are under which key. Ends with 1 if the keys do not open all of them."""
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


def _add(made: KeyRing, place: Place, *, standby: bool) -> bool:
    """Put a new key before the others at its place, or behind them; return whether there are others."""
    with _alone(place):
        known = _keys_at(place)
        text = known + made.to_text() if standby else made.to_text() + known
        type(made).from_text(text)  # nothing is replaced by what cannot be read again
        if _keys_at(place) != known:  # an editor, or a keyring's own window, knows nothing of our lock
            raise _busy(place)
        _keep(place, text)
    return bool(known)


def _keys_at(place: Place) -> str:
    """Return the text of the keys that are at a place already, in whole lines; an empty one if none are."""
    if place.kind == "keyring":
        text = sources.system_keyring_text(place.name) or ""
    elif Path(place.name).exists():
        ring_of(str(place))  # refuses a file that holds no keys
        text = sources.KeyFile(Path(place.name)).text()
    else:
        return ""
    return text.rstrip("\n") + "\n" if text else ""  # another key may follow


def _keep(place: Place, text: str) -> None:
    if place.kind == "keyring":
        sources.put_into_system_keyring(place.name, text)
    else:
        _write(Path(place.name).resolve(), text)


def _write(path: Path, text: str) -> None:
    """Replace a key file by one that is the owner's alone from its first moment on, whole or not at all.

    The caller holds the lock. So the copy can always have the same name, and one that is found was left
    by a run that was killed: it goes, as there are keys in it. It is made anew and not written into, for
    it might be somebody else's file.
    """
    scratch = path.with_name(f".{path.name}.new")
    scratch.unlink(missing_ok=True)
    handle = os.open(scratch, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(handle)
        scratch.replace(path)
    except BaseException:
        scratch.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _alone(place: Place) -> Iterator[None]:
    """Let one run at a time change the keys of a place: what both have read, only one of them could keep.

    Raises:
        ConfigurationError: the others took too long, or the file system refuses.
    """
    lock = _lock_of(place)
    try:
        handle = _wait_for(lock, place)
        try:
            yield
        finally:
            if sys.platform != "win32":
                lock.unlink(missing_ok=True)  # first, so that nobody takes a lock that then goes
            os.close(handle)
    except OSError as error:
        raise ConfigurationError(
            f"The keys in {place} cannot be written: {error.strerror}. "
            f"Check the folder {lock.parent} and its rights."
        ) from error


def _lock_of(place: Place) -> Path:
    if place.kind == "file":
        path = Path(place.name).resolve()
        return path.parent / f".{path.name}.lock"
    # A keyring is a user's, and has neither a lock of its own nor a way to compare and set.
    user = os.getuid() if sys.platform != "win32" else "keyring"
    return Path(tempfile.gettempdir(), f"zoho-tokens-{user}.lock")


def _wait_for(lock: Path, place: Place) -> int:
    deadline = time.monotonic() + _PATIENCE
    while (handle := _try(lock)) is None:
        if time.monotonic() > deadline:
            raise _busy(place)
        time.sleep(0.02)
    return handle


def _try(lock: Path) -> int | None:
    """Return a handle that holds the lock until it is closed; `None` if somebody else does.

    The system gives the lock up for a run that is killed, so no age or process id has to be guessed at.
    """
    if sys.platform == "win32":
        try:  # a file that vanishes with its handle
            return os.open(lock, os.O_CREAT | os.O_EXCL | os.O_TEMPORARY)
        except (FileExistsError, PermissionError):  # the latter while it vanishes
            return None
    handle = os.open(lock, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(handle), lock.stat()):
            return handle
    except (BlockingIOError, FileNotFoundError):
        pass
    except BaseException:
        os.close(handle)
        raise
    os.close(handle)  # it is held, or was removed by who held it
    return None


def _busy(place: Place) -> ConfigurationError:
    return ConfigurationError(f"Somebody else is changing the keys in {place}. Run it again.")
