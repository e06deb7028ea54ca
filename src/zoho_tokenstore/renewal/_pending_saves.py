"""Tokens whose save failed, kept until it succeeds.

By then a one-time code is used up, and the SDK (6, 7 and 8) drops the exception of `save_token`. So
the token stays here, is found by this process's look-ups, and is saved at the next opportunity: each by
itself, so that one that cannot be saved holds up no other. One that any process deleted meanwhile stays
deleted. With a spool it is also on disk, and the next process continues where this one ended.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Final

from zoho_tokenstore import _matching as matching
from zoho_tokenstore._saving import Fence
from zoho_tokenstore._util import forks
from zoho_tokenstore._util.clock import Clock
from zoho_tokenstore.errors import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    ConflictError,
    RowChangedError,
    SealingError,
    TokenStoreError,
)
from zoho_tokenstore.events import EventKind, current_actor, on_behalf_of
from zoho_tokenstore.records import TokenRecord, check_id
from zoho_tokenstore.renewal._spool import Spool, SpooledSave
from zoho_tokenstore.repository import TokenRepository

_log: Final = logging.getLogger("zoho_tokenstore")
_MAX_PENDING: Final = 1000
_RETRY_DELAY: Final = 1.0
"""For how many seconds after a failure nothing is tried again: each attempt may wait for locks."""

_LONGEST_RETRY_DELAY: Final = 60.0
_CLOSE_TIMEOUT: Final = 30.0
"""For how many seconds `save(at_once=True)` continues once a save has found the storage unreachable."""


@dataclass(eq=False)
class PendingSave:
    """A token that could not be saved, and what preceded it.

    `row_id` is the row it was meant to update, if any: a renewal is of a stored row. `actor` is who acted
    when it was first to be saved. `file` is its name in the spool. `replaced` are those it took the place
    of although they were other logins, alive at Zoho.
    """

    record: TokenRecord
    fence: Fence
    identified: bool
    row_id: str | None = None
    actor: str | None = None
    file: str | None = None
    replaced: list[PendingSave] = field(default_factory=list)
    retry_delay: float = 0.0
    not_before: float = 0.0

    @property
    def renews(self) -> bool:
        """Whether it continues a stored login."""
        return self.fence.refresh_token is not None

    def postpone(self) -> None:
        """Retry later, after growing pauses."""
        self.retry_delay = min(max(2 * self.retry_delay, _RETRY_DELAY), _LONGEST_RETRY_DELAY)
        self.not_before = time.monotonic() + self.retry_delay


class PendingSaves:
    """The tokens that this process could not save yet, oldest first; the newest 1,000.

    After a fork, a child continues with copies of them: its parent may end without having saved.
    `kept` is read-only: it is checked before nearly every API call. `None` is the id of every login in it
    that has none yet: so whoever asks for one by an id must have one.

    What the spool already holds is taken over.
    """

    def __init__(self, repository: TokenRepository, clock: Clock, spool: Spool | None = None) -> None:
        self.kept: list[PendingSave] = []
        self._repository = repository
        self._clock = clock
        self._spool = spool
        self.reset()
        forks.reset_in_child(self)
        self._take_over()

    def reset(self) -> None:
        """Start with own locks."""
        self._lock = threading.Lock()
        self._trying = threading.Lock()
        self._not_before = 0.0

    def keep(
        self,
        record: TokenRecord,
        fence: Fence,
        *,
        identified: bool = False,
        row_id: str | None = None,
        cleared_ms: int | None = None,
    ) -> TokenRecord:
        """Keep a token, instead of an earlier one of the same owner and credentials.

        Return it as kept: with its id, if known. `row_id` is the row that it was meant to update, and
        `cleared_ms` when the store had last been cleared, if known.
        """
        is_first = fence.saved_ms is None  # if not, it follows one that was already kept
        if is_first:
            fence = fence._replace(saved_ms=self._clock(), cleared_ms=cleared_ms)
        kept = PendingSave(record, fence, identified, row_id, current_actor())
        self._put(kept)  # at once: what follows may have to wait for the store
        with contextlib.suppress(BackendError, SealingError, ConflictError):  # a locked store can be read
            if is_first:
                kept.fence = kept.fence._replace(cleared_ms=self._repository.cleared_ms())
            target = self._repository.target(record)
            if target.exists:
                kept.row_id = target.row_id
            elif record.id is None:
                kept.fence = kept.fence._replace(free_id=target.row_id)
        kept.record = record.changed(id=record.id or kept.row_id)
        if (kept.record, kept.fence, kept.row_id) != (record, fence, row_id):
            self._put(kept)
        self._add(kept)
        return kept.record

    def fence_of(self, record: TokenRecord) -> Fence | None:
        """Return what preceded a token, if it is a kept one: it is not what is stored."""
        return next((kept.fence for kept in self.kept if kept.record == record), None)

    def drop(self, given: TokenRecord, saved: TokenRecord, *, renews: bool = False) -> None:
        """Forget what a save replaced; other logins among that are noted, as they are alive at Zoho.

        If something else is stored than was given, the save came too late and replaced nothing: what waits
        here may be newer. A save that `renews` does not replace another login.
        """
        if self.kept and given.access_token in (None, saved.access_token):
            self._settle(saved, lambda kept: _replaces(saved, kept.record, renews))

    def forget(self, token_id: str) -> None:
        """Forget the kept token with this id."""
        check_id(token_id, "delete")
        self._forget(lambda kept: kept.record.id == token_id)

    def forget_meant(self, query: TokenRecord) -> None:
        """Forget the kept token that a partial one means."""
        meant = self._meant(query)
        self._forget(lambda kept: kept in meant)

    def clear(self) -> None:
        """Forget all."""
        self._forget(lambda _: True)

    def close(self) -> None:
        """Leave what could not be saved to the next process, if there is a spool; otherwise forget it."""
        with self._lock:
            self.kept = []

    def save(self, *, at_once: bool = False) -> None:
        """Save what can be saved: one thread at a time, and less often while that fails, unless `at_once`."""
        if not at_once and time.monotonic() < self._not_before:
            return
        if not self._trying.acquire(timeout=_CLOSE_TIMEOUT if at_once else 0):
            return
        try:
            self._save_each(at_once)
        finally:
            self._not_before = time.monotonic() + _RETRY_DELAY if self.kept else 0.0
            self._trying.release()

    def save_beside(self) -> None:
        """Do the same in a thread of its own, for a caller that must not wait for locks."""
        if time.monotonic() >= self._not_before and not self._trying.locked():
            with contextlib.suppress(RuntimeError):  # no more threads, or the interpreter is ending: later
                threading.Thread(target=self.save, name="zoho-tokenstore-late", daemon=True).start()

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the kept token with this id."""
        check_id(token_id, "get")
        return self._unless_deleted([kept for kept in self.kept if kept.record.id == token_id])

    def find(self, query: TokenRecord) -> TokenRecord | None:
        """Return the kept token that a partial one means; a used code finds what it would once stored."""
        return self._unless_deleted(self._meant(query))

    def _meant(self, query: TokenRecord) -> list[PendingSave]:
        spent_codes = self._repository.spent_codes
        keys, all_kept = matching.keys_of(query, spent_codes), self.kept
        if not keys:
            return []
        stored = [matching.without_spent_code(kept.record, spent_codes) for kept in all_kept]
        found = matching.choose(query, keys[0], stored)
        return [kept for kept, record in zip(all_kept, stored, strict=True) if record is found]

    def _save_each(self, at_once: bool) -> None:
        now = time.monotonic()
        for kept in [kept for kept in self.kept if at_once or kept.not_before <= now]:
            try:
                self._save(kept)
            except (BackendUnavailableError, BackendTimeoutError):
                if not at_once or time.monotonic() > now + _CLOSE_TIMEOUT:
                    return  # the others would only wait for the same thing

    def _save(self, kept: PendingSave) -> None:
        """Save one token; one that can never be saved is dropped."""
        if kept.file is not None and self._unless_deleted([kept]) is None:  # its id may be forgotten already
            return
        try:
            with on_behalf_of(kept.actor) if kept.actor else contextlib.nullcontext():
                saved = self._repository.save(kept.record, fence=kept.fence, identified=kept.identified)
        except (BackendUnavailableError, BackendTimeoutError):
            raise
        except TokenStoreError as error:  # reported by its event and log line
            if may_pass(error):
                kept.postpone()
            else:
                self._remove(kept)
            return
        self.drop(kept.record, saved, renews=kept.renews)
        self._settle(saved, lambda other: other is kept)
        self._repository.emit(EventKind.SAVED_LATE, saved)

    def _remove(self, kept: PendingSave) -> None:
        self._forget(lambda other: other is kept)

    def _add(self, kept: PendingSave) -> None:
        """Keep one instead of those it replaces. The files of other logins stay, as their notes."""
        with self._lock:
            taken = [other for other in self.kept if _replaces(kept.record, other.record, kept.renews)]
            older = _with_replaced(taken)
            kept.replaced = [other for other in older if _is_other_login(other.record, kept.record)]
            self.kept = [*(other for other in self.kept if other not in taken), kept][-_MAX_PENDING:]
        if kept.file:  # otherwise only the older ones would outlive this process
            self._discard(other for other in older if other not in kept.replaced)

    def _settle(self, saved: TokenRecord, is_meant: Callable[[PendingSave], bool]) -> None:
        """Forget what a save has made obsolete, once the other logins among it are noted."""
        try:
            for kept in _with_replaced(filter(is_meant, self.kept)):
                if _is_other_login(kept.record, saved):
                    self._repository.replaced.note(kept.record.changed(id=saved.id))
        except (BackendError, SealingError, ConflictError) as error:
            # They wait on; their own save will come too late, and be noted then.
            _log.warning("A login that was replaced before it could be saved is not noted yet. %s", error)
        else:
            self._forget(is_meant)

    def _forget(self, is_meant: Callable[[PendingSave], bool]) -> None:
        with self._lock:
            forgotten = [kept for kept in self.kept if is_meant(kept)]
            self.kept = [kept for kept in self.kept if kept not in forgotten]
        self._discard(_with_replaced(forgotten))

    def _take_over(self) -> None:
        """Continue with what is in the spool, in order."""
        for file, entry in self._spool.scan() if self._spool is not None else ():
            if isinstance(entry, SpooledSave):
                self._add(PendingSave(*entry, file))
                continue
            _log.warning("The file %s in the spool is left untouched: %s.", file, entry.rstrip("."))
            reason = f"the file {file} in the spool: {entry}"
            self._repository.emit(EventKind.ROW_UNREADABLE, TokenRecord(), reason=reason)

    def _put(self, kept: PendingSave) -> None:
        """Write a token to the spool, replacing what was written of it before."""
        if self._spool is None:
            return
        before = kept.file
        try:
            entry = SpooledSave(kept.record, kept.fence, kept.identified, kept.row_id, kept.actor)
            kept.file = self._spool.put(entry)
        except TokenStoreError as error:  # the caller has another error to report
            self._repository.emit(EventKind.SAVE_FAILED, kept.record, error=error, reason="the spool")
            return
        self._remove_file(before)

    def _discard(self, forgotten: Iterable[PendingSave]) -> None:
        for kept in forgotten:
            self._remove_file(kept.file)

    def _remove_file(self, file: str | None) -> None:
        if self._spool is not None and file is not None:
            try:
                self._spool.remove(file)
            except BackendError as error:  # anyone who finds it will see that it is outdated
                _log.warning("%s", error)

    def _unless_deleted(self, found: list[PendingSave]) -> TokenRecord | None:
        """Return a kept token, unless the store can be read and shows that it was deleted since."""
        for kept in found:
            if not self._is_deleted(kept):
                return kept.record
            self._remove(kept)
            self._repository.emit(EventKind.SAVE_REFUSED, kept.record, reason="it was deleted")
        return None

    def _is_deleted(self, kept: PendingSave) -> bool:
        with contextlib.suppress(BackendError, SealingError):
            if kept.row_id is not None:
                return self._repository.get(kept.row_id) is None
            row_id = kept.record.id
            if row_id is not None and self._repository.get(row_id) is None:
                return self._repository.is_retired(row_id)
            cleared_ms, known_ms = self._repository.cleared_ms(), kept.fence.cleared_ms
            return cleared_ms > (kept.fence.saved_ms or 0) if known_ms is None else cleared_ms != known_ms
        return False


def may_pass(error: TokenStoreError) -> bool:
    """Return whether the same save may succeed later, such as once keys are given: not if the id is taken."""
    return isinstance(error, BackendError | SealingError) or (
        isinstance(error, ConflictError) and isinstance(error.__cause__, RowChangedError)
    )


def _replaces(new: TokenRecord, kept: TokenRecord, renews: bool) -> bool:
    if renews and len({new.refresh_token, kept.refresh_token} - {None}) == 2:
        return False
    if new.id is not None and kept.id is not None:
        return new.id == kept.id
    same_user = new.user_name is not None and new.user_name == kept.user_name
    same_token = new.refresh_token is not None and new.refresh_token == kept.refresh_token
    return (same_user or same_token) and matching.same_owner(new, kept)


def _is_other_login(old: TokenRecord, new: TokenRecord) -> bool:
    return old.refresh_token not in (None, new.refresh_token)


def _with_replaced(some: Iterable[PendingSave]) -> list[PendingSave]:
    return [one for kept in some for one in (*kept.replaced, kept)]
