"""The two stores of a copy, and how their rows are compared."""

from __future__ import annotations

import contextlib
import itertools
from array import array
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._matching import LookupKey
from zoho_tokenstore.backend import Backend, SupportsRehearsal, SupportsWriteMany
from zoho_tokenstore.errors import (
    BackendError,
    InvalidTokenError,
    RowChangedError,
    SealingError,
    UnreadableRowError,
)
from zoho_tokenstore.records import (
    BOOKKEEPING,
    COLUMNS,
    LONGEST_ID,
    Found,
    Row,
    TokenRecord,
    UnreadableRow,
    check_text,
    record_from_row,
)
from zoho_tokenstore.sealing._cipher import Cipher
from zoho_tokenstore.sealing._signing import signer_for

Content = tuple[str | None, ...]

DOES_NOT_OPEN: Final = "it does not open with the keys of its store"
"""The reason for a row refused because of its seal."""

CONFLICT_TIMEOUT: Final = 10.0
"""For how many seconds a row is tried again while others keep changing it."""

_PAGE: Final = 500
"""How many rows are read ahead."""

_PROOFS: Final = ("user_name", "refresh_token", "grant_token", "access_token")


class Owned(NamedTuple):
    """An owner's rows, unsealed, and those of them that cannot be read."""

    rows: list[Row]
    unreadable: list[UnreadableRow]


class Endpoint:
    """A store: a storage, and how its secrets are kept.

    Rows come out unsealed, with their etags. One that is not a row, or does not open, comes out as an
    `UnreadableRow`: it is reported, and harms no other.
    """

    def __init__(self, backend: Backend, cipher: Cipher) -> None:
        self.backend = backend
        self._cipher = cipher
        self.signer: Final = signer_for(cipher)
        self._bulk = backend if isinstance(backend, SupportsWriteMany) else None
        self.writes_many = self._bulk is not None

    def open(self, found: Found) -> Found:
        """Return what a storage found, unsealed, or why that is impossible."""
        if isinstance(found, UnreadableRow):
            return found
        try:
            return self._cipher.open(found)
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

    def lookup_keys(self, key: LookupKey) -> list[str]:
        """Return the strings under which the storage finds a key."""
        return self._cipher.lookup_keys(key.index, key.value)

    def write_many(self, rows: Sequence[Row]) -> Sequence[object]:
        """Write new unsealed rows, if it `writes_many`; return their etags, `None` for one not written."""
        return () if self._bulk is None else self._bulk.write_many([self._cipher.seal(row) for row in rows])

    def write(self, row: Row, expect: object) -> object:
        """Write an unsealed row, sealed for this side, and return its etag."""
        return self.backend.write(self._cipher.seal(row), expect=expect)

    def refuse_retired(self, row: Row) -> None:
        """Raise a `RetiredIdError` if a deleted row had this id, as far as that shows without a write."""
        if isinstance(self.backend, SupportsRehearsal):
            with contextlib.suppress(RowChangedError):
                self.backend.rehearse(self._cipher.seal(row), expect=None)


class KnownVersions:
    """The versions of a destination's rows that a copy has found or written: eight bytes for each."""

    def __init__(self) -> None:
        self._marks = array("q")

    def add(self, row_id: str, etag: object) -> None:
        """Note a version."""
        self._marks.append(hash((row_id, etag)))

    def __contains__(self, row: Row) -> bool:
        return hash((row.id, row.etag)) in self._marks


def read_ahead(rows: Iterator[Found]) -> Iterator[Found]:
    """Yield rows while a thread reads the next ones; what was read before a failure comes first."""

    def read() -> tuple[list[Found], BackendError | None]:
        page: list[Found] = []
        try:
            page.extend(itertools.islice(rows, _PAGE))
        except BackendError as error:
            return page, error
        return page, None

    with ThreadPoolExecutor(1, thread_name_prefix="zoho-tokenstore-copy") as reader:
        page, error = reader.submit(read).result()
        while page and error is None:
            ahead = reader.submit(read)
            yield from page
            page, error = ahead.result()
        yield from page
        if error is not None:
            raise error


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
    if _is_plain(row):
        return
    for name in COLUMNS:
        value = getattr(row, name)
        if value is not None:
            check_text(name, value)


def _is_plain(row: Row) -> bool:
    """Return whether one look at all strings together finds nothing to check, as for nearly every row."""
    texts = [text for text in row[: len(COLUMNS)] if text is not None]
    if not {str}.issuperset(map(type, texts)):
        return False
    joined = "".join(map(str, texts))
    return joined.isascii() and "\0" not in joined and len(row.id) <= LONGEST_ID


def is_sound(row: Row) -> bool:
    """Return whether `check` accepts a row."""
    try:
        check(row)
    except InvalidTokenError:
        return False
    return True


def record_of(row: Row) -> TokenRecord:
    """Return the token in an unsealed row, for its owner: without expiry, which may be anything."""
    return record_from_row(row._replace(expiry_time=None))


def best_of(row: Row, rows: list[Row]) -> Row:
    """Return the one of its owner's rows that a save of this row, without its id, would update."""
    record = record_of(row).changed(id=None)
    by_id = {other.id: other for other in rows}
    records = [record_of(other) for other in rows]
    chosen = (matching.choose_to_update(record, key, records) for key in matching.keys_to_save(record))
    found = next((record for record in chosen if record is not None), None)
    return row if found is None or found.id is None else by_id[found.id]


def is_same_user(row: Row, other: Row) -> bool:
    """Return whether two unsealed rows with one id belong to one user and client.

    Their names say so, or if one is missing, a token that both have; and nothing contradicts it.
    """
    if content(row) == content(other):
        return any(getattr(row, name) is not None for name in _PROOFS)
    one, two = record_of(row), record_of(other)
    if not matching.same_person(one, two):
        return False
    proofs = ((getattr(one, name), getattr(two, name)) for name in _PROOFS)
    return any(mine is not None and mine == theirs for mine, theirs in proofs)


def has_key(row: Row) -> bool:
    """Return whether an unsealed row can be found by more than its id."""
    return bool(matching.keys_to_save(record_of(row).changed(id=None)))


def content(row: Row) -> Content:
    """Return what is compared. Some storages cannot tell empty strings from missing ones."""
    texts: tuple[Any, ...] = row[: len(COLUMNS)]
    return tuple(text or None for text in texts) if "" in texts else texts


def bytes_of(row: Row) -> bytes:
    """Return the content of a row for a digest: with quoted strings, so no two rows have the same."""
    return repr(content(row)).encode()


def times(row: Row) -> tuple[int | None, ...]:
    """Return the bookkeeping of a row."""
    noted: tuple[Any, ...] = row[len(COLUMNS) : len(COLUMNS) + len(BOOKKEEPING)]
    return noted


def _may_be_owned(record: TokenRecord, stored: Found) -> bool:
    """Return whether an unreadable row may be the record's owner's, by its unsealed part."""
    if isinstance(stored, UnreadableRow):
        return True
    return matching.same_owner(record, record_of(stored))
