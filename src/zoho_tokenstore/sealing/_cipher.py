"""For the repository: rows are sealed before a backend gets them, and opened when it returns them.

Without keys `NullCipher` does as little as possible, and imports no cryptography.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from zoho_tokenstore.backend import Backend, SupportsSample
from zoho_tokenstore.errors import BackendError, ConfigurationError, InvalidTokenError, SealingError
from zoho_tokenstore.records import LOOKUPS, NO_DIGESTS, SECRET_COLUMNS, Found, Row
from zoho_tokenstore.sealing import _format as values
from zoho_tokenstore.sealing._format import HEADING
from zoho_tokenstore.sealing._sources import VARIABLE

if TYPE_CHECKING:
    from zoho_tokenstore.sealing import KeysArg
    from zoho_tokenstore.sealing._keys import SealingKey
    from zoho_tokenstore.sealing._keyset import Keyset

REQUIRED: Final = "required"
"""Instead of keys: those of the environment, where having none is a mistake."""

_SAMPLE: Final = 20
"""How many rows show how a store is kept. One alone shows nothing: anybody may have written it."""

_BEFORE_OURS: Final = "9"
"""How our own ids begin (`_ids.candidate_ids`). Zoho's programs number theirs from 1."""

_DIGESTED: Final = tuple(index for index in LOOKUPS if index in SECRET_COLUMNS)

_told_of_clear: Final[set[str]] = set()

_log: Final = logging.getLogger("zoho_tokenstore")


class Cipher(Protocol):
    """How a store's secrets are kept."""

    def open(self, row: Row) -> Row:
        """Return a stored row with its secrets unsealed, or raise a `SealingError`."""

    def seal(self, row: Row) -> Row:
        """Return a row of unsealed secrets as it is stored."""

    def lookup_keys(self, index: str, value: str) -> list[str]:
        """Return the strings under which a backend finds a value."""

    def reload(self) -> bool:
        """Return whether the keys have changed, so that looking again makes sense."""

    def matches_mode(self, row: Row) -> bool:
        """Return whether a stored row is kept like this, by its form alone."""


def cipher_for(keys: KeysArg | None, location: str) -> Cipher:
    """Return how a store given `keys` keeps its secrets.

    `None` means the contents of ``ZOHO_TOKENSTORE_KEYS``; if it is not set, secrets are stored unsealed,
    unless keys are ``"required"``. A variable that is set but empty is refused: that is how a key that
    did not arrive looks.
    """
    is_set = VARIABLE in os.environ
    if keys == REQUIRED and isinstance(keys, str):
        if not is_set:
            raise ConfigurationError(
                f"Sealing keys are required for {location}, and there are none: {VARIABLE} is not set. "
                "Set it, or pass keys=."
            )
        keys = None
    if keys is None and not is_set:
        return NullCipher()
    from zoho_tokenstore.sealing._keyset import Keyset

    ring = Keyset.from_environment() if keys is None else Keyset.of(keys)
    if ring.current.accepts_clear and location not in _told_of_clear:
        _told_of_clear.add(location)  # once, even if a store is opened for every request
        _log.warning(
            "The sealing keys of %s accept unsealed secrets ('clear' is among them): anyone who can write "
            "there can plant a token. Remove 'clear' when all rows are sealed.",
            location,
        )
    return AESGCMCipher(ring)


def refusal(row_id: str) -> SealingError:
    """Return the one error for everything that does not open, whatever the reason."""
    return SealingError(
        f"The secrets of row {row_id!r} do not open with the keys given here, if any. "
        "A key is missing or wrong, or the row is not as it was sealed; nothing was changed. "
        "To find out, run: zoho-tokens keys status --verify",
        row_id=row_id,
    )


def check_store(backend: Backend, cipher: Cipher) -> None:
    """Refuse a store that is kept differently: it would become a mixture, or seem empty.

    That is one in which none of the first rows, nor of the first with our ids, is kept like this. A
    single unsealed row proves nothing: any program may have written it.
    """
    rows: list[Row] = []
    try:
        for row in _sample(backend):
            if cipher.matches_mode(row):
                return
            rows.append(row)
    except BackendError:  # a reader of a row gets the error; a write raises its own
        return
    if not rows or (len(rows) == 1 and not has_box(rows[0])):
        return
    cipher.reload()  # or another thread has
    if not any(map(cipher.matches_mode, rows)):
        raise refusal(rows[0].id)


