"""Every clause of the contract can fail: for each there is a broken store that it catches."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache, partial
from itertools import product
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.broken import CAUGHT_BY, Broken, OnDisk, Sealing
from tests.contract.stricter import StricterContract
from zoho_tokenstore.testing import clauses
from zoho_tokenstore.testing._program import program_with
from zoho_tokenstore.testing._subject import close_store

pytestmark = pytest.mark.clear  # each of these stores says itself whether it seals

RIGHT: Final[tuple[Any, ...]] = (Sealing, OnDisk, Broken)
"""The right stores that the broken ones are made of."""

CASES = [(store, clause) for store, caught in CAUGHT_BY.items() for clause in sorted(caught)]


class Contract(StricterContract):
    """The contract over one of these stores."""

    def __init__(self, kind: Any) -> None:
        self.kind, self.abilities = kind, kind.abilities

    def make_store(self, folder: Path) -> Any:
        return self.kind(folder) if issubclass(self.kind, OnDisk) else self.kind()

    def reopen(self, store: Any, folder: Path) -> Any:
        return self.kind(folder) if issubclass(self.kind, OnDisk) else store.handle()

    def opener(self, folder: Path) -> Callable[[], Any]:
        return partial(self.kind, folder)


def cases_of(test: Any) -> Iterator[dict[str, Any]]:
    """Yield the arguments of every case of a parametrised test."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in product(*(mark.args[1] for mark in marks)):
        yield dict(zip((mark.args[0] for mark in marks), values, strict=True))


def is_caught(kind: Any, clause: str, folder: Path) -> bool:
    """Return whether any case of a clause fails for a store."""
    test = getattr(StricterContract, f"test_{clause.replace('-', '_')}")
    for number, arguments in enumerate(cases_of(test)):
        place = folder / str(number)
        place.mkdir()
        if _fails(Contract(kind), test, place, arguments):
            return True
    return False


def _fails(contract: Contract, test: Any, folder: Path, arguments: dict[str, Any]) -> bool:
    asked = inspect.signature(test).parameters
    with ExitStack() as opened:
        fixtures = _fixtures(contract, folder, opened)
        try:
            test(contract, **arguments, **{name: fixtures[name]() for name in asked if name in fixtures})
        except Exception:  # noqa: BLE001  # whatever a broken store breaks
            return True
        except BaseException as outcome:
            if type(outcome).__name__ == "Failed":  # pytest.raises() without an exception
                return True
            raise
    return False


def _fixtures(contract: Contract, folder: Path, opened: ExitStack) -> dict[str, Callable[[], Any]]:
    """Return how each fixture of the contract is made; what is opened is closed at the end."""

    def keep(store: Any) -> Any:
        opened.callback(close_store, store)
        return store

    store = cache(lambda: keep(contract.make_store(folder)))
    other = cache(lambda: keep(contract.reopen(store(), folder)))

    def program() -> Any:
        own = folder / "sdk"
        own.mkdir()
        return opened.enter_context(program_with(store(), other, own))

    return {"store": store, "other": other, "program": program, "tmp_path": lambda: folder}


@pytest.mark.parametrize(("store", "clause"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_store_is_caught(store: Any, clause: str, tmp_path: Path) -> None:
    """The clause fails for this store."""
    assert is_caught(store, clause, tmp_path)


@pytest.mark.parametrize("clause", clauses(StricterContract))
def test_every_clause_catches_a_broken_store(clause: str, tmp_path: Path) -> None:
    """There is a store that fails this clause, and the right store of its kind does not."""
    kinds = [kind for kind, caught in CAUGHT_BY.items() if clause in caught]
    assert kinds
    if not clause.startswith(("processes-", "killed-")):  # test_stores.py proves those, and they take long
        right: Any = next(kind for kind in RIGHT if kind.abilities == Contract(kinds[0]).abilities)
        assert not is_caught(right, clause, tmp_path)


def test_there_are_enough_broken_stores() -> None:
    """Sixty, each caught by at least one clause."""
    assert len(CAUGHT_BY) >= 60
    assert all(CAUGHT_BY.values())
