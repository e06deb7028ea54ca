"""The contract's pages say what the contract's code does."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from zoho_tokenstore.testing import BackendContract, LeasesContract, TokenStoreContract, catalogue, clauses

DOCS = Path(__file__).parents[2] / "docs"
REFERENCE = (DOCS / "reference" / "contract.md").read_text(encoding="utf-8")
HOW_TO = (DOCS / "how-to" / "prove-your-own-store.md").read_text(encoding="utf-8")


def listed(heading: str) -> dict[str, str]:
    """Return the clauses listed below a heading of the reference, up to the next of its kind."""
    section = REFERENCE.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return dict(re.findall(r"^\| (?:\w+ \| )?`([\w-]+)` \| (.+?) \|(?: \*\*.+ \|)?$", section, re.MULTILINE))


def test_the_reference_says_what_a_failure_does() -> None:
    """With the number, the severity and the harm of each clause."""
    rows = re.findall(r"^\| (\w+) \| `([\w-]+)` \| .+ \| \*\*(.+)\*\*: (.+) \|$", REFERENCE, re.MULTILINE)
    known = catalogue(TokenStoreContract)
    assert rows == [(clause.number, clause.name, clause.severity, clause.harm) for clause in known]


@pytest.mark.parametrize(
    ("heading", "contract"),
    [
        ("Token stores: `TokenStoreContract`", TokenStoreContract),
        ("Backends: `BackendContract`", BackendContract),
        ("Leases: `LeasesContract`", LeasesContract),
    ],
    ids=["token stores", "backends", "leases"],
)
def test_the_reference_lists_the_clauses(heading: str, contract: type) -> None:
    """Every clause stands in docs/reference/contract.md under its id with its statement, and no other."""
    assert listed(heading) == clauses(contract)


@pytest.mark.parametrize(
    "contract", [TokenStoreContract, BackendContract, LeasesContract], ids=lambda kind: kind.__name__
)
def test_every_clause_is_a_sentence(contract: type) -> None:
    """Every test of a contract has a docstring that states its clause."""
    assert all(statement.endswith(".") for statement in clauses(contract).values())


@pytest.mark.long
def test_the_example_proves_a_store(tmp_path: Path) -> None:
    """The test file of the how-to, run as it stands, passes the clauses; the many texts are left out here."""
    blocks = re.findall(r"```python\n(.*?)```", HOW_TO, re.DOTALL)
    example = next(block for block in blocks if "TokenStoreContract" in block)
    (tmp_path / "test_my_store.py").write_text(example, encoding="utf-8")
    done = run_pytest(tmp_path, "-k", "not (hostile or lookalike or injections)")
    assert done.returncode == 0, done.stdout
    assert re.search(r"^\d{2,3} passed, 1 skipped, \d{3} deselected in", done.stdout, re.MULTILINE), (
        done.stdout
    )


@pytest.mark.long
def test_a_store_without_a_second_handle_must_say_so(tmp_path: Path) -> None:
    """Without `reopen` the clauses about handles fail; without the ability they are skipped, aloud."""
    source = (
        "from zoho_tokenstore import ListStore\nfrom zoho_tokenstore.testing import TokenStoreContract\n"
        "class TestSilent(TokenStoreContract):\n    def make_store(self, folder): return ListStore()\n"
        "class TestSaying(TestSilent):\n    abilities = frozenset()\n"
        "class TestUnmade(TokenStoreContract):\n    pass\n"
    )
    (tmp_path / "test_my_store.py").write_text(source, encoding="utf-8")
    done = run_pytest(tmp_path, "-k", "handles_delete_for_all", "-rsE")
    assert re.search(r"^1 skipped, \d+ deselected, 2 errors in", done.stdout, re.MULTILINE), done.stdout
    assert "not among the declared abilities: shared" in done.stdout
    assert (
        "TestSilent must define reopen(self, store, folder), or set abilities = frozenset()." in done.stdout
    )
    assert "TestUnmade must define make_store(self, folder)." in done.stdout


def run_pytest(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the tests in a folder in an interpreter of its own."""
    own = ["-p", "no:cacheprovider", "--basetemp", str(folder / "tmp")]  # not shared with this run
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", *own, *arguments, str(folder)]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=100, check=False)
