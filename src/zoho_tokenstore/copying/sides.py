"""The two stores of a copy, and how their rows are compared."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from zoho_tokenstore import matching
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto.sealing import Sealing, opened
from zoho_tokenstore.records import BOOKKEEPING, COLUMNS, Row, TokenRecord, check_text, record_from_row

Content = tuple[str | None, ...]

_PROOFS: Final = ("user_name", "refresh_token", "grant_token", "access_token")


class Side:
    """A store: a storage, and how secrets are kept in it. Rows come out in clear, with their etags.

    Every method raises a `SealingError` if a row does not open.
    """

    def __init__(self, backend: Backend, sealing: Sealing) -> None:
        self.backend = backend
        self._sealing = sealing

    def open(self, stored: Row) -> Row:
        """Return a stored row in clear."""
        return opened(self._sealing, stored)

    def load(self, row_id: str) -> Row | None:
        """Return the row with this id."""
        stored = self.backend.load(row_id)
        return None if stored is None else self.open(stored)

    def rows_of_owner(self, record: TokenRecord) -> list[Row]:
        """Return the rows that a save of `record`, without its id, could update."""
        for key in matching.keys_of(record.changed(id=None)):
            texts = self._sealing.lookup_keys(key.index, key.value)
            rows = map(self.open, self.backend.find(key.index, *texts))
            found = [row for row in rows if matching.choose_to_update(record, key, [record_of(row)])]
            if found:
                return found
        return []

    def write(self, row: Row, expect: object) -> object:
        """Write a clear row, sealed as this side has it, and return its etag.

        Raises:
            RowChangedError: the stored row is not that with the etag `expect`.
        """
        return self.backend.write(self._sealing.seal(row), expect=expect)


def side_by_side(
    source: Iterator[Row], destination: Iterator[Row]
) -> Iterator[tuple[Row | None, Row | None]]:
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


def record_of(row: Row) -> TokenRecord:
    """Return the token in a clear row, for its owner: without its expiry, which may be anything."""
    return record_from_row(row._replace(expiry_time=None))


def best_of(row: Row, rows: list[Row]) -> Row:
    """Return that one of its owner's rows which a save of this row, without its id, would update."""
    record = record_of(row).changed(id=None)
    by_id = {other.id: other for other in rows}
    records = [record_of(other) for other in rows]
    chosen = (matching.choose_to_update(record, key, records) for key in matching.keys_of(record))
    found = next((record for record in chosen if record is not None), None)
    return row if found is None or found.id is None else by_id[found.id]


def is_same_login(row: Row, other: Row) -> bool:
    """Tell whether two clear rows with one id are those of one user and client.

    Their names say so, or where one is missing, a token that both have; and nothing contradicts it.
    """
    one, two = record_of(row), record_of(other)
    if not matching.same_person(one, two):
        return False
    proofs = ((getattr(one, name), getattr(two, name)) for name in _PROOFS)
    return any(mine is not None and mine == theirs for mine, theirs in proofs)


def has_key(row: Row) -> bool:
    """Tell whether a clear row can be found by something else than its id."""
    return bool(matching.keys_of(record_of(row).changed(id=None)))


def content(row: Row) -> Content:
    """Return what is compared of a clear row. Some storages cannot tell empty texts from missing ones."""
    texts: tuple[Any, ...] = row[: len(COLUMNS)]
    return tuple(text or None for text in texts)


def times(row: Row) -> tuple[int | None, ...]:
    """Return the bookkeeping of a row."""
    noted: tuple[Any, ...] = row[len(COLUMNS) : len(COLUMNS) + len(BOOKKEEPING)]
    return noted
