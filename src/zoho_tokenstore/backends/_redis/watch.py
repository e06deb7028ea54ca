"""What becomes of a server after the store was opened: noticed by the way, and told in the log."""

from __future__ import annotations

import logging
import time
from typing import Final

from zoho_tokenstore.backends._redis import checks
from zoho_tokenstore.backends._redis.connections import Connections
from zoho_tokenstore.errors import BackendError

_log = logging.getLogger("zoho_tokenstore")

EVERY: Final = 60.0
"""The least time between two looks at the server, in seconds."""


class Watch:
    """Tells that the server throws keys away by now, or that it has lost the store.

    Nothing is refused for it: what is there can be used, and a new login be stored.

    Arguments:
        connections: to the server.
        key: one of the store's.
        mark: the mark of the store when it was opened.
        may_evict: whether tokens may be evicted. Then that is not looked for.
    """

    def __init__(self, connections: Connections, key: str, mark: bytes | None, *, may_evict: bool) -> None:
        self._connections = connections
        self._key = key
        self._mark = mark
        self._next = float("inf") if may_evict else time.monotonic() + EVERY
        self._told: tuple[str, int] | None = None

    def saw(self, mark: bytes | None) -> None:
        """Note the mark that a call has found, and tell if it is another one."""
        if mark == self._mark:
            return
        is_lost, self._mark = self._mark is not None, mark
        if is_lost:
            self._tell_loss()

    def look(self) -> None:
        """See whether the server throws tokens away by now, at most once a minute."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + EVERY
        try:
            seen = self._connections.run(checks.settings, self._key)
        except BackendError:
            return  # the calls tell by themselves that the server is away
        policy = checks.evicting_policy(seen)
        evicted = int(seen.get("evicted-keys", 0)) if policy else 0
        if policy and self._told != (policy, evicted):
            self._tell(policy, evicted)
        self._told = (policy, evicted) if policy else None

    def _tell(self, policy: str, evicted: int) -> None:
        _log.warning(
            "The token store %s is on a server that throws keys away when its memory is full, tokens too "
            "(maxmemory-policy %s; %d keys evicted since its start). Set it to noeviction.",
            self._connections.location,
            policy,
            evicted,
        )

    def _tell_loss(self) -> None:
        _log.warning(
            "The token store %s has lost what it held: its server was restarted without its data or emptied, "
            "has evicted keys, or a copy was put back. Users whose tokens are gone log in again.",
            self._connections.location,
        )
