"""What the repository asks for: rows sealed before a backend gets them, and opened when it returns them.

Without keys `Clear` does as little as can be, and imports no cryptography.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, Protocol

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.crypto.values import HEADING
from zoho_tokenstore.errors import BackendError, ConfigurationError, InvalidTokenError, SealingError
from zoho_tokenstore.records import LOOKUPS, NO_DIGESTS, SECRET_COLUMNS, Found, Row

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing
    from zoho_tokenstore.crypto.keys import Key

REQUIRED: Final = "required"
"""In the place of keys: those of the environment, and none is a mistake."""

_SAMPLE: Final = 20
"""How many rows tell how a store is kept. A single one tells nothing: it may be anybody's."""

_BEFORE_OURS: Final = "9"
"""What our own ids begin with (`matching.candidate_ids`). Zoho's programs number theirs from 1."""

_DIGESTED: Final = tuple(index for index in LOOKUPS if index in SECRET_COLUMNS)

_told_of_clear: Final[set[str]] = set()

_log: Final = logging.getLogger("zoho_tokenstore")


class Sealing(Protocol):
    """How the secrets of a store are kept."""

    def open(self, row: Row) -> Row:
        """Return a stored row with clear secrets.

        Raises:
            SealingError: it is not as it was sealed, or not under a key that is here.
        """

    def seal(self, row: Row) -> Row:
        """Return a row with clear secrets as it is to be stored."""

    def lookup_keys(self, index: str, value: str) -> list[str]:
        """Return the texts under which a backend finds a value."""

    def renewed(self) -> bool:
        """Tell whether there are other keys than before, so that looking again makes sense."""

    def suits(self, row: Row) -> bool:
        """Tell by its form alone whether a stored row is one of those that are kept like this."""


