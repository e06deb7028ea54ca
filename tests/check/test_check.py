"""Anyone's store is proven by one command, and a wrong one is told what it does to its users."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Set
from pathlib import Path
from typing import Any

import pytest

from tests.check import stores
from tests.support.processes import ROOT
from zoho_tokenstore import ConfigurationError
from zoho_tokenstore.testing import (
    ORDINARY,
    Ability,
    Clause,
    ClauseResult,
    Severity,
    TokenStoreContract,
    catalogue,
    check,
    clauses,
)
from zoho_tokenstore.testing._checking import _Run
from zoho_tokenstore.testing._differences import explain
from zoho_tokenstore.testing._examples import Given
from zoho_tokenstore.testing._tokens import FIELDS

STORES = "tests.check.stores"


def command(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "zoho_tokenstore", "check", *arguments],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=ROOT,
        check=False,
    )


def test_every_clause_has_its_worth() -> None:
    """A number of its own, a severity, a harm and a basis."""
    known = catalogue(TokenStoreContract)
    assert {clause.name for clause in known} == {*clauses(TokenStoreContract)}
    assert len({clause.number for clause in known}) == len(known)
    assert {clause.severity for clause in known} <= {*Severity}
    assert all(clause.harm and clause.basis.partition(": ")[2] for clause in known)


@pytest.mark.long
def test_a_right_store_passes() -> None:
    """All clauses, none left out; each is reported once, when it is known."""
    seen: list[ClauseResult] = []
    report = check(f"{STORES}:right", on_result=seen.append)
    assert report.is_passed, report.of("failed")
    assert [result.clause.number for result in report.of("skipped")] == ["L6"]  # about stores that seal
    assert len(report.of("passed")) + 1 == len(seen) == len(catalogue(TokenStoreContract))


@pytest.mark.parametrize(
    ("factory", "abilities", "left_out"),
    [
        ("without_folder", ORDINARY, "P1 P2 P3 P4 X1 X2 X3 X4 K1 K2 K3 L1 L2 L6 B1 B2 B3 E17"),
        ("right", {Ability.PERSISTENT}, "P1 P2 P3 P4 X1 X2 X3 X4 L1 L2 L6 B1 B2 B3 E17"),
    ],
)
def test_what_a_store_is_not_able_to_do(factory: str, abilities: Set[Ability], left_out: str) -> None:
    """It is declared, or its factory takes no folder: the clauses about it are left out, with the reason."""
    others = {"F1", "K2"} - {*left_out.split()}
    report = check(f"{STORES}:{factory}", abilities=abilities, only=[*left_out.split(), *others])
    assert report.is_passed, report.of("failed")
    assert {result.clause.number for result in report.of("passed")} == others
    assert {result.clause.number for result in report.of("skipped")} == {*left_out.split()}
    assert all("declared abilities" in result.reason for result in report.of("skipped"))


def test_a_wrong_store_is_told_what_it_does(capsys: pytest.CaptureFixture[str]) -> None:
    """The clause, its harm, what it rests on, and the lines that show it."""
    done = command(f"{STORES}:FindsByNameAlone", "--abilities", "none", "--only", "F16", "-e")
    assert done.returncode == 1
    assert "wrong user" in done.stdout
    assert (
        "F16 find-tells-clients-apart: two programs of one user work with each other's rights" in done.stdout
    )
    assert "refresh_token is '1000.refresh.alice' instead of '1000.r.2'" in " ".join(done.stdout.split())
    assert "| from zoho_tokenstore.testing.steps import ALICE" in done.stdout
    assert "| portal = stored(store, ALICE)" in done.stdout
    assert done.stdout.rstrip().endswith(f"{STORES}:FindsByNameAlone: 0 of 1 clauses hold.")


def test_a_line_at_which_clauses_fail_is_named() -> None:
    """An exception comes with its line in the store; a line with several clauses is to be mended first."""
    numbers = ("S1", "S3", "S18")
    done = command(f"{STORES}:Unwritable", *(f"--only={number}" for number in numbers))
    seen = " ".join(done.stdout.split())
    line = 1 + inspect.getsourcelines(stores.Unwritable.save_token)[1]
    assert f"Seen: with 1: PermissionError: the disk is read-only (stores.py:{line})" in seen
    assert f"Mend stores.py:{line} first: 3 clauses fail there (S3, S1, S18)." in seen


ALICE = dict.fromkeys(FIELDS) | {"id": "1", "user_name": "alice"}


@pytest.mark.parametrize(
    ("got", "expected", "said"),
    [
        (ALICE, None, "the token with id '1' of 'alice' instead of nothing"),
        (None, ALICE, "nothing instead of the token with id '1' of 'alice'"),
        (ALICE, ALICE | {"id": "2"}, "id is '1' instead of '2'"),
        (
            dict.fromkeys(FIELDS),
            dict.fromkeys(FIELDS, "x" * 99),
            ", ".join(f"{name} is None instead of '{'x' * 44}…" for name in FIELDS[:4])
            + ", and 6 more fields",
        ),
        ([ALICE, ALICE], [ALICE], "2 tokens instead of 1"),
        ([ALICE], [ALICE | {"access_token": "a"}], "access_token is None instead of 'a'"),
        (None, [ALICE], "nothing instead of a list of length 1"),
        (ALICE, ALICE, None),
        ({"id": "1"}, ALICE, None),
        (3, 4, None),
    ],
)
def test_a_difference_is_told_by_its_fields(got: object, expected: object, said: str | None) -> None:
    """Whatever is equal is left out; what is no token is left to pytest."""
    assert explain("==", got, expected) == said


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("ReplacesTheRow", "S11"),
        ("DropsSurrogates", "H6"),
        ("ListsAllOrNobody", "B2"),
        ("BelievesItsCache", "P1"),
        ("RewritesWhatItRead", "X1"),
        ("HasARowForAName", "E7"),
    ],
)
def test_an_example_can_be_run(name: str, number: str) -> None:
    """It is a script, complete with its imports, and fails as the clause does."""
    (result,) = check(f"{STORES}:{name}", only=[number]).results
    source = "\n".join(result.example)
    with pytest.raises((AssertionError, TypeError, pytest.fail.Exception)):
        exec(compile(source, "<example>", "exec"), {"__name__": "__main__"})


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("Hangs", "F2", "did not come to an end within 12 s"),
        ("Dies", "D4", "ended the process (exit status 7)"),
    ],
)
def test_a_store_that_takes_the_process_down(name: str, number: str, reason: str) -> None:
    """Only that clause is lost; the others are run."""
    only = ["S1", number, "F5"]
    report = check(f"{STORES}:{name}", abilities=(), only=only, timeout=12)
    found = {result.clause.number: result for result in report.results}
    assert [found[each].outcome for each in only] == ["passed", "failed", "passed"]
    assert reason in found[number].reason


@pytest.mark.parametrize("name", ["KeepsTheProcess", "ListsLazily"])
def test_a_right_store_with_a_habit_passes(name: str) -> None:
    """Whose process doesn't end by itself, or that lists its tokens one after the other."""
    report = check(f"{STORES}:{name}", only=["F2", "S1"], timeout=12)
    assert [(result.outcome, result.reason) for result in report.results] == [("passed", "")] * 2


