"""All rows of a store sealed under the newest key, while other processes use it.

Each row is one compare-and-set, so anyone who changes it meanwhile loses nothing, and if this stops
partway, every ring with both keys reads the store. Run again, it continues with what is left: a row
already under the newest key is opened, but not rewritten. Tokens that are remembered beside the leases,
to be revoked yet, are sealed with them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from zoho_tokenstore._unrevoked import Entry, RememberedTokens
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.audit import emitter_of
from zoho_tokenstore.backend import Backend, SupportsLeases, SupportsScrub
from zoho_tokenstore.errors import (
    ConfigurationError,
    InvalidTokenError,
    RowChangedError,
    SealingError,
    TokenStoreError,
    UnreadableRowError,
    forget_values,
)
from zoho_tokenstore.events import EventKind, OnEvent
from zoho_tokenstore.records import SECRET_COLUMNS, Found, Row, TokenRecord, UnreadableRow
from zoho_tokenstore.sealing import _format as values
from zoho_tokenstore.sealing._cipher import AESGCMCipher, Cipher, NullCipher
from zoho_tokenstore.sealing._keyset import CLEAR, Keyset
from zoho_tokenstore.sealing._signing import KeysetSigner

_CONFLICT_TIMEOUT: Final = 10.0
"""For how many seconds a row is tried again while others keep changing it."""

MAX_PASSES: Final = 5
"""How many passes are made while others continue writing under an older key."""


@dataclass
class ResealReport:
    """The progress.

    `rows` are those looked at in this pass, `sealed` those sealed under the newest key, `refused` the
    ids of rows that do not open, `unreadable` those of what is not a row; both were left unchanged.
    `remembered` are tokens that are yet to be revoked: they count in `sealed` and `refused` as well.
    `pending` is how many the last pass still had to seal: other processes do not have the newest key, or
    do not use it yet.
    """

    passes: int = 0
    rows: int = 0
    remembered: int = 0
    sealed: int = 0
    pending: int = 0
    refused: set[str] = field(default_factory=set)
    unreadable: set[str] = field(default_factory=set)

    @property
    def is_complete(self) -> bool:
        """Return whether every row is sealed under the newest key."""
        return not (self.pending or self.refused or self.unreadable)


OnProgress = Callable[[ResealReport], object]


def reseal(
    backend: Backend,
    keys: Keyset,
    *,
    on_progress: OnProgress = lambda _: None,
    on_event: OnEvent | None = None,
) -> ResealReport:
    """Seal every row under the newest key, then let the storage overwrite what remained of old ones.

    Run it until `is_complete`: then the last pass found nothing to do, and read all rows.

    Arguments:
        backend: the storage.
        keys: the ring, with the keys that rows are now under; for unsealed rows with ``"clear"``.
        on_progress: called after every row.
        on_event: called with the event `sealed`, which is also in the store's audit trail, if it has one.

    Raises:
        ConfigurationError: the ring's newest key is ``"clear"``, which seals nothing.
        BackendError: the storage failed. What was done stays; run it again.
    """
    if keys.current.newest is None:
        raise ConfigurationError("The newest of the keys is 'clear': put a key before it to seal with.")
    state, emitter = ResealReport(), emitter_of(backend, KeysetSigner(keys), on_event)
    try:
        _pass_until_done(backend, AESGCMCipher(keys), state, on_progress)
    finally:  # what was done stays, whatever ended it
        if state.sealed:
            reason = f"under the key {keys.ids[0]}"
            emitter.emit(EventKind.SEALED, TokenRecord(), count=state.sealed, reason=reason)
    if isinstance(backend, SupportsScrub):
        backend.scrub()
    return state


def _pass_until_done(
    backend: Backend, cipher: AESGCMCipher, state: ResealReport, on_progress: OnProgress
) -> None:
    while state.passes < MAX_PASSES:
        state.passes, state.rows, state.remembered, state.pending = state.passes + 1, 0, 0, 0
        try:
            _go_through(backend, cipher, state, on_progress)
            _go_through_remembered(backend, cipher, state)
        except TokenStoreError as error:
            forget_values(error)  # rows that were not sealed yet
            raise
        if not state.pending:
            break


def _go_through(backend: Backend, cipher: AESGCMCipher, state: ResealReport, on_progress: OnProgress) -> None:
    for found in backend.scan():
        state.rows += 1
        _go_on(backend, cipher, found, state)
        on_progress(state)


def _go_through_remembered(backend: Backend, cipher: AESGCMCipher, state: ResealReport) -> None:
    for tokens, entry in _remembered_in(backend, cipher):
        state.remembered += 1
        if cipher.is_under_newest(entry.row):
            continue
        try:
            tokens.replace(entry, cipher.seal(cipher.open(entry.row)))
        except SealingError:
            state.refused.add(entry.row.id)
        else:
            state.refused.discard(entry.row.id)
            state.sealed += 1
            state.pending += 1


def _remembered_in(backend: Backend, cipher: Cipher) -> Iterator[tuple[RememberedTokens, Entry]]:
    if isinstance(backend, SupportsLeases):  # otherwise they are in the memory of the processes
        tokens = RememberedTokens(backend.leases, cipher)
        for entry in tokens.scan_all():
            yield tokens, entry


def _go_on(backend: Backend, cipher: AESGCMCipher, found: Found, state: ResealReport) -> None:
    state.refused.discard(found.id)
    state.unreadable.discard(found.id)
    if isinstance(found, UnreadableRow):
        state.unreadable.add(found.id)
        return
    try:
        changed = _reseal_row(backend, cipher, found)
    except SealingError:
        state.refused.add(found.id)
    except RowChangedError:  # by others, repeatedly: left for the next pass
        state.pending += 1
    except (InvalidTokenError, UnreadableRowError):
        state.unreadable.add(found.id)
    else:
        state.sealed += changed
        state.pending += changed


def _reseal_row(backend: Backend, cipher: AESGCMCipher, row: Row | None) -> bool:
    """Reseal one row unless that is done or it is gone; return whether it was resealed."""
    deadline = Deadline(_CONFLICT_TIMEOUT)
    while row is not None:
        clear = cipher.open(row)
        if cipher.is_current(row, clear):
            return False
        try:
            backend.write(cipher.seal(clear), expect=row.etag)
        except RowChangedError:
            if not deadline.delay():
                raise
            row = backend.load(row.id)
        else:
            return True
    return False


@dataclass
class KeyUsage:
    """What a store holds: how many rows are under each key, by its id or as ``"clear"``.

    `remembered` are tokens that are yet to be revoked, beside the rows; `by_key` counts them as well.
    `unreadable` are the ids of what is not a row, and counts under no key.
    """

    rows: int = 0
    remembered: int = 0
    by_key: Counter[str] = field(default_factory=Counter)
    refused: list[str] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def count_by_key(backend: Backend, keys: Keyset | None = None) -> KeyUsage:
    """Count the rows of a store by the keys of their secrets.

    Arguments:
        backend: the storage.
        keys: if given, every row is opened, and those that do not are listed as `refused`.
    """
    usage, cipher = KeyUsage(), None if keys is None else AESGCMCipher(keys)
    for row in backend.scan():
        usage.rows += 1
        if isinstance(row, UnreadableRow):
            usage.unreadable.append(row.id)
            continue
        usage.by_key.update(_key_ids(row))
        if cipher is not None and not _opens(cipher, row, found_by_secrets=True):
            usage.refused.append(row.id)
    for _, entry in _remembered_in(backend, cipher or NullCipher()):
        usage.remembered += 1
        usage.by_key.update(_key_ids(entry.row))
        if cipher is not None and not _opens(cipher, entry.row, found_by_secrets=False):
            usage.refused.append(entry.row.id)
    return usage


def _key_ids(row: Row) -> set[str]:
    """Return how a row is kept: under one key, unsealed, or in a mixture that somebody made."""
    texts = [text for name in SECRET_COLUMNS if (text := getattr(row, name))]
    return {values.key_id_of(text) if values.is_sealed(text) else CLEAR for text in texts} or {CLEAR}


def _opens(cipher: AESGCMCipher, row: Row, *, found_by_secrets: bool) -> bool:
    try:
        clear = cipher.open(row)
    except SealingError:
        return False
    return not found_by_secrets or cipher.finds(row, clear)
