"""One entry of an audit trail: its fields, its canonical text, and the hash that chains it to the one before.

The text is JSON with sorted keys and without blanks, in ASCII; missing fields are left out. The hash is
SHA-256 of the text, which contains the hash of the entry before. So no entry can be changed, inserted,
moved or left out without changing the hash of every later one.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

from zoho_tokenstore.backend import AuditRow

FIRST: Final = "0" * 64
"""Instead of the hash of an entry before the first one."""

MAX_TEXT_LENGTH: Final = 200
"""How many characters of a user name, a reason or a host are kept."""


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """What happened to a login, by whom and when. It contains no secret.

    `what` is the value of an `EventKind`. `login` is a digest that tells the logins of one user apart, and
    `former_login` that of the login that was replaced. `actor` is who acted, as said with `on_behalf_of`;
    `process` and `host` say where. `missed` is how many entries this process could not write before
    this one. `pruned_number` and `pruned_hash` are those of the last entry that was pruned.
    `key` is the id of the sealing key that authenticates the entry, if any; `previous` is the hash of the
    entry before, `hash` its own.
    """

    number: int
    at_ms: int
    what: str
    token_id: str | None = None
    user_name: str | None = None
    client_id: str | None = None
    login: str | None = None
    former_login: str | None = None
    actor: str | None = None
    process: str | None = None
    host: str | None = None
    reason: str | None = None
    count: int = 1
    missed: int = 0
    pruned_number: int | None = None
    pruned_hash: str | None = None
    key: str | None = None
    previous: str = FIRST
    hash: str = ""


_DEFAULTS: Final = {"count": 1, "missed": 0}
_NAMES: Final = tuple(field.name for field in fields(AuditEntry) if field.name != "hash")
_NUMBERS: Final = frozenset({"number", "at_ms", "count", "missed", "pruned_number"})


class DamagedEntryError(ValueError):
    """A stored row is not the entry that was written, and why; `number` is that of one that is missing."""

    def __init__(self, reason: str, number: int | None = None) -> None:
        super().__init__(reason)
        self.number = number


def text_of(entry: AuditEntry) -> str:
    """Return the canonical text of an entry."""
    held = {
        name: value
        for name, value in vars(entry).items()
        if name != "hash" and value is not None and value != _DEFAULTS.get(name)
    }
    return json.dumps(held, sort_keys=True, separators=(",", ":"))


def hash_of(text: str) -> str:
    """Return the hash of an entry's text."""
    return hashlib.sha256(text.encode()).hexdigest()


def row_of(entry: AuditEntry, mac: str | None) -> AuditRow:
    """Return an entry, which has its hash, as it is stored."""
    return AuditRow(entry.number, entry.at_ms, entry.token_id, text_of(entry), entry.hash, mac)


def read(row: AuditRow) -> AuditEntry:
    """Return the entry in a stored row, or raise a `DamagedEntryError`."""
    if not isinstance(row.text, str) or not isinstance(row.hash, str) or not row.text.isascii():
        raise DamagedEntryError("it is not text")
    if hash_of(row.text) != row.hash:
        raise DamagedEntryError("its text has been changed: it does not have its hash")
    entry = _parse(row.text, row.hash)
    if (entry.number, entry.at_ms, entry.token_id) != (row.number, row.at_ms, row.token_id):
        raise DamagedEntryError("its columns have been changed: its text says otherwise")
    return entry


def _parse(text: str, row_hash: str) -> AuditEntry:
    try:
        held = json.loads(text)
    except (ValueError, RecursionError):
        raise DamagedEntryError("its text is not JSON") from None
    if not isinstance(held, dict) or not _fits(held):
        raise DamagedEntryError("its text is not an entry")
    return AuditEntry(**{name: held[name] for name in _NAMES if name in held}, hash=row_hash)


def _fits(held: Mapping[str, Any]) -> bool:
    """Return whether every field has its type; a field of a newer release is left out by `_parse`."""
    return {"number", "at_ms", "what", "previous"} <= held.keys() and all(
        isinstance(held[name], int if name in _NUMBERS else str) for name in _NAMES if name in held
    )


def short(text: str | None) -> str | None:
    """Return a string as an entry keeps it: cut if it is long."""
    if text is None or len(text) <= MAX_TEXT_LENGTH:
        return text
    return f"{text[: MAX_TEXT_LENGTH - 1]}…"