def test_a_store_leaves_out_no_clause() -> None:
    """What isn't among its abilities is declared: an exception that skips a test is a failure."""
    report = check(f"{STORES}:LeavesItselfOut", only=["F2", "L6"])
    found = {result.clause.number: result for result in report.results}
    assert (found["F2"].outcome, found["L6"].outcome) == ("failed", "skipped")
    assert "not today" in found["F2"].reason


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("not_empty", "returned a store with tokens"),
        ("fails", "no such server"),
        ("begins", "returned no token store: a generator has neither"),
    ],
)
def test_a_store_that_cannot_be_checked(factory: str, message: str) -> None:
    """It may be a real one: nothing is deleted. And a factory that fails says nothing of its store."""
    with pytest.raises(ConfigurationError, match=message):
        check(f"{STORES}:{factory}")


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("nowhere:make", "There is no factory 'nowhere:make'"),
        (f"{STORES}:nothing", "There is no factory"),
        (STORES, "There is no factory"),
        (f"{STORES}:STORES", "There is no factory"),
        (f"{STORES}:BY_NAME", "names no function or class"),
        (f"{STORES}:two_folders", "needs 2 arguments"),
    ],
)
def test_what_is_no_factory(factory: str, message: str) -> None:
    """It is told before anything is run."""
    with pytest.raises(ConfigurationError, match=message):
        check(factory)


