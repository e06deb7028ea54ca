"""What the repository asks for: rows sealed before a backend gets them, and opened when it returns them.

Without keys `Clear` does as little as can be, and imports no cryptography.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Final, Protocol

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.crypto.values import HEADING
from zoho_tokenstore.errors import BackendError, InvalidTokenError, SealingError
from zoho_tokenstore.records import LOOKUPS, NO_DIGESTS, SECRET_COLUMNS, Row, TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.crypto.keys import Key

Secrets = tuple[str | None, ...]
_NOTHING: Final[Secrets] = (None,) * len(SECRET_COLUMNS)
_secrets: Final = attrgetter(*SECRET_COLUMNS)
_new: Final = tuple.__new__


class Sealing(Protocol):
    """How the secrets of a store are kept."""

    def open(self, row: Row) -> Secrets:
        """Return the clear secrets of a stored row, in the order of `SECRET_COLUMNS`.

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
    A variable that is set and empty is refused: so looks a key that did not arrive.
    """
    if keys is None and VARIABLE not in os.environ:
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

    One row is looked at, the first or the backend's `sample()`. If it cannot be read, nothing is known.

    Raises:
        SealingError: its secrets are sealed and there are no keys, or other ones, or they are clear.
    """
    try:
        sample = getattr(backend, "sample", None)
        first = next(iter(backend.scan(limit=1)), None) if sample is None else sample()
    except BackendError:  # whoever wants that row is told; the others are not affected
        return
    if first is None or sealing.suits(first):
        return
    sealing.renewed()  # or another thread has done so
    if not sealing.suits(first):
        raise refusal(first.id)


def secrets_of(row: Row) -> Secrets:
    """Return a row's secrets, in the order of `SECRET_COLUMNS`."""
    return row[3:7]  # where `ROW_FIELDS` has them, side by side


def opened(sealing: Sealing, row: Row) -> Row:
    """Return a stored row with clear secrets, which it is found by."""
    return with_secrets(row, sealing.open(row))._replace(digests=NO_DIGESTS)


def with_secrets(row: Row, secrets: Secrets) -> Row:
    """Return the row with these secrets in the place of its own."""
    return _new(Row, row[:3] + secrets + row[7:])  # not by the class: it would check them again


def _still_good(
    row: Row, stored: Row | None, known: TokenRecord | None, key: Key, place: bytes
) -> Sequence[str | None]:
    """Return the stored texts that can stay, in their order: unchanged secrets under the newest key."""
    if stored is None or known is None or values.place_of(stored) != place:
        return _NOTHING
    return [
        text if text and value == before and _is_under(text, key) else None
        for text, value, before in zip(secrets_of(stored), secrets_of(row), _secrets(known), strict=True)
    ]


def _is_under(text: str, key: Key) -> bool:
    return text.startswith(key.heading)


class Clear:
    """Secrets as they are."""

    def open(self, row: Row) -> Secrets:
        if not self.suits(row):
            raise refusal(row.id)
        return secrets_of(row)

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
        for text in secrets_of(row):  # noqa: SIM110  # for every row that is read: `any` takes twice as long
            if text and values.is_sealed(text):
                return False
        return True


class Sealed:
    """Secrets sealed under a ring of keys."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys: Final = keys

    def open(self, row: Row) -> Secrets:
        secrets, place, key = secrets_of(row), values.place_of(row), self.keys.now.newest
        opened = None if key is None else key.unseal_all(secrets, place)
        if opened is None:
            opened = self._open_each(secrets, place)
        if opened is None:  # and raised here, where a traceback with its values shows no secret
            raise refusal(row.id)
        return opened

    def _open_each(self, secrets: Secrets, place: bytes) -> Secrets | None:
        """Open secrets that are not all under the newest key; `None` if one of them does not open."""
        # All keys first: looking for one can fail, and that traceback would show what was opened before.
        keys = [(self._key_of(text) or self._sought(text)) if text else None for text in secrets]
        opened: list[str | None] = []
        for column, text, key in zip(SECRET_COLUMNS, secrets, keys, strict=True):
            value = self._clear(text) if key is None else key.unseal(text or "", column, place)
            if text and value is None:
                return None
            opened.append(value)
        return tuple(opened)

    def _key_of(self, text: str) -> Key | None:
        return self.keys.now.by_heading.get(text[:HEADING])

    def seal(self, row: Row, stored: Row | None = None, known: TokenRecord | None = None) -> Row:
        self.keys.renewed()
        key = self.keys.now.newest
        if key is None:
            return Clear().seal(row)
        place = values.place_of(row)
        good = _still_good(row, stored, known, key, place)
        sealed: list[str | None] = []
        digests = {}
        for column, value, text in zip(SECRET_COLUMNS, secrets_of(row), good, strict=True):
            if value is None:
                sealed.append(None)
                continue
            sealed.append(text or key.seal(value, column, place))
            if column in LOOKUPS:
                digests[column] = key.digest(column, value)
        return with_secrets(row, tuple(sealed))._replace(digests=digests)

    def lookup_keys(self, index: str, value: str) -> list[str]:
        if index not in SECRET_COLUMNS:
            return [value]
        ring = self.keys.now
        return [value if key is None else key.digest(index, value) for key in ring.keys]

    def renewed(self) -> bool:
        return self.keys.renewed(at_once=True)

    def suits(self, row: Row) -> bool:
        ring = self.keys.now
        return all(
            text[:HEADING] in ring.by_heading if values.is_sealed(text) else ring.accepts_clear
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

    def finds(self, row: Row, clear: Row) -> bool:
        """Tell whether a stored row is found by each of its secrets, and by nothing else."""
        return all(
            row.lookup_key(index) in self.lookup_keys(index, value)
            if (value := getattr(clear, index))
            else not row.lookup_key(index)
            for index in LOOKUPS
            if index in SECRET_COLUMNS
        )

    def _sought(self, text: str) -> Key | None:
        """Return the key of a sealed text that another process may have begun to use, if it can be had."""
        if not values.is_sealed(text):
            return None
        self.keys.renewed(missing=True)  # or another thread has done so
        return self._key_of(text)

    def _clear(self, text: str | None) -> str | None:
        return text if text and self.keys.now.accepts_clear and not values.is_sealed(text) else None
