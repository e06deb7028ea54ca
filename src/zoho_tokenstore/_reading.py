"""Rows read as tokens; one that cannot be read is left out and reported, and harms nobody else."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, Self

from zoho_tokenstore._matching import LookupKey
from zoho_tokenstore._util.caches import MemoCache
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.errors import SealingError, TokenStoreError, UnreadableRowError, forget_values
from zoho_tokenstore.records import (
    SECRET_COLUMNS,
    Found,
    Row,
    TokenRecord,
    UnreadableRow,
    record_from_row,
)
from zoho_tokenstore.sealing._cipher import Cipher, refusal

OnUnreadable = Callable[[UnreadableRow], None]

DOES_NOT_OPEN = "it does not open with the keys here"
"""The reason for a row refused because of its seal."""

_NO_ID = "its id is empty"


class Stored(NamedTuple):
    """A stored row, and the token in it."""

    row: Row
    record: TokenRecord


class Under(NamedTuple):
    """What a key leads to: tokens, and the errors of rows that cannot be read."""

    stored: list[Stored]
    failures: list[TokenStoreError]


class Scan(Iterator[TokenRecord]):
    """All tokens of a store, in the order of their ids.

    `unreadable` are the rows that could not be read so far; they are left out.
    """

    def __init__(self, found: Iterator[Found], read: Callable[[Found], TokenRecord | UnreadableRow]) -> None:
        self.unreadable: list[UnreadableRow] = []
        self._found = found
        self._read = read

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TokenRecord:
        for found in self._found:
            read = self._read(found)
            if isinstance(read, TokenRecord):
                return read
            self.unreadable.append(read)
        raise StopIteration


class Reader:
    """Reads a backend's rows as tokens."""

    def __init__(self, backend: Backend, cipher: Cipher, on_unreadable: OnUnreadable) -> None:
        self._backend = backend
        self._cipher = cipher
        self._on_unreadable = on_unreadable
        # A backend returns the same Row while nobody changed it: then its record is valid too.
        self._records: MemoCache[Row, TokenRecord] = MemoCache()

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id, or `None`."""
        try:
            row = self._backend.load(token_id)
            return None if row is None else self._records.of(token_id, row, self._opened)
        except (SealingError, UnreadableRowError) as error:
            forget_values(error)  # cached values of the row's previous version
            self._tell(token_id, error)
            raise

    def load(self, token_id: str) -> Stored | None:
        """Return the same, with its row."""
        row = self._backend.load(token_id)
        return None if row is None else Stored(row, self._record(row))

    def under(self, key: LookupKey) -> Under:
        """Return what a key leads to."""
        under = Under([], [])
        for found in self._found_under(key):
            try:
                under.stored.append(self._stored(found, key))
            except (SealingError, UnreadableRowError) as error:
                if _is_of_keys(error):
                    raise
                self._tell(found.id, error)
                under.failures.append(error)
        return under

    def scan(self, limit: int | None = None) -> Scan:
        """Return all tokens, or those in the first rows."""
        return Scan(self._backend.scan(limit=limit), self._read)

    def forget(self, token_id: str | None = None) -> None:
        """Drop what is cached of one token, or of all."""
        if token_id is None:
            self._records.clear()
        else:
            self._records.pop(token_id, None)

    def _found_under(self, key: LookupKey) -> Iterable[Found]:
        if key.index == "id":
            return self._found_by_id(key.value)
        texts = self._cipher.lookup_keys(key.index, key.value)
        found = self._backend.find(key.index, *texts)
        if not found and key.index in SECRET_COLUMNS:
            self._cipher.reload()  # or another thread has since the texts were made
            again = self._cipher.lookup_keys(key.index, key.value)
            found = self._backend.find(key.index, *again) if again != texts else found
        return found

    def _found_by_id(self, token_id: str) -> list[Found]:
        try:
            row = self._backend.load(token_id)
        except UnreadableRowError as error:
            return [UnreadableRow(token_id, error.reason)]
        return [] if row is None else [row]

    def _stored(self, found: Found, key: LookupKey) -> Stored:
        if isinstance(found, UnreadableRow):
            raise UnreadableRowError.of(found.id, found.reason, self._backend.location)
        if not found.id:
            raise UnreadableRowError.of(found.id, _NO_ID, self._backend.location)
        record = self._record(found)
        # A digest that leads to another secret was put there by somebody else.
        if key.index in found.digests and getattr(record, key.index) != key.value:
            raise refusal(found.id)
        return Stored(found, record)

    def _read(self, found: Found) -> TokenRecord | UnreadableRow:
        if isinstance(found, Row) and not found.id:
            found = UnreadableRow(found.id, _NO_ID)
        if isinstance(found, UnreadableRow):
            self._on_unreadable(found)
            return found
        try:
            return self._opened(found)
        except SealingError as error:
            return self._tell(found.id, error)

    def _tell(self, row_id: str, error: TokenStoreError) -> UnreadableRow:
        reason = error.reason if isinstance(error, UnreadableRowError) else DOES_NOT_OPEN
        row = UnreadableRow(row_id, reason)
        self._on_unreadable(row)
        return row

    def _record(self, row: Row) -> TokenRecord:
        return self._records.of(row.id, row, self._opened)

    def _opened(self, row: Row) -> TokenRecord:
        return record_from_row(self._cipher.open(row))


def _is_of_keys(error: TokenStoreError) -> bool:
    """Return whether the keys are unavailable now: not the row's fault, so nobody may log in alongside it."""
    return isinstance(error, SealingError) and error.row_id is None
