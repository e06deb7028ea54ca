"""Tokens that are remembered beside the leases: no login any more, but perhaps alive at Zoho.

They are kept in chains of short lists, each one string under a name of its own, replaced by
compare-and-set like a lease. Each token is sealed like a row, and bound to its list.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import secrets
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from functools import partial
from itertools import count
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.backend import Leases
from zoho_tokenstore.errors import ConflictError, SealingError
from zoho_tokenstore.records import (
    COLUMNS,
    SECRET_COLUMNS,
    Row,
    TokenRecord,
    record_from_row,
    row_from_record,
)

if TYPE_CHECKING:
    from zoho_tokenstore.sealing._cipher import Cipher

KEPT: Final = timedelta(days=3650)
"""A refresh token lives until it is revoked."""

_PER_LIST: Final = 16
"""How many tokens a list has at most: what a small entry of any storage can hold."""

_BUCKETS: Final = 64
"""Over how many chains the replaced logins are spread, so that those of one row are found quickly."""

_MOST_REPLACED: Final = 20
"""Of one user and client, Zoho keeps twenty refresh tokens alive, the newest ones."""

_TIMEOUT_S: Final = 10.0
"""How many seconds a change is retried while others keep changing the list."""

_SEPARATOR: Final = "/"
_KEPT_MS: Final = ms(KEPT)

OWED: Final = "owed"
"""The chain of logins whose revocation is owed."""


class Entry(NamedTuple):
    """A remembered token as it is stored: in which list, and as which row.

    The row's id is made of the list's name, a mark that begins with the time, and the id of the login.
    """

    place: str
    row: Row

    @property
    def mark(self) -> str:
        """What tells entries apart, and sorts them by their age."""
        return self._parts()[0]

    @property
    def login_id(self) -> str | None:
        """The id of the login, if it has one."""
        return self._parts()[2] or None

    @property
    def owner(self) -> TokenRecord:
        """Whose it is, which is known without keys: the login without its secrets."""
        nothing: dict[str, Any] = dict.fromkeys(SECRET_COLUMNS)
        clear = self.row._replace(**nothing)
        return record_from_row(clear).changed(id=self.login_id)

    def _parts(self) -> tuple[str, str, str]:
        return self.row.id.removeprefix(self.place + _SEPARATOR).partition(_SEPARATOR)


class RememberedTokens:
    """Chains of tokens, seen by all who share the leases."""

    def __init__(self, leases: Leases, cipher: Cipher) -> None:
        self._leases = leases
        self._cipher = cipher

    def scan(self, chain: str) -> Iterator[Entry]:
        """Yield what is in a chain."""
        return scan_chain(chain, lambda place: self._leases.read(place).text)

    def scan_all(self) -> Iterator[Entry]:
        """Yield what is in all chains."""
        for chain in (OWED, *map(_chain, range(_BUCKETS))):
            yield from self.scan(chain)

    def open(self, entry: Entry) -> TokenRecord:
        """Return a remembered token, with the id of its login."""
        return record_from_row(self._cipher.open(entry.row)).changed(id=entry.login_id)

    def add(self, chain: str, login: TokenRecord) -> Entry:
        """Add a login's tokens to a chain: of those, only what a revocation needs."""
        for place in _places(chain):
            entry = self._entry(place, login)
            if self._change(place, partial(_with, entry)):
                return entry
        raise AssertionError("a chain has no end")

    def drop(self, entries: Iterable[Entry]) -> None:
        """Forget tokens."""
        for entry in entries:
            self._change(entry.place, partial(_without, entry))

    def replace(self, entry: Entry, row: Row) -> None:
        """Keep a token as another row of the same id, if it is still remembered."""
        self._change(entry.place, partial(_instead, row))

    def _entry(self, place: str, login: TokenRecord) -> Entry:
        mark = f"{time.time_ns():016x}{secrets.token_hex(4)}"
        row_id = _SEPARATOR.join((place, mark, login.id or ""))
        record = TokenRecord(
            user_name=login.user_name,
            client_id=login.client_id,
            refresh_token=login.refresh_token,
            access_token=None if login.refresh_token else login.access_token,
            api_domain=login.api_domain,
        )
        return Entry(place, self._cipher.seal(row_from_record(record, row_id)))

    def _change(self, place: str, change: Callable[[list[Entry]], list[Entry] | None]) -> bool:
        """Change a list; return whether that was possible."""
        deadline = Deadline(_TIMEOUT_S)
        while True:
            was = self._leases.read(place).text
            before = _parse(place, was)
            after = change(before)
            if after is None:
                return False
            if after == before or self._leases.replace(place, was, _text_of(after), _KEPT_MS):
                return True
            if not deadline.delay():
                raise ConflictError(
                    "A token that is to be revoked could not be noted: others kept changing the list for "
                    f"{_TIMEOUT_S:.0f} s. Try again."
                )


