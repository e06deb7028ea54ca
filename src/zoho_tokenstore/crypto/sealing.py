"""What the repository asks for: rows sealed before a backend gets them, and opened when it returns them.

Without keys `Clear` does as little as can be, and imports no cryptography.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final, Protocol, cast

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.errors import BackendError, InvalidTokenError, SealingError
from zoho_tokenstore.records import LOOKUPS, ROW_FIELDS, SECRET_COLUMNS, Row, TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.crypto.keys import Key

_FIRST: Final = ROW_FIELDS.index(SECRET_COLUMNS[0])
_AFTER: Final = _FIRST + len(SECRET_COLUMNS)  # they stand side by side, in one order

Secrets = tuple[str | None, ...]
_new: Final = tuple.__new__


class Sealing(Protocol):
    """How the secrets of a store are kept."""

    def open(self, row: Row) -> Row:
        """Return a stored row with clear secrets.

        Raises:
            SealingError: one of them is not as it was sealed, or not under a key that is here.
        """

    def seal(self, row: Row, stored: Row | None = None, known: TokenRecord | None = None) -> Row:
        """Return a row as it is to be stored.

        Arguments:
            row: a row with clear secrets.
            stored: the row that it replaces, as it is stored: what is still good of it is kept.
            known: the same one, opened.
        """

    def lookup_keys(self, index: str, value: str) -> list[str]:
        """Return the texts under which a backend finds a value."""

    def renewed(self) -> bool:
        """Tell whether there are other keys than before, so that looking again makes sense."""

    def suits(self, row: Row) -> bool:
        """Tell by its form alone whether a stored row is one of those that are kept like this."""


def sealing_for(keys: Any) -> Sealing:
    """Return how secrets are kept by a store that was given `keys`.

    `None` means what ``ZOHO_TOKENSTORE_KEYS`` holds; if it is not set, secrets are stored in clear.
    """
    if keys is None and not os.environ.get(VARIABLE):
        return Clear()
    from zoho_tokenstore.crypto.keyring import KeyRing

    return Sealed(KeyRing.from_environment() if keys is None else KeyRing.of(keys))


def refusal(row_id: str) -> SealingError:
    """Return the one error for everything that does not open, whatever the reason."""
    return SealingError(
        f"The secrets of row {row_id!r} do not open with the keys that are given here, if any are. "
        "A key is missing or wrong, or the row is not as it was sealed; nothing was changed. "
        "To find out, run: zoho-tokens keys status --verify"
    )


def check_store(backend: Backend, sealing: Sealing) -> None:
    """Refuse a store whose rows are kept in another way: it would become a mixture, or seem empty.

    One row is looked at, the first. If that one cannot be read, nothing is known.

    Raises:
        SealingError: its secrets are sealed and there are no keys, or other ones, or they are clear.
    """
    try:
        first = next(iter(backend.scan(limit=1)), None)
    except BackendError:  # whoever wants that row is told; the others are not affected
        return
    if first is not None and not sealing.suits(first) and not (sealing.renewed() and sealing.suits(first)):
        raise refusal(first.id)


def secrets_of(row: Row) -> Secrets:
    """Return a row's secrets, in the order of `SECRET_COLUMNS`."""
    return cast("Secrets", row[_FIRST:_AFTER])


def with_secrets(row: Row, secrets: Secrets) -> Row:
    """Return the row with these secrets in the place of its own."""
    return _new(Row, row[:_FIRST] + secrets + row[_AFTER:])  # not by the class: it would check them again


def _still_good(row: Row, stored: Row, known: TokenRecord | None, key: Key) -> dict[str, str]:
    """Return the stored texts that can stay: unchanged secrets under the newest key."""
    return {
        column: text
        for column, text in zip(SECRET_COLUMNS, secrets_of(stored), strict=True)
        if text and _is_under(text, key) and getattr(row, column) == getattr(known, column, None)
    }