def test_clauses_are_chosen_by_number_and_name() -> None:
    report = check(f"{STORES}:right", only=["S1", "find-needs-a-key"])
    assert [result.clause.number for result in report.results] == ["F9", "S1"]
    with pytest.raises(ConfigurationError, match="There is no clause S99"):
        check(f"{STORES}:right", only=["S99"])


def test_json_and_badge() -> None:
    """A line for each clause; a summary that a badge can show."""
    done = command(f"{STORES}:right", "--only", "F1", "--only", "S6", "--json")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0
    assert [line["number"] for line in lines] == ["F1", "S6"]
    assert {*Clause._fields, "outcome", "seconds", "reason", "place", "example"} == {*lines[0]}
    badge = json.loads(command(f"{STORES}:right", "--only", "F1", "--badge").stdout)
    assert (badge["message"], badge["color"]) == ("1 of 1", "brightgreen")


def test_pytest_runs_it_without_a_test(tmp_path: Path) -> None:
    """By the plugin's option, in anyone's project."""
    (tmp_path / "mine.py").write_text(
        "from zoho_tokenstore import SQLiteStore\n\n"
        "def make(folder):\n    return SQLiteStore(folder / 'tokens.db')\n"
    )
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:randomly",
            "--zoho-token-store=mine:make",
            "-k",
            "find",
        ],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


class WritesInParts:
    """A process that writes a part of its results before each look at it, and then ends."""

    returncode = 0

    def __init__(self, path: Path, *parts: str) -> None:
        self._path, self._parts = path, list(parts)

    def poll(self) -> int | None:
        if not self._parts:
            return self.returncode
        with self._path.open("a") as file:
            file.write(self._parts.pop(0))
        return None


@pytest.mark.parametrize("cut", [1, 40, -1])
def test_a_result_that_is_being_written_is_read_later(tmp_path: Path, cut: int) -> None:
    """A line that has no end yet is not taken for a whole one."""
    (clause,) = (each for each in catalogue(TokenStoreContract) if each.number == "F1")
    test = f"t.py::TestGivenStore::test_{clause.name.replace('-', '_')}"
    line = json.dumps({"test": test, "outcome": "passed", "seconds": 0.0}) + "\n"
    end = json.dumps({"test": ""}) + "\n"
    seen = tmp_path / "results"
    seen.touch()
    run = _Run("a store", Given("a:store", is_driver=False), [clause], declared=frozenset(), timeout=60)
    process: Any = WritesInParts(seen, line[:cut], line[cut:], end)
    assert [result.outcome for result in run._follow(process, seen)] == ["passed"]


def test_a_clause_that_ends_the_process_has_not_passed(tmp_path: Path) -> None:
    """Not even if all of its cases so far have, and the process ended as if all was well."""
    (clause,) = (each for each in catalogue(TokenStoreContract) if each.number == "F1")
    test = f"t.py::TestGivenStore::test_{clause.name.replace('-', '_')}[one]"
    line = json.dumps({"test": test, "outcome": "passed", "seconds": 0.0}) + "\n"
    seen = tmp_path / "results"
    seen.touch()
    run = _Run("a store", Given("a:store", is_driver=False), [clause], declared=frozenset(), timeout=60)
    process: Any = WritesInParts(seen, line)
    (result,) = run._follow(process, seen)
    assert (result.outcome, result.reason) == ("failed", "it ended the process (exit status 0)")