def _sample(backend: Backend) -> Iterator[Row]:
    """Yield rows that show how a store is kept, each once; the first that fits is enough."""
    found = backend.sample(_SAMPLE) if isinstance(backend, SupportsSample) else _first_ones(backend)
    return (row for row in found if isinstance(row, Row))


def _first_ones(backend: Backend) -> Iterator[Found]:
    seen = set()
    for after in (None, _BEFORE_OURS):
        for found in islice(backend.scan(after=after, limit=_SAMPLE), _SAMPLE):
            if found.id not in seen:
                seen.add(found.id)
                yield found


def has_box(row: Row) -> bool:
    """Return whether anything in a row has the form of a sealed one."""
    for text in row[3:7]:  # noqa: SIM110  # for every row that is read: `any` takes twice as long
        if text and text.startswith(values.FAMILY) and values.is_sealed(text):
            return True
    return False


class NullCipher:
    """Secrets as they are."""

    def open(self, row: Row) -> Row:
        if has_box(row):
            raise refusal(row.id)
        return row

    def seal(self, row: Row) -> Row:
        if has_box(row):
            column = next(name for name in SECRET_COLUMNS if values.is_sealed(getattr(row, name) or ""))
            raise InvalidTokenError(
                f"{column} is a sealed value of a store, not what Zoho issued. "
                "Read it through a store that has the key."
            )
        return row._replace(digests=NO_DIGESTS) if row.digests else row

    def lookup_keys(self, index: str, value: str) -> list[str]:  # noqa: ARG002
        return [value]

    def reload(self) -> bool:
        return False

    def matches_mode(self, row: Row) -> bool:
        return not has_box(row)


class AESGCMCipher:
    """Rows sealed under a ring of keys."""

    def __init__(self, keys: Keyset) -> None:
        self.keys: Final = keys

    def open(self, row: Row) -> Row:
        clear = self._opened(row)
        if clear is None:  # raised here, where a traceback with its values shows no secret
            raise refusal(row.id)
        return clear

    def _opened(self, row: Row) -> Row | None:
        box = row.client_secret
        key = self.keys.current.by_heading.get(box[:HEADING]) if box else None
        if row.refresh_token or row.access_token or row.grant_token:
            key = None
        elif key is None and box and values.is_sealed(box):
            key = self._sought(box)
        if key is None or box is None:
            return row if self.keys.current.accepts_clear and not has_box(row) else None
        content = key.unseal(box, values.associated_data(row))
        return None if content is None else values.with_content(row, content)

    def seal(self, row: Row) -> Row:
        self.keys.reload()
        key = self.keys.current.newest
        if key is None:
            return NullCipher().seal(row)
        box = key.seal(values.content_of(row), values.associated_data(row))
        return values.with_box(row, box, _digests_of(row, key))

    def lookup_keys(self, index: str, value: str) -> list[str]:
        if index not in SECRET_COLUMNS:
            return [value]
        ring = self.keys.current
        return [value if key is None else key.digest(index, value) for key in ring.keys]

    def reload(self) -> bool:
        return self.keys.reload(at_once=True)

    def matches_mode(self, row: Row) -> bool:
        ring = self.keys.current
        if not has_box(row):
            return ring.accepts_clear
        return (row.client_secret or "")[:HEADING] in ring.by_heading

    def is_current(self, row: Row, clear: Row) -> bool:
        """Return whether a stored row is sealed under the newest key, and found by each of its secrets."""
        return self.keys.current.newest is None or (self.is_under_newest(row) and self.finds(row, clear))

    def is_under_newest(self, row: Row) -> bool:
        """Return whether a stored row is sealed under the newest key."""
        key = self.keys.current.newest
        return key is not None and (row.client_secret or "").startswith(key.heading)

    def finds(self, row: Row, clear: Row) -> bool:
        """Return whether a stored row that opens is found by each of its secrets, and by nothing else."""
        key = self.keys.current.by_heading.get((row.client_secret or "")[:HEADING])
        return dict(row.digests) == ({} if key is None else _digests_of(clear, key))

    def _sought(self, box: str) -> SealingKey | None:
        """Return the key of a box that another process may have begun to use, if available."""
        self.keys.reload(missing=True)  # or another thread has
        return self.keys.current.by_heading.get(box[:HEADING])


def _digests_of(clear: Row, key: SealingKey) -> dict[str, str]:
    return {index: key.digest(index, value) for index in _DIGESTED if (value := getattr(clear, index))}
