"""What is examined: a storage, its keys, and its rows one after the other."""

from __future__ import annotations

import contextlib
import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from zoho_tokenstore._inspection import StorageFacts
from zoho_tokenstore._policies import DEFAULT_POLICY, RefreshPolicy
from zoho_tokenstore.errors import ConfigurationError, SealingError, TokenStoreError, forget_values
from zoho_tokenstore.records import SECRET_COLUMNS, Found, Row, TokenRecord, UnreadableRow, record_from_row
from zoho_tokenstore.renewal._lease_entry import LeaseEntry
from zoho_tokenstore.sealing import _format as sealed_values
from zoho_tokenstore.sealing import _sources as sources
from zoho_tokenstore.sealing._cipher import AESGCMCipher, has_box

if TYPE_CHECKING:
    from zoho_tokenstore.sealing import KeysArg
    from zoho_tokenstore.sealing._keyset import Keyset

Sealing = Literal["clear", "sealed", "no key", "refused", "unknown"]
"""How a row is kept: unsealed; sealed, and opened; sealed under a key that is not here; sealed, and it does
not open; or nobody knows, as it is not a row or the keys cannot be read."""

_NO_ENTRY: Final = LeaseEntry()


class Keys:
    """The keys that the store's users have.

    `ring` is `None` if there are none, or `error` says why they cannot be used. `file` is where they are, if
    in a file that is `open_to_others`; then they are read all the same, only to open rows.
    """

    def __init__(self, given: KeysArg | None) -> None:
        self.ring: Keyset | None = None
        self.error: TokenStoreError | None = None
        self.file: Path | None = None
        self.open_to_others = False
        try:
            self._read(given)
        except TokenStoreError as error:
            forget_values(error)
            self.error = error

    @cached_property
    def cipher(self) -> AESGCMCipher | None:
        """What opens rows with them."""
        return None if self.ring is None else AESGCMCipher(self.ring)

    def _read(self, given: KeysArg | None) -> None:
        if given is None and sources.VARIABLE not in os.environ:
            return
        from zoho_tokenstore.sealing._keyset import Keyset

        place = (
            given if isinstance(given, str) else os.environ.get(sources.VARIABLE) if given is None else None
        )
        location = sources.parse_location(place) if place else None
        if location is not None and location.kind == "file":
            self.file = Path(location.name).absolute()
            self.open_to_others = self._is_open(self.file)
        if self.file is not None and self.open_to_others:
            self.ring = Keyset.from_text(_text_of(self.file))
        else:
            self.ring = Keyset.from_environment() if given is None else Keyset.of(given)

    def _is_open(self, path: Path) -> bool:
        try:
            return sources.is_open_to_others(path.stat())
        except OSError:
            return False  # reading it says what is wrong


def _text_of(path: Path) -> str:
    with contextlib.suppress(OSError, UnicodeError):  # the error of a decoder holds what it could not decode
        return path.read_text(encoding="utf-8-sig")
    raise ConfigurationError(f"The key file {path} cannot be read, or is not UTF-8 text.")


class Login(NamedTuple):
    """One row, and what is known of it.

    `record` is the token in it, if it can be opened; `entry` what is noted of its renewals; `now_ms` the
    time by the clock that the entry's times are by.
    """

    found: Found
    sealing: Sealing
    record: TokenRecord | None = None
    key_id: str | None = None
    is_found_by_its_tokens: bool = True
    entry: LeaseEntry = _NO_ENTRY
    now_ms: int = 0

    @property
    def id(self) -> str:
        """The row's id."""
        return self.found.id


class Holder(NamedTuple):
    """The first row that was seen with a refresh token, and its API domain."""

    row_id: str
    api_domain: str


@dataclass
class Subject:
    """What is known of a store before its rows are read, and what they are judged by.

    Arguments:
        location: where it is, without a password.
        now_ms: this host's clock, in epoch milliseconds.
        keys: the keys of its users.
        files: the files it consists of, that of the tokens first.
        facts: what the storage says; `None` if it could not be asked.
        error: why it could not be asked.
        owed: how many revocations are owed to Zoho.
        policy: when its users renew.
        zoho_ahead_ms: how far Zoho's clock is ahead of this host's, by data centre, of those that were asked;
            `None` if one did not say.
        domains: the API domains of the rows seen so far.
        seen: which row had a refresh token first, by its hash; what compares rows shares it.
        owners: which row had an owner first, by its hash.
    """

    location: str
    now_ms: int
    keys: Keys
    files: tuple[Path, ...] = ()
    facts: StorageFacts | None = None
    error: TokenStoreError | None = None
    owed: int = 0
    policy: RefreshPolicy = DEFAULT_POLICY
    zoho_ahead_ms: dict[str, int | None] = field(default_factory=dict)
    domains: set[str] = field(default_factory=set)
    seen: dict[int, Holder] = field(default_factory=dict)
    owners: dict[int, str] = field(default_factory=dict)

    @property
    def storage_ms(self) -> int:
        """The time by the storage's own clock, or this host's if it has none."""
        told = None if self.facts is None else self.facts.now_ms
        return self.now_ms if told is None else told


def read_login(found: Found, keys: Keys) -> Login:
    """Return what a row holds, opened if it can be."""
    if isinstance(found, UnreadableRow):
        return Login(found, "unknown")
    if not has_box(found):
        return Login(found, "clear", record_from_row(found))
    key_id = _key_id_of(found)
    if keys.ring is None or keys.cipher is None:
        return Login(found, "no key" if keys.error is None else "unknown", key_id=key_id)
    if key_id not in keys.ring.ids:
        return Login(found, "no key", key_id=key_id)
    return _opened(found, key_id, keys.cipher)


def _opened(row: Row, key_id: str, cipher: AESGCMCipher) -> Login:
    try:
        clear = cipher.open(row)
    except SealingError as error:
        forget_values(error)
        return Login(row, "refused", key_id=key_id)
    return Login(row, "sealed", record_from_row(clear), key_id, cipher.finds(row, clear))


def _key_id_of(row: Row) -> str:
    texts = (text for name in SECRET_COLUMNS if (text := getattr(row, name)))
    return next(sealed_values.key_id_of(text) for text in texts if sealed_values.is_sealed(text))
