"""Leases: who may do something alone, for a limited time."""

from __future__ import annotations

import hashlib
import os
import random
import threading
import weakref
from functools import lru_cache
from typing import Final, NamedTuple, Protocol

from zoho_tokenstore.clock import Clock, now_ms
from zoho_tokenstore.records import TokenRecord

_FORGETS_ONE_IN: Final = 64


class Kept(NamedTuple):
    """What is kept under a name.

    Arguments:
        text: the text; empty if nothing is kept.
        now_ms: the time in epoch milliseconds, by the clock of the server that keeps it, where it has
            one (PostgreSQL, MySQL, MariaDB, Redis); else by this host's.
    """

    text: str
    now_ms: int


class Leases(Protocol):
    """Where leases are kept: a text under each name, which is replaced by compare-and-set.

    Every thread sees it, and every process that shares the store. A storage knows no rule about
    the texts. Each call is one round trip to a server; a failure raises a `BackendError`.
    """

    def read(self, name: str) -> Kept:
        """Return what is kept under a name, and the time."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        """Store a text if what is kept under the name is still `was`; return whether it is stored now.

        If it is there already, it was stored by an earlier try whose answer was lost; that counts too.

        Arguments:
            name: any text of our own making.
            was: what was read; empty if nothing was.
            text: what to store; not empty, and no text is ever used twice.
            keep_ms: for how many milliseconds it must be kept, one at least. It is forgotten some time
                after that.
        """


class LocalLeases:
    """What is kept for the threads of one process. A child after a fork begins with the same texts."""

    def __init__(self, clock: Clock = now_ms) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[str, int]] = {}
        begin_anew_after_fork(self)

    def read(self, name: str) -> Kept:
        return Kept(self._text(name), self._clock())

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        with self._lock:
            if self._text(name) not in (was, text):
                return False
            now = self._clock()
            if not was and forgets_now():
                self._kept = {name: kept for name, kept in self._kept.items() if kept[1] >= now}
            self._kept[name] = text, now + keep_ms
            return True

    def begin_anew(self) -> None:
        self._lock = threading.Lock()  # another thread may have held it

    def _text(self, name: str) -> str:
        return self._kept.get(name, ("", 0))[0]


def forgets_now() -> bool:
    """Tell whether the storage of a new name shall delete what need not be kept any more.

    It is left to chance, because a process may be too short-lived to count.
    """
    return random.randrange(_FORGETS_ONE_IN) == 0  # noqa: S311  # not a secret


def names_of(record: TokenRecord) -> list[str]:
    """Return the names of the leases for a record's credentials, the one to take first.

    A refresh token lasts and is shared, a grant token is spent once: so the refresh token names
    the lease where there is one, and counts the refreshes that Zoho counts. Nobody can read a
    credential from its name.
    """
    return [
        _name(kind, record.client_id or "", record.client_secret or "", credential)
        for kind, credential in (("refresh", record.refresh_token), ("grant", record.grant_token))
        if credential is not None
    ]


@lru_cache(maxsize=1024)  # asked for at every look-up of a token that is due
def _name(kind: str, client_id: str, client_secret: str, credential: str) -> str:
    text = "\0".join((kind, client_id, client_secret, credential))
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"


class Heir(Protocol):
    """Something that holds locks, or what belongs to one process alone."""

    def begin_anew(self) -> None:
        """Drop in a child what is its parent's, with locks of its own."""


_heirs: weakref.WeakSet[Heir] = weakref.WeakSet()


def begin_anew_after_fork(heir: Heir) -> None:
    """Call its `begin_anew` in every child, for as long as it lives."""
    _heirs.add(heir)


def _begin_anew() -> None:
    for heir in list(_heirs):
        heir.begin_anew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_begin_anew)
