"""Tokens whose save failed, kept until it succeeds.

The SDK (6, 7 and 8) drops the exception of `save_token`, after a one-time code or a refresh has
been spent. So the token stays here, is found by look-ups of this process, and saved at the next
chance.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from zoho_tokenstore import matching
from zoho_tokenstore.flights import Flight
from zoho_tokenstore.leases import begin_anew_after_fork
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.repository import Fence

_MOST: Final = 1000
_REST: Final = 1.0
"""For how many seconds after a failure nothing is tried again: each try may wait for locks."""


class Kept(NamedTuple):
    """A token that could not be saved, and the refresh that it came from."""

    record: TokenRecord
    fence: Fence | None = None
    flight: Flight | None = None


class Unsaved:
    """The tokens that this process could not save yet, oldest first; the newest 1,000.

    `kept` is to be read only: it is looked at before nearly every API call.
    """

    def __init__(self) -> None:
        self.kept: list[Kept] = []
        self._begin()
        begin_anew_after_fork(self)

    def begin_anew(self) -> None:
        """Go on in a child: its parent may end without having saved, but the leases are the parent's."""
        self.kept = [kept._replace(flight=None) for kept in self.kept]
        self._begin()

    def _begin(self) -> None:
        self._lock = threading.Lock()
        self._trying = threading.Lock()
        self._not_before = 0.0

    def keep(self, kept: Kept) -> None:
        """Keep a token, in place of an earlier one of the same owner and credentials."""
        with self._lock:
            others = [other for other in self.kept if not _replaces(kept.record, other.record)]
            self.kept = [*others, kept][-_MOST:]

    def drop(self, saved: TokenRecord) -> None:
        """Forget what a save has replaced."""
        with self._lock:
            self.kept = [kept for kept in self.kept if not _replaces(saved, kept.record)]

    def forget(self, token_id: str) -> None:
        """Forget the kept token with this id."""
        with self._lock:
            self.kept = [kept for kept in self.kept if kept.record.id != token_id]

    def clear(self) -> None:
        """Forget all."""
        with self._lock:
            self.kept = []

    @contextmanager
    def to_try(self, *, at_once: bool = False) -> Iterator[list[Kept]]:
        """Yield what is to be saved now: to one thread at a time, and rarely while saving fails."""
        if (not at_once and time.monotonic() < self._not_before) or not self._trying.acquire(blocking=False):
            yield []
            return
        try:
            yield list(self.kept)
        finally:
            self._not_before = time.monotonic() + _REST if self.kept else 0.0
            self._trying.release()

    def get(self, token_id: str) -> TokenRecord | None:
        """Return the kept token with this id."""
        return next((kept.record for kept in self.kept if kept.record.id == token_id), None)

    def find(self, query: TokenRecord) -> TokenRecord | None:
        """Return the kept token that a partial one means."""
        keys = matching.keys_of(query)
        return matching.choose(query, keys[0], [kept.record for kept in self.kept]) if keys else None


def _replaces(new: TokenRecord, kept: TokenRecord) -> bool:
    if new.id is not None and kept.id is not None:
        return new.id == kept.id
    same_user = new.user_name is not None and new.user_name == kept.user_name
    same_token = new.refresh_token is not None and new.refresh_token == kept.refresh_token
    return (same_user or same_token) and matching.same_owner(new, kept)
