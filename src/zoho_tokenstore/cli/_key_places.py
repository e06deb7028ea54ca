"""Where operators keep keys, a file or the operating system's keyring: changed by one run at a time."""

from __future__ import annotations

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

from zoho_tokenstore._util import atomic_files
from zoho_tokenstore._util.file_locks import HostLock
from zoho_tokenstore.cli._shared import ring_of
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.sealing import _sources as sources
from zoho_tokenstore.sealing._sources import KeyLocation

if TYPE_CHECKING:
    from zoho_tokenstore.sealing._keyset import Keyset

_LOCK_TIMEOUT: Final = 10.0
"""For how many seconds to wait for another run that is changing the same keys."""


def add(made: Keyset, place: KeyLocation, *, standby: bool) -> bool:
    """Put a new key before the others at its place, or after them; return whether there are others."""
    with _alone(place):
        known = _keys_at(place)
        text = known + made.to_text() if standby else made.to_text() + known
        type(made).from_text(text)  # nothing is replaced by what cannot be read back
        if _keys_at(place) != known:  # an editor, or a keyring's own window, knows nothing of our lock
            raise _busy(place)
        _keep(place, text)
    return bool(known)


def _keys_at(place: KeyLocation) -> str:
    """Return the text of the keys already at a place, in whole lines; empty if there are none."""
    if place.kind == "keyring":
        text = sources.system_keyring_text(place.name) or ""
    elif Path(place.name).exists():
        ring_of(str(place))  # refuses a file that holds no keys
        text = sources.KeyFile(Path(place.name)).text()
    else:
        return ""
    return text.rstrip("\n") + "\n" if text else ""  # another key may follow


def _keep(place: KeyLocation, text: str) -> None:
    if place.kind == "keyring":
        sources.put_into_system_keyring(place.name, text)
    else:
        path = Path(place.name).resolve()
        atomic_files.remove_strays(path)
        atomic_files.write_atomically(path, text.encode())


@contextlib.contextmanager
def _alone(place: KeyLocation) -> Iterator[None]:
    """Let one run at a time change the keys of a place: of two that read the same, one would be lost."""
    lock = _lock_of(place)
    try:
        lock.parent.stat()  # filelock would create the folder
        with HostLock(lock, _LOCK_TIMEOUT, lambda: _busy(place)).held():
            yield
    except OSError as error:
        raise ConfigurationError(
            f"The keys in {place} cannot be written: {error.strerror}. "
            f"Check the folder {lock.parent} and its permissions."
        ) from error


def _lock_of(place: KeyLocation) -> Path:
    if place.kind == "file":
        path = Path(place.name).resolve()
        return path.parent / f".{path.name}.lock"
    # A keyring is a user's, and has neither a lock nor a compare-and-set.
    user = os.getuid() if sys.platform != "win32" else "keyring"
    return Path(tempfile.gettempdir(), f"zoho-tokens-{user}.lock")


def _busy(place: KeyLocation) -> ConfigurationError:
    return ConfigurationError(f"Somebody else is changing the keys in {place}. Run it again.")
