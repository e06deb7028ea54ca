"""The published results speak of the contract as it is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.check.published import BEGIN, END, PAGE
from tests.check.tables import Checked, Subject, tables
from zoho_tokenstore.testing import TokenStoreContract, catalogue

RESULTS = PAGE.read_text(encoding="utf-8").partition(BEGIN)[2].partition(END)[0]


def test_the_page_names_clauses_as_they_are() -> None:
    """Each row has a clause's number, its name, and what it rests on; run the command again if not."""
    rows = re.findall(r"^\| ([A-Z]\d+) \| `([\w-]+)` \| .+ \| (.+) \|$", RESULTS, re.MULTILINE)
    known = {(clause.number, clause.name, clause.basis) for clause in catalogue(TokenStoreContract)}
    assert rows
    assert {*rows} <= known


def test_our_stores_hold_everything() -> None:
    """All ten, and no clause is left out but those about second handles of a store of one process."""
    rows = re.findall(r"^\| ours \| `(\w+)` \| 8\.0 \| (\d+) of (\d+) \| (.+) \|$", RESULTS, re.MULTILINE)
    assert len(rows) == 10
    assert all(holding == counted for _, holding, counted, _ in rows)


@pytest.mark.parametrize(("outcome", "sign"), [("failed", "**✗**"), ("skipped", "–")])
def test_a_matrix_shows_what_fails(outcome: str, sign: str) -> None:
    """A clause that fails somewhere has a row, with a sign for each store; others have none."""
    first, second = catalogue(TokenStoreContract)[:2]

    def checked(*outcomes: str) -> Checked:
        results = {
            clause.number: {"outcome": one, "severity": clause.severity}
            for clause, one in zip((first, second), outcomes, strict=False)
        }
        return Checked(Subject("`Some`", "8.0", "m:f", Path()), results)

    lines = [*tables([checked("failed", "passed"), checked(outcome)], [checked("passed", "passed")])]
    assert f"| {first.number} | `{first.name}` | **✗** | {sign} | ✓ | {first.basis} |" in lines
    assert not any(second.name in line for line in lines)
    assert lines[2].startswith("| A | `Some` | 8.0 | 1 of 2 |")
