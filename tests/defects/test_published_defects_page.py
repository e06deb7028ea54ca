"""The table of docs/reference/published-defects.md and the tests say the same."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import NamedTuple

from tests.defects import test_db_store, test_file_store, test_samples
from tests.defects.marks import Defect
from tests.defects.subjects import VARIABLE

PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "published-defects.md"

NUMBERS = [
    *(f"F{number}" for number in range(1, 14)),
    *(f"D{number}" for number in range(1, 13)),
    *(f"S{number}" for number in range(1, 12)),
    "M1",
    *(f"L{number}" for number in range(1, 4)),
]


class Line(NamedTuple):
    """A line of the page's tables."""

    number: str
    what: str
    stores: set[str]
    proof: str


def lines() -> list[Line]:
    found = []
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        if re.match(r"\| [FDSML]\d+ \|", line):
            number, what, stores, proof = line.strip("| ").split(" | ")
            found.append(Line(number, what, set() if stores == "–" else set(stores.split(", ")), proof))
    return found


def marked() -> Iterator[tuple[str, Defect]]:
    modules: list[ModuleType] = [test_file_store, test_db_store, test_samples]
    for module in modules:
        for name, function in vars(module).items():
            for mark in getattr(function, "pytestmark", []):
                if mark.name == "defect":
                    yield name, mark.args[0]


def test_page_has_every_number_once() -> None:
    """Every defect of the file store, the MySQL store and the three samples has its line, in order."""
    assert [line.number for line in lines()] == NUMBERS


def test_page_names_the_tests_of_every_number() -> None:
    """The last column names exactly the tests of that number, or says why there is none."""
    of_number: defaultdict[str, set[str]] = defaultdict(set)
    for name, defect in marked():
        of_number[defect.number].add(name)
    for line in lines():
        assert set(re.findall(r"`(test_\w+)`", line.proof)) == of_number[line.number], line.number
        assert line.proof


def test_page_names_the_stores_of_every_number() -> None:
    """The stores in the table are those that the tests run over; without any, there is no test."""
    of_number: defaultdict[str, set[str]] = defaultdict(set)
    for _, defect in marked():
        of_number[defect.number] |= set(defect.stores)
    assert {line.number: line.stores for line in lines()} == {n: of_number[n] for n in NUMBERS}


def test_tests_are_named_after_their_number() -> None:
    """The name of a test begins with the number of its defect."""
    assert [
        (name, d.number) for name, d in marked() if not name.startswith(f"test_{d.number.lower()}_")
    ] == []


def test_file_store_proves_every_defect_of_its_own() -> None:
    """Each defect of the SDK's FileStore that we could have is shown on that store in every run."""
    shown = {defect.number for _, defect in marked() if defect.file_store is not None}
    assert {line.number for line in lines() if line.number.startswith("F") and line.stores} <= shown


def test_page_tells_what_is_shown() -> None:
    """A line says `shown` exactly where a test of that number runs over the SDK's FileStore too."""
    shown = {defect.number for _, defect in marked() if defect.file_store is not None}
    assert {line.number for line in lines() if line.proof.startswith("shown")} == shown


def test_page_names_the_variable() -> None:
    """The page says by which environment variable the tests run over another store."""
    assert f"`{VARIABLE}`" in PAGE.read_text(encoding="utf-8")
