"""Where sealing keys come from, and when they are read again."""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

from zoho_tokenstore._util.packages import needed_by
from zoho_tokenstore.errors import ConfigurationError, SealingError, TokenStoreError

VARIABLE: Final = "ZOHO_TOKENSTORE_KEYS"
DEFAULT_SERVICE: Final = "zoho-tokenstore"
KEYRING_USER: Final = "sealing keys"
"""The user name under which the operating system's keyring holds them."""

_OTHERS: Final = 0o077
_GROUP_READS: Final = 0o040
_MIN_FETCH_INTERVAL: Final = 1.0
_A_MINUTE: Final = timedelta(minutes=1)

Fetch = Callable[[], Any]
"""A function that returns keys: an iterable of bytes and strings, one of them, or one string of several."""


class Source(Protocol):
    """A place that keys are read from repeatedly."""

    def read(self) -> Any:
        """Return its contents, in the form that `Keyset` takes."""

    def may_have_changed(self, *, at_once: bool) -> bool:
        """Return whether reading again makes sense; `at_once` if a key is missing."""


class KeyLocation(NamedTuple):
    """Where keys are: in a "file" at that path, or in the "keyring" under that service."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"


def parse_location(text: str) -> KeyLocation | None:
    """Return the place that a string names, to read or write keys; `None` if it is keys itself."""
    kind, colon, name = text.strip().partition(":")
    if colon and kind == "file":
        return KeyLocation(kind, name)
    if colon and kind == "keyring":
        return KeyLocation(kind, name or DEFAULT_SERVICE)
    return None


def split(text: str) -> list[str]:
    """Return the keys in a string."""
    return re.sub("#.*", "", text).replace(",", " ").split()


class KeyFile:
    """A file of keys that only its owner may read."""

    def __init__(self, path: Path) -> None:
        if "\0" in str(path):
            raise ConfigurationError("The path of a key file has a NUL in it.")
        self._path = path.absolute()
        self._seen: tuple[int, ...] = ()

    def read(self) -> list[str]:
        return split(self.text())

    def text(self) -> str:
        """Return everything in the file, including comments."""
        text = None
        try:
            if self._path.is_fifo():  # who opens one waits for a writer
                raise ConfigurationError(f"The key file {self._path} is a pipe. Keep the keys in a file.")
            # A decoder's error holds what it could not decode: it must not even be the context of ours.
            with (
                contextlib.suppress(UnicodeError),
                self._path.open(encoding="utf-8-sig") as file,  # with the byte order mark of Windows' editors
            ):
                state = os.fstat(file.fileno())
                self._check(state)
                text = file.read()
        except OSError as error:
            raise ConfigurationError(
                f"The key file {self._path} cannot be read: {error.strerror}."
            ) from error
        if text is None:
            raise ConfigurationError(f"The key file {self._path} cannot be read: it is not UTF-8 text.")
        self._seen = _signature(state)
        return text

    def may_have_changed(self, *, at_once: bool) -> bool:  # noqa: ARG002  # a look at the file costs nothing
        try:
            return _signature(self._path.stat()) != self._seen
        except OSError:
            return True

    def _check(self, state: os.stat_result) -> None:
        if os.name == "nt":  # there, the folder's permissions decide
            return
        if is_open_to_others(state):
            raise ConfigurationError(
                f"The key file {self._path} can be read or written by others. Run: chmod 600 {self._path}"
            )
        if state.st_uid not in (0, os.geteuid()):
            raise ConfigurationError(
                f"The key file {self._path} belongs to another user, who can change it. "
                "Make the user who runs this, or root, its owner."
            )


def is_open_to_others(state: os.stat_result) -> bool:
    """Return whether others than its owner may read or write a key file. On Windows its folder decides."""
    # systemd passes credentials owned by root, with the reader in an access list: that shows as
    # a right of the group root (systemd.exec(5), LoadCredential=).
    allowed = _GROUP_READS if state.st_uid == state.st_gid == 0 else 0
    return os.name != "nt" and bool(stat.S_IMODE(state.st_mode) & _OTHERS & ~allowed)


class Fetched:
    """Keys that a function returns: of a key service, or of the operating system's keyring."""

    def __init__(self, fetch: Fetch, max_age: timedelta = _A_MINUTE) -> None:
        if not isinstance(max_age, timedelta) or max_age < timedelta(0):
            raise ConfigurationError("max_age must be a timedelta, not negative.")
        self._fetch = fetch
        self._max_age = max_age.total_seconds()
        self._read_at = 0.0

    def read(self) -> Any:
        self._read_at = time.monotonic()  # even if it fails: it is not asked repeatedly
        try:
            found = self._fetch()
            # A generator does its work, and fails, when iterated.
            return list(found) if isinstance(found, Iterator) else found
        except TokenStoreError:
            raise
        except Exception as error:
            raise SealingError(
                f"The sealing keys cannot be fetched: the key service failed with a {type(error).__name__}. "
                "Check that this program can reach it and may use it; the tokens were left unchanged."
            ) from error

    def may_have_changed(self, *, at_once: bool) -> bool:
        age = time.monotonic() - self._read_at
        return age >= (min(_MIN_FETCH_INTERVAL, self._max_age) if at_once else self._max_age)


def from_system_keyring(service: str) -> Callable[[], str]:
    """Return a function that reads the keys in the operating system's keyring."""
    _keyring()

    def fetch() -> str:
        found = system_keyring_text(service)
        if found is None:
            raise ConfigurationError(
                f"The operating system's keyring has no sealing keys under {service!r}. "
                f"Make some with: zoho-tokens keys generate --keys keyring:{service}"
            )
        return found

    return fetch


def system_keyring_text(service: str) -> str | None:
    """Return the text of the keys that the operating system's keyring holds, or `None`."""
    keyring = _keyring()
    try:
        found: str | None = keyring.get_password(service, KEYRING_USER)
    except Exception as error:  # KeyringError, and what its backends let through: D-Bus, sockets
        raise ConfigurationError(
            f"The operating system's keyring cannot be read ({type(error).__name__}). "
            "Unlock it, or keep the keys in a file."
        ) from error
    return found


def put_into_system_keyring(service: str, text: str) -> None:
    """Keep keys in the operating system's keyring, replacing those it has under this service."""
    keyring = _keyring()
    try:
        keyring.set_password(service, KEYRING_USER, text)
    except Exception as error:
        raise ConfigurationError(
            f"The operating system's keyring cannot be written ({type(error).__name__}). "
            "Unlock it, or keep the keys in a file."
        ) from error
    if system_keyring_text(service) != text:  # some keep nothing, or cut it short
        raise ConfigurationError(
            "The operating system's keyring does not keep what is put into it. Keep the keys in a file."
        )


def _keyring() -> Any:
    with needed_by("The operating system's keyring", "the package keyring", "keyring"):
        import keyring
    return keyring


def _signature(state: os.stat_result) -> tuple[int, ...]:
    return state.st_dev, state.st_ino, state.st_size, state.st_mtime_ns
