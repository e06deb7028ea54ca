"""A quick run takes a few cases of each test for each store; the others take part in the whole run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from tests.conftest import pytest_itemcollected
from tests.support.sample import sampled


class Item:
    """A test as pytest collects it."""

    def __init__(self, nodeid: str, marks: Sequence[str] = ()) -> None:
        self.nodeid, self.marks = nodeid, [*marks]

    def get_closest_marker(self, name: str) -> str | None:
        return name if name in self.marks else None

    def add_marker(self, name: str) -> None:
        self.marks.append(name)


def sample(most: int, *ids: str) -> list[str]:
    items: Any = [Item(nodeid) for nodeid in ids]
    return [item.nodeid for item in sampled(items, most)]


def test_few_cases_of_each_test_for_each_store() -> None:
    """They are spread over all cases, and the same in whatever order these are; a lone test stays."""
    cases = [f"test_a[{store}-{number:02}]" for store in ("csv", "redis") for number in range(20)]
    chosen = [case for case in cases if case[-4:-1] in ("-00", "-07", "-14")]
    assert sample(3, *cases, "test_b") == [*chosen, "test_b"]
    assert sample(3, "test_b", *reversed(cases)) == ["test_b", *reversed(chosen)]
    assert sample(1, "test_a[csv-clear]", "test_a[csv-sealed]") == ["test_a[csv-clear]", "test_a[csv-sealed]"]
    assert sample(0, *cases) == cases


@pytest.mark.parametrize(
    ("nodeid", "marks", "is_sealed"),
    [
        ("sealing/test_a.py::test_a", (), True),
        ("sealing/test_a.py::test_a", ("clear",), False),
        ("contract/test_a.py::test_a[redis-sealed-x]", (), True),
        ("contract/test_a.py::test_a[redis-clear-x]", (), False),
        ("sdk/test_a.py::test_a[sealed]", (), False),
    ],
)
def test_tests_with_keys_of_their_own_are_marked(
    nodeid: str, marks: tuple[str, ...], is_sealed: bool
) -> None:
    """So that the clear run can leave them to the sealed run, which takes all tests of these folders."""
    item: Any = Item(f"tests/{nodeid}", marks)
    pytest_itemcollected(item)
    assert ("sealed" in item.marks) == is_sealed
