"""What a storage must do to carry tokens: the protocol behind every store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

from zoho_tokenstore.records import Row


class Backend(Protocol):
    """A place where rows live.

    Three things are optional, each an attribute that is there or not: `leases` (see
    `leases.Leases`), seen by everybody who uses the storage; `scrub()`, which overwrites what
    replaced and deleted rows have left behind in the storage; and `sample()`, which returns some
    row, or `None`, where `scan(limit=1)` would take long.

    A backend keeps texts and knows no rule about tokens. It may be used by any thread of the
    process, and goes on working in a child after a fork. `None` and `[]` mean "looked, and there
    is none"; every failure raises a `BackendError` with the driver's exception as its cause.
    """

    @property
    def location(self) -> str:
        """Where the rows are, for people: no password in it."""

    def load(self, row_id: str) -> Row | None:
        """Return the row with this id.

        While nobody has changed it, a backend may return the very same object again, and what
        is built on top of a row may then be reused.
        """

    def find(self, index: str, *keys: str) -> list[Row]:
        """Return the rows that `index` (one of `records.LOOKUPS`) finds under any of `keys`, each once.

        Keys are compared code point by code point: no case folding, no Unicode normalisation. All
        keys are looked up at one moment: a row that is moved from one of them to another one
        meanwhile is found.
        """

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Row]:
        """Yield the rows in the order of their ids, from the one behind `after`, `limit` at most."""

    def write(self, row: Row, *, expect: object) -> object:
        """Store the row if it still is as the caller knows it, and return its new etag.

        Arguments:
            row: what to store; its own `etag` is ignored.
            expect: the etag of the version that this one replaces, or `None` if there must be
                no row of this id.

        Raises:
            RowChangedError: the stored row has another etag, is gone, or exists already.
        """

    def remove(self, row_id: str) -> bool:
        """Delete the row with this id; return whether there was one."""

    def clear(self) -> int:
        """Delete all rows of this store, in one step where the storage can; return how many there were."""

    def close(self) -> None:
        """Let go of connections and files. Closing twice is allowed, using it afterwards is not."""
