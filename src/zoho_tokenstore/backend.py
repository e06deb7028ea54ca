"""What a storage must do to carry tokens: the protocol behind every store."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from zoho_tokenstore.records import Found, RetiredId, Row


class RetiredIds(Protocol):
    """The ids of the rows that were deleted: none of them is ever given to a row again.

    Each costs a few bytes, apart from the rows, until it is pruned.
    """

    def scan(self) -> Iterator[RetiredId]:
        """Yield all of them, in the order of the ids."""

    def add(self, ids: Iterable[RetiredId]) -> int:
        """Retire ids that were deleted elsewhere; return how many were new. Rows stay as they are."""

    def prune(self, before_ms: int) -> int:
        """Forget the ids retired before that time (epoch milliseconds); return how many there were."""

    def cleared_ms(self) -> int:
        """Return when `Backend.clear` was last called, in epoch milliseconds; 0 if it never was.

        Every `clear` makes it greater, whatever the clocks say. It is never pruned.
        """


class Backend(Protocol):
    """A place where rows live.

    Six things are optional, each an attribute that is there or not: `leases` (see
    `leases.Leases`), seen by everybody who uses the storage; `scrub()`, which overwrites what
    replaced and deleted rows have left behind in the storage; `sample(limit)`, which yields some of
    the rows in any order, where a scan would list all first; `rehearse(row, *, expect)`, which
    does all of a `write` that can fail, leaves nothing behind, and raises what `write` would;
    `count()`, which returns how many rows there are without reading them, those that cannot be read
    included; and `write_many(rows)`, for a storage that takes many at once. That does for each of the
    rows, whose ids differ, what `write` does where there must be no row of its id. It returns their
    etags in the same order, with `None` for a row that was not written. If it raises a `BackendError`,
    some of them may have been written, each of them whole.

    A backend keeps texts and knows no rule about tokens. It may be used by any thread of the
    process, and goes on working in a child after a fork. `None` and `[]` mean "looked, and there
    is none"; every failure raises a `BackendError` with the driver's exception as its cause. A row
    that is none (text that is no text, a time that is no number) is no failure of the storage:
    `find` and `scan` tell it as an `UnreadableRow` among the others.
    """

    @property
    def location(self) -> str:
        """Where the rows are, for people: no password in it."""

    @property
    def retired(self) -> RetiredIds:
        """The ids of deleted rows."""

    def load(self, row_id: str) -> Row | None:
        """Return the row with this id.

        While nobody has changed it, a backend may return the very same object again, and what
        is built on top of a row may then be reused.

        Raises:
            UnreadableRowError: there is something with this id, but no row.
        """

    def find(self, index: str, *keys: str) -> Sequence[Found]:
        """Return the rows that `index` (one of `records.LOOKUPS`) finds under any of `keys`, each once.

        Keys are compared code point by code point: no case folding, no Unicode normalisation. All
        keys are looked up at one moment: a row that is moved from one of them to another one
        meanwhile is found.
        """

    def scan(self, *, after: str | None = None, limit: int | None = None) -> Iterator[Found]:
        """Yield the rows in the order of their ids, from the one behind `after`, `limit` at most."""

    def write(self, row: Row, *, expect: object) -> object:
        """Store the row if it still is as the caller knows it, and return its new etag.

        Arguments:
            row: what to store; its own `etag` is ignored.
            expect: the etag of the version that this one replaces, or `None` if there must be
                no row of this id.

        Raises:
            RowChangedError: the stored row has another etag, is gone, or exists already.
            RetiredIdError: there must be no row of this id, and a deleted row has had it.
        """

    def remove(self, row_id: str) -> bool:
        """Delete the row with this id, and retire the id in the same step; return whether there was one.

        A row that cannot be read is deleted like any other.
        """

    def clear(self) -> int:
        """Delete all rows of this store and retire their ids; return how many there were.

        In one step where the storage can; else each row with its id.
        """

    def close(self) -> None:
        """Let go of connections and files. Closing twice is allowed, using it afterwards is not."""
