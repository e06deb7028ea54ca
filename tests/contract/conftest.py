"""Which stores the clauses that drive Zoho's SDK run over."""

from __future__ import annotations

import pytest

from tests.support.sample import words_of


def pytest_itemcollected(item: pytest.Item) -> None:
    """The SDK sees six methods, whatever is behind them; in a quick run it sees those of one store."""
    if "::test_sdk_" in item.nodeid and {*words_of(item)} - {"sqlite", "clear"}:
        item.add_marker("long")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Sealing is the same over every backend, so the SDK is driven over one sealed store."""
    left_out = {item for item in items if "::test_sdk_" in item.nodeid and _is_sealed_again(item)}
    config.hook.pytest_deselected(items=[*left_out])
    items[:] = [item for item in items if item not in left_out]


def _is_sealed_again(item: pytest.Item) -> bool:
    words = words_of(item)
    return "sealed" in words and "sqlite" not in words
