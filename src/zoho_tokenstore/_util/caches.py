"""Caches for what runs before every API call: small, and emptied when full."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

S = TypeVar("S")
T = TypeVar("T")
_MAX_ENTRIES: Final = 1024


class SecondHitCache(dict[str, T]):
    """What was asked for more than once lately, by id: at most 1,024 entries.

    The first time an id is only noted. Most of a big store is read once; keeping that would
    take longer than reading it again.
    """

    __slots__ = ("_noted",)

    def __init__(self) -> None:
        super().__init__()
        self._noted: set[str] = set()

    def is_second_hit(self, key: str) -> bool:
        """Return whether this is not the first time; then the result is worth a `keep`."""
        noted = self._noted
        if key in noted:
            return True
        if len(noted) >= _MAX_ENTRIES:
            noted.clear()
        noted.add(key)
        return False

    def keep(self, key: str, value: T) -> None:
        """Keep a value; if there are too many, all others go."""
        if len(self) >= _MAX_ENTRIES:
            self.clear()
        self[key] = value


class MemoCache(SecondHitCache[tuple[S, T]]):
    """What was built from things that are likely to recur unchanged."""

    __slots__ = ()

    def of(self, key: str, source: S, build: Callable[[S], T]) -> T:
        """Return what `build` makes of the source, or made of an equal one for this key."""
        known = self.get(key)
        if known is not None:
            if known[0] is source:
                return known[1]
            if known[0] == source:
                self[key] = source, known[1]  # next time it may be this very object
                return known[1]
        value = build(source)
        if self.is_second_hit(key):
            self.keep(key, (source, value))
        return value
