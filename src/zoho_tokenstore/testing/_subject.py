"""What the contracts share: a thing under test, new for each test, and threads that start together."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest

from zoho_tokenstore.testing._abilities import Ability, Declares

T = TypeVar("T")
_PATIENCE = 60.0


class StoreSubject(Declares):
    """A store under test. Subclasses say how to make one."""

    def make_store(self, folder: Path) -> Any:
        """Return a store without tokens. `folder` is an empty folder, for a store that needs one."""
        raise NotImplementedError(f"{type(self).__name__} must define make_store(self, folder).")

    def reopen(self, store: Any, folder: Path) -> Any:
        """Return another handle on the tokens of a folder. In another process, `store` is `None`."""
        raise NotImplementedError(
            f"{type(self).__name__} must define reopen(self, store, folder), or set abilities = frozenset()."
        )

    def opener(self, folder: Path) -> Callable[[], Any]:
        """Return what another process calls to open the store of a folder. It must be picklable."""
        return partial(_reopen, type(self), folder)

    def new_store(self, folder: Path) -> Any:
        """Return what `make_store` does; skip the running clause if it can't be asked of that store."""
        return self.make_store(folder)

    @pytest.fixture
    def store(self, tmp_path: Path) -> Iterator[Any]:
        """A new store."""
        store = self.new_store(tmp_path)
        yield store
        close_store(store)

    @pytest.fixture
    def other(self, store: Any, tmp_path: Path) -> Iterator[Any]:
        """A second handle on the tokens of `store`."""
        self.need(Ability.SHARED)
        other = self.reopen(store, tmp_path)
        yield other
        close_store(other)


def _reopen(contract: type[StoreSubject], folder: Path) -> Any:
    return contract().reopen(None, folder)


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


def within(seconds: float, work: Callable[[], T]) -> T:
    """Return what `work` returns; it is left behind if it takes longer."""
    future: Future[T] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # noqa: BLE001  # all of it goes to the caller
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()  # a pool would wait for it at the exit
    return future.result(seconds)


def close_store(store: Any) -> None:
    """Close a store, if it can be closed."""
    close = getattr(store, "close", None)  # the SDK's interface has none
    if close is not None:
        close()
