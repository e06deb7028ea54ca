"""The policy over a backend: matching, merging, ids, and who is told."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final, NamedTuple, Self

from zoho_tokenstore import matching
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.crypto.sealing import check_store, refusal, sealing_for
from zoho_tokenstore.errors import ConflictError, InvalidTokenError, RowChangedError
from zoho_tokenstore.events import Event, EventKind, OnEvent, emit
from zoho_tokenstore.leases import Leases, LocalLeases
from zoho_tokenstore.matching import Key
from zoho_tokenstore.records import (
    SECRET_COLUMNS,
    Built,
    Row,
    TokenRecord,
    check_text,
    record_from_row,
    row_from_record,
)

CONFLICT_PATIENCE: Final = timedelta(seconds=10)
"""For how long a save is tried again when others keep changing its row."""

_CHECK_AGAIN: Final = 5.0
"""For how many seconds a look-up that finds nothing believes that the store suits the keys."""


class Fence(NamedTuple):
    """The generation that a refresh started from: what was stored then, if anything was."""

    access_token: str | None = None
    refresh_token: str | None = None


class Stored(NamedTuple):
    """A row as it is stored, and the token in it."""

    row: Row
    record: TokenRecord


class TokenRepository:
    """Tokens in a backend, under the rules of docs/explanation/matching.md.

    It may be shared by all threads of a process. Every method raises a `BackendError` when the
    storage fails; none of them takes a failure for absence.

    Arguments:
        backend: where the rows live.
        keys: seals the secrets: a `KeyRing`, the text of one (keys, ``file:PATH`` or
            ``keyring:SERVICE``), or a function that fetches keys. By default what the environment
            variable ``ZOHO_TOKENSTORE_KEYS`` holds; if there is none, secrets are stored in clear.
        on_event: called with every `Event`.
        clock: the time in milliseconds since the epoch; for tests.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        keys: Any = None,
        on_event: OnEvent | None = None,
        clock: Clock = now_ms,
    ) -> None:
        self._backend = backend
        self._sealing = sealing_for(keys)
        self._checked = -_CHECK_AGAIN
        self._on_event = on_event
        self._clock = clock
        # A storage without leases of its own: then they hold among the threads of this process.
        self._leases: Leases = getattr(backend, "leases", None) or LocalLeases()
        # A backend hands out the same Row while nobody changed it: then its record holds too.
        self._records: Built[Row, TokenRecord] = Built()

    def __repr__(self) -> str:
        return f"TokenRepository({self.location!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    @property
    def location(self) -> str:
        """Where the tokens are, without any password."""
        return self._backend.location

    @property
    def leases(self) -> Leases:
        """The leases that every user of this storage sees."""
        return self._leases

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the token with this id, or `None`.

        Raises:
            InvalidTokenError: the id is no text.
        """
        check_text("id", token_id)
        row = self._backend.load(token_id)
        return None if row is None else self._records.of(token_id, row, self._opened)

    def find(self, query: TokenRecord) -> TokenRecord | None:
        """Return the stored token that a partial one means, or `None`.

        The first key that the query carries decides (id, user name, access token, grant token,
        refresh token); nothing falls through to another row.
        """
        keys = matching.keys_of(query)
        if not keys:
            self._not_matched(query, "the query names nobody")
            return None
        candidates = self._candidates(keys[0])
        found = matching.choose(query, keys[0], candidates)
        if found is None:
            if not candidates and any(getattr(query, name) for name in SECRET_COLUMNS):
                self._check_store(lately=True)  # else the caller would log in, and that would be refused
            reason = "other credentials are stored" if candidates else f"no such {keys[0].index}"
            self._not_matched(query, reason)
        return found

    def save(self, record: TokenRecord, *, fence: Fence | None = None) -> TokenRecord:
        """Insert the token, or update its owner's row, and return what is stored now.

        A field that is missing in `record` keeps its stored value.

        Arguments:
            record: the token.
            fence: for the outcome of a refresh: what it started from. If another refresh or login
                has been saved since, that one's tokens stay.

        Raises:
            InvalidTokenError: there is no token in the record.
            ConflictError: its id is that of another user or client, or others kept changing the
                row for longer than `CONFLICT_PATIENCE`.
        """
        try:
            return self._save(record, fence)
        except Exception as error:
            self.emit(EventKind.SAVE_FAILED, record, error=error, reason=type(error).__name__)
            raise

    def delete(self, token_id: str) -> bool:
        """Delete the token with this id; return whether there was one.

        Raises:
            InvalidTokenError: the id is no text.
        """
        check_text("id", token_id)
        removed = self._backend.remove(token_id)
        self._records.pop(token_id, None)
        if removed:
            self.emit(EventKind.DELETED, TokenRecord(id=token_id))
        return removed

    def scan(self) -> Iterator[TokenRecord]:
        """Yield all tokens in the order of their ids."""
        return map(self._opened, self._backend.scan())

    def clear(self) -> int:
        """Delete all tokens; return how many there were. In one step where the storage can."""
        count = self._backend.clear()
        self._records.clear()
        self.emit(EventKind.CLEARED, TokenRecord(), count=count)
        return count

    def count(self) -> int:
        """Return how many tokens are stored."""
        return sum(1 for _ in self._backend.scan())

    def close(self) -> None:
        """Close the backend. The repository cannot be used afterwards."""
        self._backend.close()
        self._records.clear()

    def _save(self, record: TokenRecord, fence: Fence | None) -> TokenRecord:
        if record.access_token is None and record.refresh_token is None and record.grant_token is None:
            raise InvalidTokenError("There is no access, refresh or grant token to save.")
        return _until_settled(lambda: self._try_to_save(record, fence))

    def _try_to_save(self, record: TokenRecord, fence: Fence | None) -> TokenRecord:
        stored = self._stored_for(record)
        if stored is None:
            return self._insert(record)
        if fence is not None and matching.is_outrun(record, stored.record, fence, self._clock()):
            record = matching.yielding(record, stored.record)
            self.emit(EventKind.FENCED, stored.record, reason="another refresh was saved meanwhile")
        return self._write(matching.merge(record, stored.record), stored)

    def _stored_for(self, record: TokenRecord) -> Stored | None:
        """Return what saving `record` updates."""
        if record.id is not None:
            return self._of_own_id(record, record.id)
        for key in matching.keys_of(record):
            candidates = {stored.row.id: stored for stored in self._under(key)}
            found = matching.choose_to_update(record, key, (stored.record for stored in candidates.values()))
            if found is not None and found.id is not None:
                return candidates[found.id]
        return None

    def _of_own_id(self, record: TokenRecord, token_id: str) -> Stored | None:
        row = self._backend.load(token_id)
        if row is None:
            return None
        stored = Stored(row, self._record(row))
        if not matching.same_person(record, stored.record):
            raise ConflictError(
                f"The id {token_id!r} is that of another user or client, whose token was left as it is. "
                "Save this token without an id, or delete that one first."
            )
        return stored

    def _insert(self, record: TokenRecord) -> TokenRecord:
        self._check_store()
        if record.id is not None:
            return self._write(record, None)
        free = next(id_ for id_ in matching.candidate_ids(record) if not self._is_taken(id_, record))
        return self._write(record.changed(id=free), None)

    def _check_store(self, *, lately: bool = False) -> None:
        """Refuse a store that is kept in another way; `lately`: not if that was done a moment ago."""
        now = time.monotonic()
        if not lately or now >= self._checked + _CHECK_AGAIN:
            check_store(self._backend, self._sealing)
            self._checked = now

    def _is_taken(self, row_id: str, record: TokenRecord) -> bool:
        row = self._backend.load(row_id)
        if row is None:
            return False
        stored = self._record(row)
        if any(matching.choose_to_update(record, key, [stored]) for key in matching.keys_of(record)):
            # Another id now would be a second row of one owner.
            raise RowChangedError(f"Row {row_id!r} was inserted since its owner was looked for.")
        return True

    def _write(self, record: TokenRecord, replaced: Stored | None) -> TokenRecord:
        now = self._clock()
        row, known = replaced or (None, None)
        row_id = row.id if row is not None else record.id or ""
        saved = record.changed(
            id=row_id,
            created_at_ms=now if row is None else row.created_at_ms,
            updated_at_ms=now,
            last_used_at_ms=None if row is None else row.last_used_at_ms,
        )
        sealed = self._sealing.seal(row_from_record(saved, row_id), row, known)
        self._backend.write(sealed, expect=None if row is None else row.etag)
        self.emit(EventKind.CREATED if row is None else EventKind.UPDATED, saved)
        return saved

    def _candidates(self, key: Key) -> list[TokenRecord]:
        if key.index == "id":
            found = self.get(key.value)
            return [] if found is None else [found]
        return [stored.record for stored in self._under(key)]

    def _under(self, key: Key) -> list[Stored]:
        found = [Stored(row, self._record(row)) for row in self._rows_under(key)]
        for row, record in found:
            # A digest that leads to another secret was put there by somebody else.
            if key.index in row.digests and getattr(record, key.index) != key.value:
                raise refusal(row.id)
        return found

    def _rows_under(self, key: Key) -> list[Row]:
        texts = self._sealing.lookup_keys(key.index, key.value)
        rows = self._backend.find(key.index, *texts)
        if not rows and key.index in SECRET_COLUMNS:
            self._sealing.renewed()  # or another thread has done so since the texts were made
            again = self._sealing.lookup_keys(key.index, key.value)
            rows = self._backend.find(key.index, *again) if again != texts else rows
        return rows

    def _record(self, row: Row) -> TokenRecord:
        return self._records.of(row.id, row, self._opened)

    def _opened(self, row: Row) -> TokenRecord:
        return record_from_row(row, self._sealing.open(row))

    def _not_matched(self, query: TokenRecord, reason: str) -> None:
        self.emit(EventKind.NOT_MATCHED, query, reason=reason)

    def emit(
        self,
        kind: EventKind,
        record: TokenRecord,
        *,
        reason: str | None = None,
        count: int = 1,
        error: Exception | None = None,
    ) -> None:
        """Tell the observer of something that happened to `record`."""
        if self._on_event is None and error is None:
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
        )
        emit(self._on_event, event)


def _until_settled(attempt: Callable[[], TokenRecord]) -> TokenRecord:
    """Call `attempt` again, after a random pause, while others change the row under it."""
    deadline = time.monotonic() + CONFLICT_PATIENCE.total_seconds()
    pause = 0.001
    while True:
        try:
            return attempt()
        except RowChangedError as conflict:
            if time.monotonic() + pause > deadline:
                raise ConflictError(
                    f"The token could not be saved: its row was changed by others for "
                    f"{CONFLICT_PATIENCE.total_seconds():.0f} s. Nothing was overwritten; save it again."
                ) from conflict
            # Jitter against lockstep, not a secret.
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311
            pause = min(pause * 2, 0.05)
