"""What the contracts share: a thing under test, new for each test, and threads that start together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

T = TypeVar("T")
_PATIENCE = 60.0


class StoreSubject:
    """A store under test. Subclasses say how to make one."""

    can_reopen: ClassVar[bool] = True
    """Whether there can be a second handle on a store's tokens. If not, the clauses about it are skipped."""

    def make_store(self, folder: Path) -> Any:
        """Return a store without tokens. `folder` is an empty folder, for a store that needs one."""
        raise NotImplementedError(f"{type(self).__name__} must define make_store(self, folder).")

    def reopen(self, store: Any, folder: Path) -> Any:
        """Return a second handle on the tokens of `store`, as another process would open it."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reopen(self, store, folder), or set can_reopen = False."
        )

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Any]:
        """A new store."""
        store = self.make_store(tmp_path)
        yield store
        close_store(store)

    @pytest.fixture
    def other(self, store: Any, tmp_path: Path) -> Iterator[Any]:
        """A second handle on the tokens of `store`."""
        if not self.can_reopen:
            pytest.skip(f"{type(self).__name__} says that its store cannot be opened twice (can_reopen)")
        other = self.reopen(store, tmp_path)
        yield other
        close_store(other)


def together(count: int, work: Callable[[int], T]) -> list[T]:
    """Return what `work` returns for 0, 1, …, each in a thread of its own, all let go at once."""
    gate = threading.Barrier(count, timeout=_PATIENCE)

    def wait_and_work(number: int) -> T:
        gate.wait()
        return work(number)

    with ThreadPoolExecutor(count) as pool:
        return [future.result(_PATIENCE) for future in [pool.submit(wait_and_work, n) for n in range(count)]]


def until(done: threading.Event, work: Callable[[], None]) -> None:
    """Do some work, and say when it is over, however it ends."""
    try:
        work()
    finally:
        done.set()


def close_store(store: Any) -> None:
    """Close a store, if it can be closed."""
    close = getattr(store, "close", None)  # the SDK's interface has none
    if close is not None:
        close()
