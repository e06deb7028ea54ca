"""The two stores of a copy, and how their rows are compared."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

from zoho_tokenstore import matching
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto.sealing import Sealing
from zoho_tokenstore.errors import InvalidTokenError, RowChangedError, SealingError, UnreadableRowError
from zoho_tokenstore.matching import Key
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    Found,
    Row,
    TokenRecord,
    UnreadableRow,
    check_text,
    record_from_row,
)

Content = tuple[str | None, ...]

DOES_NOT_OPEN: Final = "it does not open with the keys of its store"
"""The reason of a row that is refused for its seal."""

_PROOFS: Final = ("user_name", "refresh_token", "grant_token", "access_token")


class Owned(NamedTuple):
    """An owner's rows in clear, and those among them that cannot be read."""

    rows: list[Row]
    unreadable: list[UnreadableRow]


class Side:
    """A store: a storage, and how secrets are kept in it.

    Rows come out in clear, with their etags. One that is none, or does not open, comes out as an
    `UnreadableRow`: it is told, and harms no other one.
    """

    def __init__(self, backend: Backend, sealing: Sealing) -> None:
        self.backend = backend
        self._sealing = sealing

    def open(self, found: Found) -> Found:
        """Return what a storage found in clear, or why that cannot be had."""
        if isinstance(found, UnreadableRow):
            return found
        try:
            return self._sealing.open(found)
        except SealingError:
            return UnreadableRow(found.id, DOES_NOT_OPEN)

    def load(self, row_id: str) -> Found | None:
        """Return the row with this id."""
        try:
            stored = self.backend.load(row_id)
        except UnreadableRowError as error:
            return UnreadableRow(row_id, error.reason)
        return None if stored is None else self.open(stored)

    def rows_of_owner(self, record: TokenRecord) -> Owned:
        """Return the rows that a save of `record`, without its id, could update."""
        unreadable: dict[str, UnreadableRow] = {}
        for key in matching.keys_to_save(record.changed(id=None)):
            owned = []
            for stored in self.backend.find(key.index, *self.lookup_keys(key)):
                found = self.open(stored)
                if not isinstance(found, UnreadableRow):
                    owned += [found] if matching.choose_to_update(record, key, [record_of(found)]) else []
                elif _may_be_owned(record, stored):
                    unreadable[found.id] = found
            if owned:
                return Owned(owned, list(unreadable.values()))
        return Owned([], list(unreadable.values()))

    def lookup_keys(self, key: Key) -> list[str]:
        """Return the texts under which the storage finds a key."""
        return self._sealing.lookup_keys(key.index, key.value)

    @property
    def writes_many(self) -> bool:
        """Whether the storage takes many new rows at once."""
        return hasattr(self.backend, "write_many")

    def write_many(self, rows: Sequence[Row]) -> Sequence[object]:
        """Write new clear rows, sealed as this side has them; return the etags, `None` where one was not."""
        write: Callable[[Sequence[Row]], Sequence[object]] = getattr(self.backend, "write_many")  # noqa: B009
        return write([self._sealing.seal(row) for row in rows])

    def write(self, row: Row, expect: object) -> object:
        """Write a clear row, sealed as this side has it, and return its etag.

        Raises:
            RowChangedError: the stored row is not that with the etag `expect`.
            RetiredIdError: there must be none, and a deleted row has had the id.
        """
        return self.backend.write(self._sealing.seal(row), expect=expect)

    def refuse_retired(self, row: Row) -> None:
        """Raise a `RetiredIdError` if a deleted row has had this id, where that shows without a write."""
        rehearse = getattr(self.backend, "rehearse", None)
        if rehearse is not None:
            with contextlib.suppress(RowChangedError):
                rehearse(self._sealing.seal(row), expect=None)


def side_by_side(
    source: Iterator[Found], destination: Iterator[Found]
) -> Iterator[tuple[Found | None, Found | None]]:
    """Yield the rows of two scans, those with one id together."""
    theirs = next(destination, None)
    for row in source:
        while theirs is not None and theirs.id < row.id:
            yield None, theirs
            theirs = next(destination, None)
        if theirs is not None and theirs.id == row.id:
            yield row, theirs
            theirs = next(destination, None)
        else:
            yield row, None
    while theirs is not None:
        yield None, theirs
        theirs = next(destination, None)


def check(row: Row) -> None:
    """Raise an `InvalidTokenError` if a column holds what no storage can keep."""
    for name in COLUMNS:
        value = getattr(row, name)
        if value is not None:
            check_text(name, value)


def is_sound(row: Row) -> bool:
    """Tell whether `check` has nothing against a row."""
    try:
        check(row)
    except InvalidTokenError:
        return False
    return True


def record_of(row: Row) -> TokenRecord:
    """Return the token in a clear row, for its owner: without its expiry, which may be anything."""
    return record_from_row(row._replace(expiry_time=None))


def best_of(row: Row, rows: list[Row]) -> Row:
    """Return that one of its owner's rows which a save of this row, without its id, would update."""
    record = record_of(row).changed(id=None)
    by_id = {other.id: other for other in rows}
    records = [record_of(other) for other in rows]
    chosen = (matching.choose_to_update(record, key, records) for key in matching.keys_to_save(record))
    found = next((record for record in chosen if record is not None), None)
    return row if found is None or found.id is None else by_id[found.id]


def is_same_user(row: Row, other: Row) -> bool:
    """Tell whether two clear rows with one id are those of one user and client.

    Their names say so, or where one is missing, a token that both have; and nothing contradicts it.
    """
    if content(row) == content(other):
        return any(getattr(row, name) is not None for name in _PROOFS)
    one, two = record_of(row), record_of(other)
    if not matching.same_person(one, two):
        return False
    proofs = ((getattr(one, name), getattr(two, name)) for name in _PROOFS)
    return any(mine is not None and mine == theirs for mine, theirs in proofs)


def has_key(row: Row) -> bool:
    """Tell whether a clear row can be found by something else than its id."""
    return bool(matching.keys_to_save(record_of(row).changed(id=None)))


def content(row: Row) -> Content:
    """Return what is compared of a clear row. Some storages cannot tell empty texts from missing ones."""
    texts: tuple[Any, ...] = row[: len(COLUMNS)]
    return tuple(text or None for text in texts) if "" in texts else texts


def times(row: Row) -> tuple[int | None, ...]:
    """Return the bookkeeping of a row."""
    noted: tuple[Any, ...] = row[len(COLUMNS) : len(COLUMNS) + len(BOOKKEEPING)]
    return noted


def _may_be_owned(record: TokenRecord, stored: Found) -> bool:
    """Tell whether a row that cannot be read may be the record's owner's, by what of it is in clear."""
    if isinstance(stored, UnreadableRow):
        return True
    return matching.same_owner(record, record_of(stored))