class ReplacedLogins:
    """The logins that later ones have replaced in a row: their refresh tokens may still be alive at Zoho."""

    def __init__(self, remembered: RememberedTokens) -> None:
        self._remembered = remembered

    def note(self, login: TokenRecord) -> None:
        """Remember a stored login that is about to be replaced, once however often its save fails."""
        earlier = self.of(login.id or "")
        if not any(self._holds(entry, login) for entry in earlier):
            self._remembered.add(_chain_of(login.id or ""), login)
            self._remembered.drop(earlier[: 1 - _MOST_REPLACED])

    def of(self, token_id: str) -> list[Entry]:
        """Return those of a row, the oldest first."""
        chain = self._remembered.scan(_chain_of(token_id))
        mine = (entry for entry in chain if entry.login_id == token_id)
        return sorted(mine, key=attrgetter("mark"))

    def forget(self, token_id: str | None = None) -> None:
        """Forget those of a row, or all."""
        if token_id is not None:
            self._remembered.drop(self.of(token_id))
            return
        for number in range(_BUCKETS):
            self._remembered.drop(list(self._remembered.scan(_chain(number))))

    def _holds(self, entry: Entry, login: TokenRecord) -> bool:
        with contextlib.suppress(SealingError):  # nobody here can compare it
            return self._remembered.open(entry).refresh_token == login.refresh_token
        return False


def scan_chain(chain: str, read: Callable[[str], str]) -> Iterator[Entry]:
    """Yield what is in a chain; `read` returns what is kept under a name, if anything."""
    for place in _places(chain):
        text = read(place)
        if not text:
            return
        yield from _parse(place, text)


def _with(entry: Entry, entries: list[Entry]) -> list[Entry] | None:
    return [*entries, entry] if len(entries) < _PER_LIST else None


def _without(entry: Entry, entries: list[Entry]) -> list[Entry]:
    return [other for other in entries if other.row.id != entry.row.id]


def _instead(row: Row, entries: list[Entry]) -> list[Entry]:
    return [Entry(other.place, row) if other.row.id == row.id else other for other in entries]


def _chain(number: int) -> str:
    return f"replaced{_SEPARATOR}{number:02x}"


def _chain_of(token_id: str) -> str:
    return _chain(hashlib.sha256(token_id.encode()).digest()[0] % _BUCKETS)


def _places(chain: str) -> Iterator[str]:
    return (f"{chain}{_SEPARATOR}{number}" for number in count())


def _parse(place: str, text: str) -> list[Entry]:
    """Read a list. A string that we did not write counts as empty."""
    try:
        return [Entry(place, _row(values)) for values in json.loads(text)["tokens"]] if text else []
    except (ValueError, TypeError, LookupError):
        return []


def _row(values: dict[str, Any]) -> Row:
    columns: dict[str, Any] = {name: str(values[name]) for name in COLUMNS if values.get(name) is not None}
    return Row(**columns)


def _text_of(entries: list[Entry]) -> str:
    tokens = [
        {name: value for name in COLUMNS if (value := getattr(entry.row, name)) is not None}
        for entry in entries
    ]
    # Leases tell versions apart by their text.
    return json.dumps({"tokens": tokens, "mark": secrets.token_hex(6)})
