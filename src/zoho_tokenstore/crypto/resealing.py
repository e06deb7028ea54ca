"""All rows of a store sealed under the newest key, while other processes use it.

Each row is one compare-and-set, so whoever changes it meanwhile loses nothing, and whoever stops
this half-way has a store that every ring with both keys reads. Run again, it goes on with what is
left: a row that is under the newest key already is passed over by its form.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from zoho_tokenstore.backend import Backend
from zoho_tokenstore.crypto import values
from zoho_tokenstore.crypto.keyring import CLEAR, KeyRing
from zoho_tokenstore.crypto.sealing import Sealed, opened, secrets_of
from zoho_tokenstore.errors import ConfigurationError, RowChangedError, SealingError
from zoho_tokenstore.records import Row

MOST_PASSES: Final = 5
"""How often the store is gone through while others go on writing under an older key."""


@dataclass
class Resealing:
    """How far it has come.

    `rows` are those looked at in this pass, `sealed` those that were sealed under the newest key,
    `refused` the ids of rows that do not open and were left as they are, `late` how many the last
    pass still had to seal: other processes have not got the newest key, or do not use it yet.
    """

    passes: int = 0
    rows: int = 0
    sealed: int = 0
    late: int = 0
    refused: set[str] = field(default_factory=set)


OnProgress = Callable[[Resealing], object]


def reseal(backend: Backend, keys: KeyRing, *, on_progress: OnProgress = lambda _: None) -> Resealing:
    """Seal every row under the newest key, then let the storage overwrite what it kept of old ones.

    It is to be run until `late` is 0: the last pass has found nothing to do.

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
        for row in backend.scan():
            state.rows += 1
            _go_on(backend, sealing, row, state)
            on_progress(state)
        if not state.late:
            break
    scrub = getattr(backend, "scrub", None)
    if scrub is not None:
        scrub()
    return state


def _go_on(backend: Backend, sealing: Sealed, row: Row, state: Resealing) -> None:
    try:
        changed = _reseal_row(backend, sealing, row)
    except SealingError:
        state.refused.add(row.id)
        return
    state.refused.discard(row.id)
    state.sealed += changed
    state.late += changed


def _reseal_row(backend: Backend, sealing: Sealed, row: Row | None) -> bool:
    """Seal one row anew unless that is done, or it is gone; return whether it was."""
    while row is not None and not sealing.is_current(row):
        try:
            backend.write(sealing.seal(opened(sealing, row)), expect=row.etag)
        except RowChangedError:
            row = backend.load(row.id)
        else:
            return True
    return False


@dataclass
class Stock:
    """What a store holds: how many rows have secrets under each key, by its id or as ``"clear"``."""

    rows: int = 0
    by_key: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)


def take_stock(backend: Backend, keys: KeyRing | None = None) -> Stock:
    """Count the rows of a store by the keys of their secrets.

    Arguments:
        backend: the storage.
        keys: if given, every row is opened, and those that do not are listed as `refused`.
    """
    stock, sealing = Stock(), None if keys is None else Sealed(keys)
    for row in backend.scan():
        stock.rows += 1
        stock.by_key.update({_key_id(text) for text in secrets_of(row) if text})
        if sealing is not None and not _opens(sealing, row):
            stock.refused.append(row.id)
    return stock


def _key_id(text: str) -> str:
    return values.key_id_of(text) if values.is_sealed(text) else CLEAR


def _opens(sealing: Sealed, row: Row) -> bool:
    try:
        clear = opened(sealing, row)
    except SealingError:
        return False
    return sealing.finds(row, clear)
