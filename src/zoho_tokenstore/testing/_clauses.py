"""The clauses of a contract: what its tests prove, by name."""

from __future__ import annotations

import inspect

_PREFIX = "test_"


def clause_of(test: str) -> str:
    """Return the id of the clause that a test proves, by the test's name."""
    return test.removeprefix(_PREFIX).replace("_", "-")


def clauses(contract: type) -> dict[str, str]:
    """Return the statement of every clause of a contract, by the clause's id.

    A test named ``test_find_fills_in_place`` proves the clause ``find-fills-in-place``; its
    docstring is the statement.
    """
    return {
        clause_of(name): " ".join((inspect.getdoc(test) or "").split())
        for name, test in inspect.getmembers(contract, inspect.isfunction)
        if name.startswith(_PREFIX)
    }
