"""Zoho's own stores fail what is published of them and what the SDK needs, and nothing by our taste."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest
from sqlalchemy.engine import make_url

from tests.check.subjects import MARIADB
from tests.support import servers
from tests.support.processes import ROOT
from zoho_tokenstore.testing import ORDINARY, Ability, TokenStoreContract, catalogue, check

PAGE: Final = (ROOT / "docs" / "reference" / "published-defects.md").read_text(encoding="utf-8")

FAILS: Final = {
    "file_store": {
        "F4": "F7", "F8": "D7", "F15": "F5", "F16": "F4", "F17": "F4",
        "S3": "F6", "S5": "F3", "S6": "F3", "S9": "F4", "S13": "F5", "S14": "F5", "S15": "F5", "S16": "F4",
        "S24": "F3", "I3": "F8", "D2": "D11", "D5": "SDK", "H1": "F8", "H3": "F8",
        "L1": "F10", "B1": "F9", "B2": "F9", "B3": "F9", "E7": "F4", "E8": "F7", "E11": "F5",
    },
    "db_store": {
        "F4": "D4", "F8": "D7", "F15": "F5", "F16": "F4", "F17": "F4",
        "S3": "F6", "S4": "D3", "S5": "D3", "S6": "F3", "S7": "D1", "S8": "D2", "S9": "F4",
        "S10": "D2", "S11": "D2", "S13": "F5", "S14": "F5", "S15": "F5", "S16": "F4", "S17": "D2",
        "S24": "F3", "I3": "D6", "D5": "SDK", "H4": "D6", "H5": "D6", "E7": "F4", "E8": "D4", "E11": "F5",
    },
}  # fmt: skip
"""Each clause that a store fails, with the published defect that the clause rests on. What is published of
`FileStore` and is true of `DBStore` too has the number of the first."""

BY_CHANCE: Final = {
    "T2": "F1", "T3": "F1", "T4": "F2", "P3": "F1", "E15": "SDK", "E16": "Zoho", "E17": "Zoho",
}  # fmt: skip
"""Those that they fail if threads meet at the wrong moment."""

BY_PROCESSES: Final = {"X1": "F1", "X2": "F1", "X3": "F2", "K1": "F2", "K2": "F2"}
"""Those about processes, which take long: `python -m tests.check.published` runs them."""


def failed(store: str, *abilities: Ability) -> set[str]:
    """Return the clauses that a store fails, but for what it fails by chance."""
    only = [clause.number for clause in catalogue(TokenStoreContract) if clause.number[0] not in "XK"]
    report = check(f"tests.check.subjects:{store}", abilities=abilities, only=only)
    return {result.clause.number for result in report.of("failed")} - BY_CHANCE.keys()


def test_file_store_fails_what_is_proven() -> None:
    """These clauses, no others; the rest hold."""
    assert failed("file_store", *ORDINARY) == FAILS["file_store"].keys()


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(300)
def test_db_store_fails_what_is_proven(monkeypatch: pytest.MonkeyPatch) -> None:
    """So does the store on MariaDB."""
    url = make_url(servers.server("mariadb").url)
    server = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
    monkeypatch.setenv(MARIADB, json.dumps(server))
    assert failed("db_store", Ability.PERSISTENT, Ability.SHARED) == FAILS["db_store"].keys()


@pytest.mark.parametrize(
    "fails", [*FAILS.values(), BY_CHANCE, BY_PROCESSES], ids=[*FAILS, "chance", "processes"]
)
def test_each_of_them_rests_on_a_fact(fails: dict[str, str]) -> None:
    """The clause names the defect, and the page of published defects has it; or the SDK or Zoho needs it."""
    bases = {clause.number: clause.basis for clause in catalogue(TokenStoreContract)}
    for number, defect in fails.items():
        assert re.search(rf"\b{defect}\b", bases[number]), number
        assert defect in ("SDK", "Zoho") or f"| {defect} | " in PAGE
