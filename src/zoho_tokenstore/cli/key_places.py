"""Where operators keep keys, a file or the operating system's keyring: changed by one run at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zoho_tokenstore.cli.shared import ring_of
from zoho_tokenstore.crypto import sources
from zoho_tokenstore.crypto.sources import Place
from zoho_tokenstore.errors import ConfigurationError

if sys.platform != "win32":
    import fcntl

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing

_PATIENCE: Final = 10.0
"""For how many seconds another run that is changing the same keys is waited for."""


def add(made: KeyRing, place: Place, *, standby: bool) -> bool:
    """Put a new key before the others at its place, or behind them; return whether there are others.

    Raises:
        ConfigurationError: the place cannot be read or written, holds no keys, or others are changing it.
    """
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
