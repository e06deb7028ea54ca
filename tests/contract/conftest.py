"""Which clauses are run over which of our stores."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.sample import words_of

_ONCE: Final = ("test_processes_", "test_killed_")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out other processes of sealed stores: a row that is sealed is stored like any other."""
    out = [item for item in items if item.name.startswith(_ONCE) and "sealed" in words_of(item)]
    config.hook.pytest_deselected(items=out)
    items[:] = [item for item in items if item not in {*out}]
