"""The sealing keys in use, newest first."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, NamedTuple, Self

from zoho_tokenstore._util import forks
from zoho_tokenstore.errors import ConfigurationError, SealingError, TokenStoreError, forget_values
from zoho_tokenstore.sealing import _sources as sources
from zoho_tokenstore.sealing._keys import SealingKey
from zoho_tokenstore.sealing._sources import Fetch, Source

CLEAR: Final = "clear"
"""Instead of a key: secrets that are not sealed. For the duration of a conversion."""

_READ_TIMEOUT: Final = 10.0
"""For how many seconds a thread that needs a key waits for another that is reading the keys."""

_RECHECK_TIMEOUT: Final = 1.0
"""For how many seconds it waits if a newer key might find something."""

_log = logging.getLogger("zoho_tokenstore")

Given = bytes | str | SealingKey


class KeyList(NamedTuple):
    """The keys at one moment. `newest` is `None` if new secrets are not sealed yet."""

    keys: tuple[SealingKey | None, ...]
    newest: SealingKey | None
    by_heading: dict[str, SealingKey]
    accepts_clear: bool


class Keyset:
    """Sealing keys, newest first: the first seals, all of them open.

    Instead of a key there may be ``"clear"``, for secrets that are not sealed, while a store is being
    converted. Neither its `repr` nor a pickle shows a key. It may be shared by threads and stores, and
    remains valid in a child after a fork.

    Arguments:
        keys: the keys, each 32 bytes or the text of a key, or ``"clear"``.

    Raises:
        ConfigurationError: there is no key, one is not a key, or one occurs twice.
    """

    def __init__(self, keys: Iterable[Given] | Given = (), *, source: Source | None = None) -> None:
        self._source = source
        self._failure: TokenStoreError | None = None  # of the last re-read of the source
        self.reset()
        forks.reset_in_child(self)
        # The keys as last read; an attribute, because every read of a row uses it.
        try:
            self.current: KeyList = _parse_keys(keys if source is None else source.read())
        except TokenStoreError as error:
            forget_values(error)  # texts of keys
            raise

    @classmethod
    def generate(cls) -> Self:
        """Return a ring with one new random key. `to_text` returns what to store."""
        return cls([SealingKey.generate()])

    @classmethod
    def from_text(cls, text: str) -> Self:
        """Return the ring in a string: keys between blanks, commas or newlines; ``#`` begins a comment."""
        return cls(sources.split(text))

    @classmethod
    def from_environment(cls, name: str = sources.VARIABLE) -> Self:
        """Return the ring that an environment variable holds or names.

        Its value is keys, or ``file:PATH``, or ``keyring:SERVICE``.

        Raises:
            ConfigurationError: the variable is not set, or holds no keys.
        """
        if name not in os.environ:
            raise ConfigurationError(f"The environment variable {name} is not set; it holds the keys.")
        if not os.environ[name].strip():
            raise ConfigurationError(
                f"The environment variable {name} is empty. Give it the keys, or unset it to do without."
            )
        try:
            return cls.named(os.environ[name])
        except TokenStoreError as error:
            forget_values(error)
            raise

    @classmethod
    def from_file(cls, path: str | os.PathLike[str]) -> Self:
        """Return the ring of a file that only its owner may read (mode 0600).

        The file is read again after it changes.

        Raises:
            ConfigurationError: the file cannot be read, others may read it, or it holds no keys.
        """
        return cls(source=sources.KeyFile(Path(path)))

    @classmethod
    def from_keyring(cls, service: str = sources.DEFAULT_SERVICE) -> Self:
        """Return the ring that the operating system's keyring holds under a service name.

        Raises:
            MissingDependencyError: the extra `keyring` is not installed.
            ConfigurationError: the keyring has no such entry, or cannot be used.
        """
        return cls(source=sources.Fetched(sources.from_system_keyring(service)))

    @classmethod
    def from_callable(cls, fetch: Fetch, *, max_age: timedelta = timedelta(minutes=1)) -> Self:
        """Return the ring that a function fetches, from a key service for example.

        Arguments:
            fetch: returns keys as `Keyset` takes them, or one text of keys.
            max_age: for how long they count as current before a save; a secret under an unknown key makes
                them be fetched at once.
        """
        return cls(source=sources.Fetched(fetch, max_age))

    @classmethod
    def named(cls, text: str) -> Self:
        """Return the ring that a string is (`from_text`) or names: ``file:PATH``, ``keyring:SERVICE``."""
        place = sources.parse_location(text)
        if place is None:
            return cls.from_text(text)
        return cls.from_file(place.name) if place.kind == "file" else cls.from_keyring(place.name)

    @classmethod
    def of(cls, keys: Keyset | Fetch | Iterable[Given] | Given) -> Keyset:
        """Return the ring for what a store was given as `keys`."""
        if isinstance(keys, Keyset):
            return keys
        if isinstance(keys, str):
            return cls.named(keys)
        return cls.from_callable(keys) if callable(keys) else cls(keys)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of the keys, newest first; ids are not secret."""
        return tuple(CLEAR if key is None else key.id for key in self.current.keys)

    def to_text(self) -> str:
        """Return the keys as text, one per line. It is a secret."""
        return "".join(f"{CLEAR if key is None else key.to_text()}\n" for key in self.current.keys)

    def accepting_clear(self) -> Keyset:
        """Return a ring that also reads unsealed secrets, as the oldest of all."""
        if self.current.accepts_clear:
            return self
        if self._source is None:
            return Keyset([*filter(None, self.current.keys), CLEAR])
        return Keyset(source=_AlsoClear(self._source))

    def reload(self, *, at_once: bool = False, missing: bool = False) -> bool:
        """Read the keys again if they may have changed; return whether they have.

        If they cannot be read, the previous ones continue to be used, and the log says so, once.

        Arguments:
            at_once: something was not found: the keys are not left to age first, and a thread that is reading
                them is waited for, briefly.
            missing: likewise, but longer: a needed key is not here.

        Raises:
            SealingError: a key is missing, and they cannot be read.
        """
        if self._source is None:
            return False
        before = self.ids
        wait = _READ_TIMEOUT if missing else _RECHECK_TIMEOUT if at_once else 0
        if self._reading.acquire(timeout=wait):
            try:
                if self._source.may_have_changed(at_once=at_once or missing):
                    self._read_again(self._source)
            finally:
                self._reading.release()
        failure = self._failure
        if missing and failure is not None:
            raise SealingError(
                f"A sealing key is missing here, and the keys cannot be read again. {failure}"
            ) from failure
        return self.ids != before

    def reset(self) -> None:
        """Continue in a child: a thread that was reading the keys does not exist there."""
        self._reading = threading.Lock()

    def _read_again(self, source: Source) -> None:
        try:
            self.current = _parse_keys(source.read())
        except TokenStoreError as error:
            forget_values(error)
            if self._failure is None:
                _log.warning(
                    "The sealing keys cannot be read again; the previous ones are used.", exc_info=True
                )
            self._failure = error
        else:
            self._failure = None

    def __copy__(self) -> Self:
        return self  # it may be shared

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __repr__(self) -> str:
        return f"Keyset({', '.join(self.ids)})"

    def __reduce__(self) -> Any:
        raise TypeError("A ring of sealing keys is not pickled: they would be in plain text.")


class _AlsoClear:
    """A source whose keys are followed by "clear"."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self) -> list[Given]:
        return [*filter(None, _parse_keys(self._source.read()).keys), CLEAR]

    def may_have_changed(self, *, at_once: bool) -> bool:
        return self._source.may_have_changed(at_once=at_once)


def _parse_keys(keys: Iterable[Given] | Given) -> KeyList:
    if isinstance(keys, str):
        keys = sources.split(keys)
    elif isinstance(keys, bytes | SealingKey):
        keys = [keys]
    elif not isinstance(keys, Iterable):
        raise ConfigurationError(
            f"Sealing keys are bytes, text, or several of them, not {type(keys).__name__}."
        )
    found = tuple(map(_key_of, keys))
    real = [key for key in found if key is not None]
    if not real:
        raise ConfigurationError(
            "There is no sealing key in what was given. Make one with: zoho-tokens keys generate."
        )
    by_heading = {key.heading: key for key in real}
    if len(by_heading) < len(real) or found.count(None) > 1:
        raise ConfigurationError("A sealing key is in the ring twice. Remove one of the two.")
    return KeyList(found, found[0], by_heading, None in found)


def _key_of(given: object) -> SealingKey | None:
    if isinstance(given, SealingKey):
        return given
    if isinstance(given, bytes):
        return SealingKey(given)
    if isinstance(given, str):
        return None if given == CLEAR else SealingKey.from_text(given)
    raise ConfigurationError(f"A sealing key is bytes or text, not {type(given).__name__}.")
