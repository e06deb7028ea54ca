"""Changes to a server after the store was opened: noticed in passing, and logged."""

from __future__ import annotations

import logging
import time
from typing import Final

from zoho_tokenstore.backends.redis import _checks as checks
from zoho_tokenstore.backends.redis._connections import RedisConnections
from zoho_tokenstore.errors import BackendError

_log = logging.getLogger("zoho_tokenstore")

RECHECK_INTERVAL: Final = 60.0
"""The least time between two checks of the server, in seconds."""


class ServerWatch:
    """Warns when the server has begun to evict keys, or has lost the store.

    Nothing is refused: what is there can be used, and a new login stored.

    `mark` is that of the store when it was opened. If the server `may_evict` tokens, that is not checked.
    """

    def __init__(
        self, connections: RedisConnections, key: str, mark: bytes | None, *, may_evict: bool
    ) -> None:
        self._connections = connections
        self._key = key
        self._mark = mark
        self._next = float("inf") if may_evict else time.monotonic() + RECHECK_INTERVAL
        self._reported: tuple[str, int] | None = None

    def note_mark(self, mark: bytes | None) -> None:
        """Note the mark that a call found, and warn if it differs."""
        if mark == self._mark:
            return
        is_lost, self._mark = self._mark is not None, mark
        if is_lost:
            self._warn_of_loss()

    def recheck(self) -> None:
        """Check whether the server now evicts tokens, at most once a minute."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + RECHECK_INTERVAL
        try:
            seen = self._connections.run(checks.read_server_settings, self._key)
        except BackendError:
            return  # the calls themselves raise that the server is away
        policy = checks.evicting_policy(seen)
        evicted = int(seen.get("evicted-keys", 0)) if policy else 0
        if policy and self._reported != (policy, evicted):
            self._warn_of_eviction(policy, evicted)
        self._reported = (policy, evicted) if policy else None

    def _warn_of_eviction(self, policy: str, evicted: int) -> None:
        _log.warning(
            "The token store %s is on a server that evicts keys when its memory is full, including tokens "
            "(maxmemory-policy %s; %d keys evicted since its start). Set it to noeviction.",
            self._connections.location,
            policy,
            evicted,
        )

    def _warn_of_loss(self) -> None:
        _log.warning(
            "The token store %s has lost what it held: its server was restarted without its data or emptied, "
            "has evicted keys, or a copy was restored. Users whose tokens are gone must log in again.",
            self._connections.location,
        )
