"""All rows of a store sealed under the newest key, while other processes use it.

Each row is one compare-and-set, so whoever changes it meanwhile loses nothing, and whoever stops
this half-way has a store that every ring with both keys reads. Run again, it goes on with what is
left: a row that is under the newest key already is opened, and not written again.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.keyring import CLEAR, KeyRing
from zoho_tokenstore.crypto.sealing import Sealed
from zoho_tokenstore.errors import (
    ConfigurationError,
    InvalidTokenError,
    RowChangedError,
    SealingError,
    TokenStoreError,
    UnreadableRowError,
    forget_values,
)
from zoho_tokenstore.records import SECRET_COLUMNS, Found, Row, UnreadableRow

_PATIENCE: Final = 10.0
"""For how many seconds a row is tried again while others keep changing it."""

MOST_PASSES: Final = 5
"""How often the store is gone through while others go on writing under an older key."""


@dataclass
class Resealing:
    """How far it has come.

    `rows` are those looked at in this pass, `sealed` those that were sealed under the newest key,
    `refused` the ids of rows that do not open, `unreadable` those of what is no row; both were left as
    they are. `late` is how many the last pass still had to seal: other processes have not got the
    newest key, or do not use it yet.
    """

    passes: int = 0
    rows: int = 0
    sealed: int = 0
    late: int = 0
    refused: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Tell whether every row is sealed under the newest key."""
        return not (self.late or self.refused or self.unreadable)


OnProgress = Callable[[Resealing], object]


def reseal(backend: Backend, keys: KeyRing, *, on_progress: OnProgress = lambda _: None) -> Resealing:
    """Seal every row under the newest key, then let the storage overwrite what it kept of old ones.

    It is to be run until `is_complete`: the last pass has found nothing to do, and has read all rows.

    Arguments:
        backend: the storage.
        keys: the ring, with the keys that rows are under now; for clear rows with ``"clear"``.
        on_progress: called after every row.

    Raises:
        ConfigurationError: the newest key of the ring is none: it leaves secrets clear.
        BackendError: the storage failed. What was done stays; run it again.
    """
    if keys.now.newest is None:
        raise ConfigurationError("The newest of the keys is 'clear': put a key before it, to seal with.")
    sealing, state = Sealed(keys), Resealing()
    while state.passes < MOST_PASSES:
        state.passes, state.rows, state.late = state.passes + 1, 0, 0
        try:
            _go_through(backend, sealing, state, on_progress)
        except TokenStoreError as error:
            forget_values(error)  # rows that were clear yet
            raise
        if not state.late:
            break
    scrub = getattr(backend, "scrub", None)
    if scrub is not None:
        scrub()
    return state


def _go_through(backend: Backend, sealing: Sealed, state: Resealing, on_progress: OnProgress) -> None:
    for found in backend.scan():
        state.rows += 1
        _go_on(backend, sealing, found, state)
        on_progress(state)


def _go_on(backend: Backend, sealing: Sealed, found: Found, state: Resealing) -> None:
    state.refused.discard(found.id)
    state.unreadable.discard(found.id)
    if isinstance(found, UnreadableRow):
        state.unreadable.add(found.id)
        return
    try:
        changed = _reseal_row(backend, sealing, found)
    except SealingError:
        state.refused.add(found.id)
    except RowChangedError:  # by others, again and again: for the next pass
        state.late += 1
    except (InvalidTokenError, UnreadableRowError):
        state.unreadable.add(found.id)
    else:
        state.sealed += changed
        state.late += changed


def _reseal_row(backend: Backend, sealing: Sealed, row: Row | None) -> bool:
    """Seal one row anew unless that is done, or it is gone; return whether it was."""
    deadline = time.monotonic() + _PATIENCE
    while row is not None:
        clear = sealing.open(row)
        if sealing.is_current(row, clear):
            return False
        try:
            backend.write(sealing.seal(clear), expect=row.etag)
        except RowChangedError:
            if time.monotonic() > deadline:
                raise
            # Jitter against lockstep, not a secret.
            time.sleep(random.uniform(0.001, 0.02))  # noqa: S311
            row = backend.load(row.id)
        else:
            return True
    return False


@dataclass
class Stock:
    """What a store holds: how many rows are under each key, by its id or as ``"clear"``.

    `unreadable` are the ids of what is no row, and counts under no key.
    """

    rows: int = 0
    by_key: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def take_stock(backend: Backend, keys: KeyRing | None = None) -> Stock:
    """Count the rows of a store by the keys of their secrets.

    Arguments:
        backend: the storage.
        keys: if given, every row is opened, and those that do not are listed as `refused`.
    """
    stock, sealing = Stock(), None if keys is None else Sealed(keys)
    for row in backend.scan():
        stock.rows += 1
        if isinstance(row, UnreadableRow):
            stock.unreadable.append(row.id)
            continue
        stock.by_key.update(_key_ids(row))
        if sealing is not None and not _opens(sealing, row):
            stock.refused.append(row.id)
    return stock


def _key_ids(row: Row) -> set[str]:
    """Return under what a row is kept: one key, in clear, or a mixture that somebody has made."""
    texts = [text for name in SECRET_COLUMNS if (text := getattr(row, name))]
    return {values.key_id_of(text) if values.is_sealed(text) else CLEAR for text in texts} or {CLEAR}


def _opens(sealing: Sealed, row: Row) -> bool:
    try:
        clear = sealing.open(row)
    except SealingError:
        return False
    return sealing.finds(row, clear)
