"""The policy over a backend: matching, merging, ids, and who is told."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final, NoReturn, Self

from zoho_tokenstore import matching
from zoho_tokenstore.arguments import checked
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.crypto.sealing import Sealing, check_store, sealing_for
from zoho_tokenstore.errors import (
    ConfigurationError,
    InvalidTokenError,
    RetiredIdError,
    TokenStoreError,
    forget_values,
)
from zoho_tokenstore.events import LOGGED, Event, EventKind, OnEvent, UnreadableLog, emit
from zoho_tokenstore.leases import Leases, LocalLeases
from zoho_tokenstore.matching import SpentCodes
from zoho_tokenstore.reading import Reader, Scan, Stored
from zoho_tokenstore.records import SECRET_COLUMNS, TokenRecord, UnreadableRow, check_text, not_an_id
from zoho_tokenstore.saving import CONFLICT_PATIENCE, Fence, Saver, Target

__all__ = ["CONFLICT_PATIENCE", "Fence", "Stored", "TokenRepository"]

_CHECK_AGAIN: Final = 5.0
"""For how many seconds a look-up that finds nothing believes that the store suits the keys."""


class TokenRepository:
    """Tokens in a backend, under the rules of docs/explanation/matching.md.

    It may be shared by all threads of a process. Every method raises a `BackendError` when the
    storage fails; none of them takes a failure for absence. A row that cannot be read harms nobody
    but its own user: others are found, listed and saved beside it.

    Arguments:
        backend: where the rows live.
        keys: seals the secrets: a `KeyRing`, the text of one (keys, ``file:PATH`` or
            ``keyring:SERVICE``), or a function that fetches keys. By default what the environment
            variable ``ZOHO_TOKENSTORE_KEYS`` holds; if there is none, secrets are stored in clear,
            but with ``"required"`` that is refused.
        spent_codes: which one-time codes a token is found by after they were exchanged:
            ``"self-client"`` those that came without a redirect URL, ``"find"`` all, ``"refuse"`` none.
        on_event: called with every `Event`.
        clock: the time in milliseconds since the epoch; for tests.

    Raises:
        ConfigurationError: an argument cannot be used, or required keys are missing.
    """

    @checked
    def __init__(
        self,
        backend: Backend,
        *,
        keys: Any = None,
        spent_codes: SpentCodes = "self-client",
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        self._backend = backend
        self._spent_codes = spent_codes
        self._sealing = sealing_for(keys, backend.location)
        self._checked = -_CHECK_AGAIN
        self._on_event = on_event
        self._clock = clock
        # A storage without leases of its own: then they hold among the threads of this process.
        self._leases: Leases = getattr(backend, "leases", None) or LocalLeases()
        self._reader = Reader(backend, self._sealing, self._unreadable)
        self._saver = Saver(
            backend, self._sealing, self._reader, self.emit, spent_codes=self._spent_codes, clock=clock
        )
        self._unreadable_log = UnreadableLog()

    def __repr__(self) -> str:
        return f"TokenRepository({self.location!r})"

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(
            "A TokenRepository cannot be pickled or copied: it has connections and locks. Open it in each "
            "process, with the same arguments."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def location(self) -> str:
        """Where the tokens are, without any password."""
        return self._backend.location

    @property
    def clock(self) -> Clock:
        """The time in milliseconds since the epoch."""
        return self._clock

    @property
    def sealing(self) -> Sealing:
        """How the secrets are kept."""
        return self._sealing

    @property
    def spent_codes(self) -> SpentCodes:
        """Which one-time codes a token is found by after they were exchanged."""
        return self._spent_codes

    @property
    def leases(self) -> Leases:
        """The leases that every user of this storage sees."""
        return self._leases

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id, or `None`.

        Raises:
            InvalidTokenError: the id is no text.
            SealingError, UnreadableRowError: there is a row, and it cannot be read.
        """
        # In a function of its own only for what is unusual: this runs before every API call.
        if token_id.__class__ is not str or "\0" in token_id or not token_id.isascii():
            _check_id(token_id, "get")
        return self._reader.get(token_id)

    def find(self, query: TokenRecord, *, tell: bool = True) -> TokenRecord | None:
        """Return the stored token that a partial one means, or `None`.

        The first key that the query carries decides (id, user name, access token, grant token,
        refresh token); nothing falls through to another row.

        Arguments:
            query: the partial token.
            tell: whether it is an event that nothing was found.

        Raises:
            SealingError, UnreadableRowError: all that the key leads to cannot be read, and the query
                does not bring what is needed to log in beside it.
        """
        try:
            return self._find(query, tell)
        except TokenStoreError as error:
            forget_values(error)
            raise

    def _find(self, query: TokenRecord, tell: bool) -> TokenRecord | None:
        _check_record(query, "find")
        keys = matching.keys_of(query, self._spent_codes)
        if not keys:
            self._not_matched(query, "the query names nobody", tell)
            return None
        stored, failures = self._reader.under(keys[0])
        found = matching.choose(query, keys[0], [row.record for row in stored])
        if found is None:
            if failures and not matching.can_log_in(query):
                raise failures[0]
            if not stored and any(getattr(query, name) for name in SECRET_COLUMNS):
                self._check_store(lately=True)  # else the caller would log in, and that would be refused
            reason = "other credentials are stored" if stored else f"no such {keys[0].index}"
            self._not_matched(query, reason, tell)
        return found

    def save(
        self,
        record: TokenRecord,
        *,
        fence: Fence | None = None,
        identified: bool = False,
        known: Stored | None = None,
    ) -> TokenRecord:
        """Insert the token, or update its owner's row, and return what is stored now.

        A field that is missing in `record` keeps its stored value; but another login, known by its
        refresh or grant token, takes the place of the stored one with all its tokens.

        Arguments:
            record: the token.
            fence: what it is made after. If another refresh or login has been saved since, that
                one's tokens stay.
            identified: Zoho itself named the user in the exchange that the token comes from.
            known: what `prove_writable` returned for the same row. While nobody has changed that since,
                the save takes a single call of the storage.

        Raises:
            InvalidTokenError: it is no `TokenRecord`, or there is no token in it.
            RetiredIdError: its id is that of a token that was deleted.
            ConflictError: its id is that of another user or client, or others kept changing the
                row for longer than `CONFLICT_PATIENCE`.
        """
        _check_record(record, "save")
        try:
            return self._saver.save(record, fence, identified, known)
        except RetiredIdError as error:
            forget_values(error)
            self.emit(EventKind.SAVE_REFUSED, record, error=error, reason="it was deleted")
            raise
        except Exception as error:
            forget_values(error)
            self.emit(EventKind.SAVE_FAILED, record, error=error, reason=type(error).__name__)
            raise

    def prove_writable(self, record: TokenRecord) -> Stored | None:
        """Prove that a token can be stored for `record`, before its code or a renewal is spent on it.

        Returns:
            the row that saving it would update, if there is one.

        Raises:
            BackendError: it could not be kept; nothing was changed.
        """
        try:
            return self._saver.prove_writable(record)
        except TokenStoreError as error:
            forget_values(error)
            raise

    def target(self, record: TokenRecord) -> Target:
        """Return under which id saving `record` would store it now, and whether that row is there."""
        try:
            stored = self._saver.stored_for(record)
            if stored is not None:
                return Target(stored.row.id, exists=True)
            return Target(record.id or self._saver.free_id(record), exists=False)
        except TokenStoreError as error:
            forget_values(error)
            raise

    def delete(self, token_id: str) -> bool:
        """Delete the token with this id; return whether there was one.

        The id is retired: no other token ever gets it, and nothing that still holds this one
        brings it back.

        Raises:
            InvalidTokenError: the id is no text.
        """
        _check_id(token_id, "delete")
        removed = self._backend.remove(token_id)
        self._reader.forget(token_id)
        if removed:
            self.emit(EventKind.DELETED, TokenRecord(id=token_id))
        return removed

    def scan(self) -> Scan:
        """Return an iterator over all tokens, in the order of their ids.

        Rows that cannot be read are left out and told by events; its `unreadable` has them.
        """
        return self._reader.scan()

    def clear(self) -> int:
        """Delete all tokens; return how many there were. In one step where the storage can."""
        count = self._backend.clear()
        self._reader.forget()
        self.emit(EventKind.CLEARED, TokenRecord(), count=count)
        return count

    def count(self) -> int:
        """Return how many tokens are stored, those that cannot be read included."""
        count: Callable[[], int] | None = getattr(self._backend, "count", None)
        return sum(1 for _ in self._backend.scan()) if count is None else count()

    def cleared_ms(self) -> int:
        """Return when all tokens were last deleted at once, in epoch milliseconds; 0 if never."""
        return self._backend.retired.cleared_ms()

    def is_retired(self, token_id: str) -> bool:
        """Tell whether a token with this id was deleted. All retired ids are read for it."""
        return any(retired.id == token_id for retired in self._backend.retired.scan())

    def prune_retired(self, older_than: timedelta) -> int:
        """Forget the ids of tokens that were deleted longer ago than that; return how many.

        From then on they may be given to a new login of the same user. So nobody must hold one of
        them any more: keep them for longer than any session of the application lasts.

        Raises:
            ConfigurationError: `older_than` is no `timedelta`, or below zero.
        """
        if not isinstance(older_than, timedelta) or older_than < timedelta(0):
            raise ConfigurationError("prune_retired: older_than must be a timedelta, not below zero.")
        return self._backend.retired.prune(self._clock() - int(older_than.total_seconds() * 1000))

    def close(self) -> None:
        """Close the backend. The repository cannot be used afterwards."""
        self._backend.close()
        self._reader.forget()

    def _check_store(self, *, lately: bool = False) -> None:
        """Refuse a store that is kept in another way; `lately`: not if that was done a moment ago."""
        now = time.monotonic()
        if not lately or now >= self._checked + _CHECK_AGAIN:
            check_store(self._backend, self._sealing)
            self._checked = now

    def _not_matched(self, query: TokenRecord, reason: str, tell: bool) -> None:
        if tell:
            self.emit(EventKind.NOT_MATCHED, query, reason=reason)

    def _unreadable(self, row: UnreadableRow) -> None:
        self._unreadable_log.note(self.location, row)
        self.emit(EventKind.ROW_UNREADABLE, _of_id(row.id), reason=row.reason)

    def emit(
        self,
        kind: EventKind,
        record: TokenRecord,
        *,
        reason: str | None = None,
        count: int = 1,
        error: Exception | None = None,
        seconds: float | None = None,
        waiters: int | None = None,
    ) -> None:
        """Tell the observer of something that happened to `record`."""
        if self._on_event is None and kind not in LOGGED:
            return
        event = Event(
            kind=kind,
            location=self.location,
            at_ms=self._clock(),
            token_id=record.id,
            user_name=record.user_name,
            client_id=record.client_id,
            reason=reason,
            count=count,
            error=error,
            seconds=seconds,
            waiters=waiters,
        )
        emit(self._on_event, event)


def _check_id(token_id: object, method: str) -> None:
    if not isinstance(token_id, str):
        raise not_an_id(token_id, method)
    check_text("id", token_id)


def _check_record(record: object, method: str) -> None:
    if not isinstance(record, TokenRecord):
        raise InvalidTokenError(f"{method} needs a TokenRecord, not {type(record).__name__}.")


def _of_id(row_id: str) -> TokenRecord:
    """Return a record for an event about a row whose id may be no text that a storage can keep."""
    return TokenRecord().changed(id=row_id)
