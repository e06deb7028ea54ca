"""Every clause of the contract can fail: for each there is a broken store that it catches."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.contract.broken import CAUGHT_BY, Broken
from zoho_tokenstore.testing import TokenStoreContract, clauses
from zoho_tokenstore.testing._program import program_with

CASES = [(store, clause) for store, caught in CAUGHT_BY.items() for clause in sorted(caught)]


def cases_of(test: Any) -> Iterator[dict[str, Any]]:
    """Yield the arguments of every case of a parametrised test."""
    marks = [mark for mark in getattr(test, "pytestmark", []) if mark.name == "parametrize"]
    for values in product(*(mark.args[1] for mark in marks)):
        yield dict(zip((mark.args[0] for mark in marks), values, strict=True))


def is_caught(make_store: type[Broken], clause: str) -> bool:
    """Tell whether any case of a clause fails for a store."""
    test = getattr(TokenStoreContract, f"test_{clause.replace('-', '_')}")
    return any(_fails(make_store, test, arguments) for arguments in cases_of(test))


def _fails(make_store: type[Broken], test: Any, arguments: dict[str, Any]) -> bool:
    wanted = inspect.signature(test).parameters
    with make_store() as store, ExitStack() as opened:
        if "other" in wanted:
            arguments["other"] = store.handle()
        if "program" in wanted:
            folder = opened.enter_context(TemporaryDirectory())
            arguments["program"] = opened.enter_context(program_with(store, store.handle, Path(folder)))
        if "store" in wanted:
            arguments["store"] = store
        try:
            test(TokenStoreContract(), **arguments)
        except Exception:  # noqa: BLE001  # whatever a broken store breaks
            return True
        except BaseException as outcome:
            if type(outcome).__name__ == "Failed":  # pytest.raises() without an exception
                return True
            raise
    return False


@pytest.mark.parametrize(("store", "clause"), CASES, ids=lambda value: getattr(value, "__name__", value))
def test_a_broken_store_is_caught(store: type[Broken], clause: str) -> None:
    """The clause fails for this store."""
    assert is_caught(store, clause)


@pytest.mark.parametrize("clause", clauses(TokenStoreContract))
def test_every_clause_catches_a_broken_store(clause: str) -> None:
    """There is a store that fails this clause, and the right store does not."""
    assert any(clause in caught for caught in CAUGHT_BY.values())
    assert not is_caught(Broken, clause)
