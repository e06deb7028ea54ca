"""Which clauses are run over which of our stores."""

from __future__ import annotations

from typing import Final

import pytest

from tests.support.sample import sampled, words_of

_ONCE: Final = ("test_processes_", "test_killed_", "test_sdk_processes_")
_END_TO_END: Final = "test_sdk_"


def pytest_itemcollected(item: pytest.Item) -> None:
    """In a quick run, the SDK and other processes see one store."""
    if item.name.startswith((_END_TO_END, *_ONCE)) and {*words_of(item)} - {"sqlite", "clear"}:
        item.add_marker("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what sealing does not change: other processes, and the SDK on every sealed store but one.

    What a cipher makes of many values, one store shows; the others see one case of each test sealed.
    """
    sealed = [
        item for item in items if item.nodeid.startswith("tests/contract/") and "sealed" in words_of(item)
    ]
    others = [item for item in sealed if "sqlite" not in words_of(item)]
    out = {item for item in sealed if _is_done_in_clear(item)} | {*others} - {*sampled(others, 1)}
    config.hook.pytest_deselected(items=[*out])
    items[:] = [item for item in items if item not in out]


def _is_done_in_clear(item: pytest.Item) -> bool:
    is_end_to_end = item.name.startswith(_END_TO_END)
    return item.name.startswith(_ONCE) or (is_end_to_end and "sqlite" not in words_of(item))
