"""Where a saved token goes: which row it updates or which id it gets, and what it must not replace."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Final, NamedTuple, TypeVar

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._ids import candidate_ids
from zoho_tokenstore._matching import SpentCodes
from zoho_tokenstore._reading import Reader, Stored
from zoho_tokenstore._util.clock import Clock
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.backend import Backend, SupportsRehearsal
from zoho_tokenstore.errors import (
    ConflictError,
    InvalidTokenError,
    RetiredIdError,
    RowChangedError,
    SealingError,
    UnreadableRowError,
)
from zoho_tokenstore.events import EventKind, Tell
from zoho_tokenstore.records import TokenRecord, row_from_record
from zoho_tokenstore.sealing._cipher import Cipher, check_store

T = TypeVar("T")

CONFLICT_TIMEOUT: Final = timedelta(seconds=10)
"""How long a save is retried while others keep changing its row."""

_HOUR_MS: Final = 3_600_000


class Fence(NamedTuple):
    """What preceded a save: it does not replace what came later.

    `access_token` and `refresh_token` are those stored when a refresh began. `saved_ms` is
    when a late save was first tried, and `cleared_ms` when the store had last been cleared by then,
    both in epoch milliseconds; `free_id` is the id that a new row would have got then. If
    not known, they are `None`. `is_login` says that nothing preceded it: somebody has just logged in.
    """

    access_token: str | None = None
    refresh_token: str | None = None
    saved_ms: int | None = None
    cleared_ms: int | None = None
    free_id: str | None = None
    is_login: bool = False

    @property
    def follows_a_token(self) -> bool:
        """Whether a stored token preceded the save: then it ends a renewal."""
        return self.access_token is not None or self.refresh_token is not None

    def __repr__(self) -> str:
        return f"Fence(saved_ms={self.saved_ms}, cleared_ms={self.cleared_ms})"


class Target(NamedTuple):
    """The id of a row, and whether it is there."""

    row_id: str
    exists: bool


class Saver:
    """Saves tokens as rows of a backend; `TokenRepository` says what its calls do.

    `on_replaced` is called with a stored login before another one replaces it.
    """

    def __init__(
        self,
        backend: Backend,
        cipher: Cipher,
        reader: Reader,
        tell: Tell,
        *,
        spent_codes: SpentCodes,
        clock: Clock,
        on_replaced: Callable[[TokenRecord], None],
    ) -> None:
        self._on_replaced = on_replaced
        self.on_login: Callable[[TokenRecord], None] = _nothing
        self._backend = backend
        self._cipher = cipher
        self._reader = reader
        self._tell = tell
        self._spent_codes = spent_codes
        self._clock = clock

    def save(
        self, record: TokenRecord, fence: Fence | None, identified: bool, known: Stored | None = None
    ) -> TokenRecord:
        if record.access_token is None and record.refresh_token is None and record.grant_token is None:
            raise InvalidTokenError("There is no access, refresh or grant token to save.")
        if known is not None and known.row.id == record.id:
            with contextlib.suppress(RowChangedError):
                return self._update(record, known, fence, identified)
        return _until_settled(lambda: self._try_to_save(record, fence, identified))

    def _try_to_save(self, record: TokenRecord, fence: Fence | None, identified: bool) -> TokenRecord:
        stored = self.stored_for(record)
        if stored is None:
            return self._insert(record, fence, identified)
        if fence is not None and matching.is_superseded(record, stored.record, fence, self._clock()):
            record, identified = matching.with_login_of(record, stored.record), False
            self._tell(EventKind.FENCED, stored.record, reason="another refresh was saved meanwhile")
        return self._update(record, stored, fence, identified)

    def _update(
        self, record: TokenRecord, stored: Stored, fence: Fence | None, identified: bool
    ) -> TokenRecord:
        is_login = identified or (fence is not None and fence.is_login)
        merged = matching.merge(record, stored.record, identified=identified, is_login=is_login)
        if stored.record.refresh_token not in (None, merged.refresh_token):
            self._on_replaced(stored.record)
        is_same = _is_renewal(fence, stored.record) or matching.is_same_login(
            record, stored.record, is_login=is_login
        )
        return self._write(merged, stored, fence, identified, is_new_login=not is_same)

    def stored_for(self, record: TokenRecord) -> Stored | None:
        """Return what saving `record` updates."""
        if record.id is not None:
            return self._of_own_id(record, record.id)
        for key in matching.keys_to_save(record):
            candidates = {stored.row.id: stored for stored in self._reader.under(key).stored}
            found = matching.choose_to_update(record, key, (stored.record for stored in candidates.values()))
            if found is not None and found.id is not None:
                return candidates[found.id]
        return None

    def _of_own_id(self, record: TokenRecord, token_id: str) -> Stored | None:
        stored = self._reader.load(token_id)
        if stored is None:
            return None
        if not matching.same_person(record, stored.record):
            raise ConflictError(
                f"The id {token_id!r} belongs to another user or client, whose token was left as it is. "
                "Save this token without an id, or delete that one first."
            )
        return stored

    def _insert(self, record: TokenRecord, fence: Fence | None, identified: bool) -> TokenRecord:
        check_store(self._backend, self._cipher)
        if fence is not None and fence.cleared_ms not in (None, self._backend.retired.cleared_ms()):
            raise RetiredIdError(
                "All tokens have been deleted since this one was first to be saved. Log in again."
            )
        if record.id is not None:
            return self._write(record, None, fence, identified)
        if fence is not None and fence.free_id is not None and not self._is_taken(fence.free_id, record):
            return self._write(record.changed(id=fence.free_id), None, fence, identified)
        for token_id in self._candidates(record):
            if not self._is_taken(token_id, record):
                with contextlib.suppress(RetiredIdError):
                    return self._write(record.changed(id=token_id), None, fence, identified)
        raise AssertionError("the ids that a row may take have no end")

    def free_id(self, record: TokenRecord) -> str:
        """Return the id that a new row for `record` would get now.

        For a late save: if it has been retired by then, its owner logged in meanwhile (perhaps with
        a copy of this very token, in a forked process) and out again.
        """
        retired = {retired.id for retired in self._backend.retired.scan()}
        free = (row_id for row_id in self._candidates(record) if row_id not in retired)
        return next(row_id for row_id in free if not self._is_taken(row_id, record))

    def _candidates(self, record: TokenRecord) -> Iterator[str]:
        return candidate_ids(record, self._clock() // _HOUR_MS)

    def _is_taken(self, row_id: str, record: TokenRecord) -> bool:
        try:
            stored = self._reader.load(row_id)
        except (SealingError, UnreadableRowError):
            return True
        if stored is None:
            return False
        if any(
            matching.choose_to_update(record, key, [stored.record]) for key in matching.keys_to_save(record)
        ):
            # Another id now would be a second row of the same owner.
            raise RowChangedError(f"Row {row_id!r} was inserted since its owner was looked for.")
        return True

    def _write(
        self,
        record: TokenRecord,
        replaced: Stored | None,
        fence: Fence | None,
        identified: bool,
        *,
        is_new_login: bool = False,
    ) -> TokenRecord:
        now = self._clock()
        row, known = replaced or (None, None)
        row_id = row.id if row is not None else record.id or ""
        saved = matching.without_spent_code(record, self._spent_codes).changed(
            id=row_id,
            created_at_ms=now if known is None or is_new_login else known.created_at_ms,
            updated_at_ms=now,
            last_used_at_ms=None if known is None else known.last_used_at_ms,
            identified_at_ms=now
            if identified
            else _identified_at_ms(record, None if is_new_login else known),
        )
        sealed = self._cipher.seal(row_from_record(saved, row_id))
        self._backend.write(sealed, expect=None if row is None else row.etag)
        self._tell(EventKind.CREATED if row is None else EventKind.UPDATED, saved)
        kind = _change(saved, known, fence, is_new_login=is_new_login)
        if kind is not None:
            self._tell(kind, saved, former=known if kind is EventKind.REPLACED else None)
        if row is None or is_new_login:
            self.on_login(saved)
        return saved

    def delete_if(self, token_id: str, condition: Callable[[TokenRecord], bool]) -> bool:
        def attempt() -> bool:
            stored = self._reader.load(token_id)
            if stored is None or not condition(stored.record):
                return False
            if not self._backend.remove(token_id, expect=stored.row.etag):
                raise RowChangedError(f"Row {token_id!r} has changed since it was read.")
            return True

        return _until_settled(attempt)

    def record_use(self, token_id: str) -> None:
        """Note that a token is used now, unless somebody changes its row at this moment."""
        stored = self._reader.load(token_id)
        if stored is not None:
            used = stored.record.changed(last_used_at_ms=self._clock())
            with contextlib.suppress(RowChangedError):  # most probably by a use
                self._backend.write(
                    self._cipher.seal(row_from_record(used, token_id)), expect=stored.row.etag
                )

    def prove_writable(self, record: TokenRecord) -> Stored | None:
        """Do all of a save that can fail for lack of rights or a suitable table; return the row to update."""
        stored = self.stored_for(record)
        if not isinstance(self._backend, SupportsRehearsal):
            return stored
        rehearse = self._backend.rehearse
        with contextlib.suppress(RowChangedError, RetiredIdError):  # races: they say nothing of rights
            if stored is not None:
                rehearse(stored.row, expect=stored.row.etag)
            else:
                free = f"9{secrets.randbelow(10**8):08}"
                rehearse(self._cipher.seal(row_from_record(record, free)), expect=None)
        return stored


def _nothing(_: TokenRecord) -> None:
    """Nobody wants to know."""


def _is_renewal(fence: Fence | None, stored: TokenRecord) -> bool:
    """Return whether a save ends a renewal of the stored login, whichever refresh token that brought."""
    return (
        fence is not None and fence.refresh_token is not None and fence.refresh_token == stored.refresh_token
    )


def _identified_at_ms(saved: TokenRecord, known: TokenRecord | None) -> int | None:
    """Return when Zoho named the user of the same login, if it did."""
    return None if known is None or saved.user_name != known.user_name else known.identified_at_ms


def _change(
    saved: TokenRecord, known: TokenRecord | None, fence: Fence | None, *, is_new_login: bool
) -> EventKind | None:
    """Return what a save meant for a login; `None` if nothing, or if the renewal that it ends reports it."""
    if saved.refresh_token is None and saved.access_token is None:
        return None  # a code that has not been exchanged
    if known is None or (known.refresh_token is None and known.access_token is None):
        return EventKind.LOGGED_IN
    is_lost = known.refresh_token not in (None, saved.refresh_token)
    if is_new_login and (is_lost or not matching.is_same_login(saved, known)):
        return EventKind.REPLACED
    if saved.access_token == known.access_token or (fence is not None and fence.follows_a_token):
        return None
    is_exchange = fence is not None and fence.saved_ms is None
    return EventKind.LOGGED_IN if is_exchange or saved.refresh_token is None else EventKind.RENEWED


def _until_settled(attempt: Callable[[], T]) -> T:
    """Call `attempt` again, after a random pause, while others keep changing the row."""
    deadline = Deadline(CONFLICT_TIMEOUT.total_seconds())
    while True:
        try:
            return attempt()
        except RowChangedError as conflict:
            if not deadline.delay():
                raise ConflictError(
                    f"The token was not changed: others kept changing its row for "
                    f"{CONFLICT_TIMEOUT.total_seconds():.0f} s. Nothing was overwritten; try again."
                ) from conflict