def _is_under(text: str, key: Key) -> bool:
    return values.is_sealed(text) and values.key_id_of(text) == key.id


class Clear:
    """Secrets as they are."""

    def open(self, row: Row) -> Row:
        if not self.suits(row):
            raise refusal(row.id)
        return row

    def seal(self, row: Row, stored: Row | None = None, known: TokenRecord | None = None) -> Row:  # noqa: ARG002
        for column, text in zip(SECRET_COLUMNS, secrets_of(row), strict=True):
            if text is not None and values.is_sealed(text):
                raise InvalidTokenError(
                    f"{column} is a sealed value of a store, not what Zoho gave out. "
                    "Read it through a store that has the key."
                )
        return row

    def lookup_keys(self, index: str, value: str) -> list[str]:  # noqa: ARG002
        return [value]

    def renewed(self) -> bool:
        return False

    def suits(self, row: Row) -> bool:
        return not any(text is not None and values.is_sealed(text) for text in secrets_of(row))


class Sealed:
    """Secrets sealed under a ring of keys."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys: Final = keys

    def open(self, row: Row) -> Row:
        place = values.place_of(row)
        opened = [
            self._opened(text, column, place, row.id) if text else None
            for column, text in zip(SECRET_COLUMNS, secrets_of(row), strict=True)
        ]
        return with_secrets(row, tuple(opened))

    def seal(self, row: Row, stored: Row | None = None, known: TokenRecord | None = None) -> Row:
        self.keys.renewed()
        key = self.keys.now.newest
        if key is None:
            return Clear().seal(row)
        place = values.place_of(row)
        same_place = stored is not None and values.place_of(stored) == place
        good = _still_good(row, stored, known, key) if stored is not None and same_place else {}
        given = {c: v for c, v in zip(SECRET_COLUMNS, secrets_of(row), strict=True) if v is not None}
        sealed = {c: good.get(c) or values.seal(v, key, c, place) for c, v in given.items()}
        digests = {c: key.digest(c, v) for c, v in given.items() if c in LOOKUPS}
        return with_secrets(row, tuple(map(sealed.get, SECRET_COLUMNS)))._replace(digests=digests)

    def lookup_keys(self, index: str, value: str) -> list[str]:
        if index not in SECRET_COLUMNS:
            return [value]
        ring = self.keys.now
        return [value if key is None else key.digest(index, value) for key in ring.keys]

    def renewed(self) -> bool:
        return self.keys.renewed()

    def suits(self, row: Row) -> bool:
        ring = self.keys.now
        return all(
            values.key_id_of(text) in ring.by_id if values.is_sealed(text) else ring.accepts_clear
            for text in secrets_of(row)
            if text
        )

    def is_current(self, row: Row) -> bool:
        """Tell whether a stored row is sealed under the newest key and found by its digests."""
        key = self.keys.now.newest
        if key is None:
            return True
        return all(
            _is_under(text, key) and (column in row.digests or column not in LOOKUPS)
            for column, text in zip(SECRET_COLUMNS, secrets_of(row), strict=True)
            if text
        )

    def finds(self, row: Row, opened: Row) -> bool:
        """Tell whether the digests of a stored row are those of its secrets."""
        return all(
            digest in self.lookup_keys(column, getattr(opened, column) or "")
            for column, digest in row.digests.items()
        )

    def _opened(self, text: str, column: str, place: bytes, row_id: str) -> str:
        key = self.keys.now.by_id.get(values.key_id_of(text))
        if key is None:
            key = self._sought(text)
        if key is None and not values.is_sealed(text) and self.keys.now.accepts_clear:
            return text
        value = None if key is None else values.unseal(text, key, column, place)
        if value is None:
            raise refusal(row_id)
        return value

    def _sought(self, text: str) -> Key | None:
        """Return the key of a sealed text that another process may have begun to use."""
        if not values.is_sealed(text) or not self.keys.renewed(missing=True):
            return None
        return self.keys.now.by_id.get(values.key_id_of(text))
