"""A sample of the cases of each test, for a quick run."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import pytest

APART = {"sqlite", "memory", "list", "csv", "sql", "postgresql", "mariadb", "redis", "dynamodb"}
APART |= {"secretsmanager", "clear", "sealed"}
"""Words in the id of a case. Cases that differ in them are no sample of each other."""


def sampled(items: Sequence[pytest.Item], most: int) -> list[pytest.Item]:
    """Return at most so many cases of each test for each store, spread evenly over them; all if 0."""
    if not most:
        return list(items)
    groups: dict[tuple[str, ...], list[pytest.Item]] = defaultdict(list)
    for item in sorted(items, key=lambda item: item.nodeid):  # pytest-randomly shuffles them
        groups[item.nodeid.partition("[")[0], *words_of(item)].append(item)
    chosen = {
        item
        for group in groups.values()
        for number, item in enumerate(group)
        if number * most % len(group) < most
    }
    return [item for item in items if item in chosen]


def words_of(item: pytest.Item) -> list[str]:
    """Return the words in the id of a case that say which store it is about."""
    return [word for word in item.nodeid.partition("[")[2].rstrip("]").split("-") if word in APART]