def sealing_for(keys: Any, location: str) -> Sealing:
    """Return how secrets are kept by a store that was given `keys`.

    `None` means what ``ZOHO_TOKENSTORE_KEYS`` holds; if it is not set, secrets are stored in clear,
    unless keys are ``"required"``. A variable that is set and empty is refused: so looks a key that
    did not arrive.
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
        return Clear()
    from zoho_tokenstore.crypto.keyring import KeyRing

    ring = KeyRing.from_environment() if keys is None else KeyRing.of(keys)
    if ring.now.accepts_clear and location not in _told_of_clear:
        _told_of_clear.add(location)  # once, also where a store is opened for every request
        _log.warning(
            "The sealing keys of %s accept secrets in clear ('clear' is among them): whoever can write "
            "there can plant a token. Take 'clear' out when all rows are sealed.",
            location,
        )
    return Sealed(ring)


def refusal(row_id: str) -> SealingError:
    """Return the one error for everything that does not open, whatever the reason."""
    return SealingError(
        f"The secrets of row {row_id!r} do not open with the keys that are given here, if any are. "
        "A key is missing or wrong, or the row is not as it was sealed; nothing was changed. "
        "To find out, run: zoho-tokens keys status --verify",
        row_id=row_id,
    )


def check_store(backend: Backend, sealing: Sealing) -> None:
    """Refuse a store that is kept in another way: it would become a mixture, or seem empty.

    That is one in which neither one of the first rows nor one of the first with our ids is kept like
    this. A single row in clear proves nothing: any program may have written it.

    Raises:
        SealingError: the rows are sealed and there are no keys, or other ones, or they are clear.
    """
    rows: list[Row] = []
    try:
        for row in _sample(backend):
            if sealing.suits(row):
                return
            rows.append(row)
    except BackendError:  # whoever wants a row is told; a write tells by itself
        return
    if not rows or (len(rows) == 1 and not has_box(rows[0])):
        return
    sealing.renewed()  # or another thread has done so
    if not any(map(sealing.suits, rows)):
        raise refusal(rows[0].id)


def _sample(backend: Backend) -> Iterator[Row]:
    """Yield rows that tell how a store is kept, each once; the first one that suits is enough."""
    sample = getattr(backend, "sample", None)
    found = _first_ones(backend) if sample is None else sample(_SAMPLE)
    return (row for row in found if isinstance(row, Row))


def _first_ones(backend: Backend) -> Iterator[Found]:
    seen = set()
    for after in (None, _BEFORE_OURS):
        for found in islice(backend.scan(after=after, limit=_SAMPLE), _SAMPLE):
            if found.id not in seen:
                seen.add(found.id)
                yield found


def has_box(row: Row) -> bool:
    """Tell whether something in a row has the form of a sealed one."""
    for text in row[3:7]:  # noqa: SIM110  # for every row that is read: `any` takes twice as long
        if text and values.is_sealed(text):
            return True
    return False


class Clear:
    """Secrets as they are."""

    def open(self, row: Row) -> Row:
        if has_box(row):
            raise refusal(row.id)
        return row

    def seal(self, row: Row) -> Row:
        for column in SECRET_COLUMNS:
            text = getattr(row, column)
            if text is not None and values.is_sealed(text):
                raise InvalidTokenError(
                    f"{column} is a sealed value of a store, not what Zoho gave out. "
                    "Read it through a store that has the key."
                )
        return row._replace(digests=NO_DIGESTS)

    def lookup_keys(self, index: str, value: str) -> list[str]:  # noqa: ARG002
        return [value]

    def renewed(self) -> bool:
        return False

    def suits(self, row: Row) -> bool:
        return not has_box(row)


class Sealed:
    """Rows sealed under a ring of keys."""

    def __init__(self, keys: KeyRing) -> None:
        self.keys: Final = keys

    def open(self, row: Row) -> Row:
        clear = self._opened(row)
        if clear is None:  # and raised here, where a traceback with its values shows no secret
            raise refusal(row.id)
        return clear

    def _opened(self, row: Row) -> Row | None:
        box = row.client_secret
        key = self.keys.now.by_heading.get(box[:HEADING]) if box else None
        if row.refresh_token or row.access_token or row.grant_token:
            key = None
        elif key is None and box and values.is_sealed(box):
            key = self._sought(box)
        if key is None or box is None:
            return row if self.keys.now.accepts_clear and not has_box(row) else None
        content = key.unseal(box, values.place_of(row))
        return None if content is None else values.with_content(row, content)

    def seal(self, row: Row) -> Row:
        self.keys.renewed()
        key = self.keys.now.newest
        if key is None:
            return Clear().seal(row)
        return row._replace(
            client_secret=key.seal(values.content_of(row), values.place_of(row)),
            refresh_token=None,
            access_token=None,
            grant_token=None,
            digests=_digests_of(row, key),
        )

    def lookup_keys(self, index: str, value: str) -> list[str]:
        if index not in SECRET_COLUMNS:
            return [value]
        ring = self.keys.now
        return [value if key is None else key.digest(index, value) for key in ring.keys]

    def renewed(self) -> bool:
        return self.keys.renewed(at_once=True)

    def suits(self, row: Row) -> bool:
        ring = self.keys.now
        if not has_box(row):
            return ring.accepts_clear
        return (row.client_secret or "")[:HEADING] in ring.by_heading

    def is_current(self, row: Row, clear: Row) -> bool:
        """Tell whether a stored row is sealed under the newest key, and found by each of its secrets."""
        key = self.keys.now.newest
        return key is None or ((row.client_secret or "").startswith(key.heading) and self.finds(row, clear))

    def finds(self, row: Row, clear: Row) -> bool:
        """Tell whether a stored row that opens is found by each of its secrets, and by nothing else."""
        key = self.keys.now.by_heading.get((row.client_secret or "")[:HEADING])
        return dict(row.digests) == ({} if key is None else _digests_of(clear, key))

    def _sought(self, box: str) -> Key | None:
        """Return the key of a box that another process may have begun to use, if it can be had."""
        self.keys.renewed(missing=True)  # or another thread has done so
        return self.keys.now.by_heading.get(box[:HEADING])


def _digests_of(clear: Row, key: Key) -> dict[str, str]:
    return {index: key.digest(index, value) for index in _DIGESTED if (value := getattr(clear, index))}
