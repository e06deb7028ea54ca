"""The store that the processes share, and each one's line to it, on which messages are lost."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Final, Protocol, TypeVar

from tests.simulation.world import World
from zoho_tokenstore.backend import LeaseState, SupportsLeases
from zoho_tokenstore.backends.list import ListBackend, ListRetiredIds
from zoho_tokenstore.errors import BackendTimeoutError, BackendUnavailableError, TokenStoreError
from zoho_tokenstore.records import Row

T = TypeVar("T")


class Fault(Enum):
    """What happens to a message, as its sender does not know."""

    BEFORE = "it is lost"
    AFTER = "its answer is lost"
    LATE = "it takes effect later"


class Watch(Protocol):
    """Is told what takes effect in the store, by whom."""

    def replaced(self, by: object, name: str, text: str) -> None: ...
    def wrote(self, by: object, saved: str | None, old: Row | None, new: Row) -> None: ...
    def removed(self, rows: list[Row]) -> None: ...


class Store:
    """Rows, and what stands beside leases, by a clock that may jump."""

    def __init__(self, world: World, watch: Watch) -> None:
        self.rows: Final = ListBackend()
        self.entries: Final[dict[str, str]] = {}
        self.jumps = 0
        self._world = world
        self._watch = watch
        self._offset_ms = 0

    def now_ms(self) -> int:
        return self._world.now + self._offset_ms

    def jump(self, by_ms: int) -> None:
        self._offset_ms += by_ms
        self.jumps += 1

    def replace(self, by: object, name: str, was: str, text: str) -> bool:
        stored = self.entries.get(name, "")
        if stored != was:
            return stored == text
        self.entries[name] = text
        self._watch.replaced(by, name, text)
        return True

    def write(self, by: object, saved: str | None, row: Row, expect: object) -> object:
        old = self.rows.load(row.id)
        etag = self.rows.write(row, expect=expect)
        self._watch.wrote(by, saved, old, row)
        return etag

    def remove(self, row_id: str, expect: object) -> bool:
        row = self.rows.load(row_id)
        removed = self.rows.remove(row_id, expect=expect)
        if removed and row is not None:
            self._watch.removed([row])
        return removed

    def clear(self) -> int:
        self._watch.removed(list(self.rows.scan()))
        return self.rows.clear()


class Line(SupportsLeases):
    """One process's line to the store: a backend and its leases.

    `fault` is what happens to the next message (`lasts`: to all that follow, too); `by` is who sends it, and
    `saved` the refresh token of what is being saved.
    """

    location = "simulation://"

    def __init__(self, world: World, store: Store) -> None:
        self.leases: Line = self
        self.fault: Fault | None = None
        self.lasts = False
        self.by: object = None
        self.saved: str | None = None
        self._world = world
        self._store = store

    @property
    def retired(self) -> ListRetiredIds:
        self._read(lambda: None)
        return self._store.rows.retired

    def read(self, name: str) -> LeaseState:
        return self._read(lambda: LeaseState(self._store.entries.get(name, ""), self._store.now_ms()))

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        by = self.by
        return self._write(lambda: self._store.replace(by, name, was, text))

    def load(self, row_id: str) -> Row | None:
        return self._read(lambda: self._store.rows.load(row_id))

    def find(self, index: str, *keys: str) -> list[Row]:
        return self._read(lambda: self._store.rows.find(index, *keys))

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        return self._read(lambda: self._store.rows.scan(after=after, limit=limit))

    def write(self, row: Row, *, expect: object) -> object:
        by, saved = self.by, self.saved
        return self._write(lambda: self._store.write(by, saved, row, expect))

    def remove(self, row_id: str, *, expect: object = None) -> bool:
        return self._write(lambda: self._store.remove(row_id, expect))

    def clear(self) -> int:
        return self._write(self._store.clear)

    def close(self) -> None:
        """Nothing is open."""

    def _read(self, do: Callable[[], T]) -> T:
        if self._struck() is not None:
            raise BackendUnavailableError("The store cannot be reached.")
        return do()

    def _write(self, do: Callable[[], T]) -> T:
        fault = self._struck()
        if fault is None:
            return do()
        if fault is Fault.BEFORE:
            raise BackendUnavailableError("The store cannot be reached.")
        if fault is Fault.AFTER:
            do()
        else:
            self._world.after(self._world.random.randint(1, 5000), lambda: _quietly(do))
        raise BackendTimeoutError("The store does not answer.")

    def _struck(self) -> Fault | None:
        fault = self.fault
        if not self.lasts:
            self.fault = None
        return fault


def _quietly(do: Callable[[], object]) -> None:
    with contextlib.suppress(TokenStoreError):
        do()
