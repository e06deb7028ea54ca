"""The contract run over anyone's store, in a process of its own, and what came of it clause by clause."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.testing import _given as given
from zoho_tokenstore.testing._abilities import ORDINARY, Ability
from zoho_tokenstore.testing._catalogue import Clause, Severity, catalogue
from zoho_tokenstore.testing._examples import Given, script
from zoho_tokenstore.testing._token_store import TokenStoreContract

Outcome = Literal["passed", "failed", "skipped"]

_TICK_S: Final = 0.05
_START_S: Final = 120.0
"""How many seconds it may take to import everything, and to open a first store."""

_NO_OTHER_PLUGINS: Final = "PYTEST_DISABLE_PLUGIN_AUTOLOAD"
"""Other plugins take longer to load than most clauses, and could change what is run."""


@dataclass(frozen=True, kw_only=True)
class ClauseResult:
    """What became of one clause.

    Arguments:
        clause: the clause.
        outcome: `skipped` is what the store is said not to be able to do.
        seconds: how long it took.
        reason: why it failed or was skipped.
        place: the line of the store that raised an exception, as ``file:line``, if it is known.
        example: a script of the lines of the clause up to the one that failed.
    """

    clause: Clause
    outcome: Outcome
    seconds: float = 0.0
    reason: str = ""
    place: str = ""
    example: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class CheckReport:
    """What became of all clauses, in the order of their numbers.

    Arguments:
        subject: the factory, or what the driver says of its store.
        results: one for each clause.
    """

    subject: str
    results: tuple[ClauseResult, ...]

    def of(self, outcome: Outcome) -> list[ClauseResult]:
        """Return the results with this outcome, the worst clauses first."""
        found = [result for result in self.results if result.outcome == outcome]
        return sorted(found, key=lambda result: _RANKS[result.clause.severity])

    @property
    def is_passed(self) -> bool:
        """Return whether no clause failed."""
        return not self.of("failed")


def check(
    factory: str = "",
    *,
    driver: str = "",
    abilities: Iterable[Ability] = ORDINARY,
    only: Sequence[str] = (),
    timeout: float = 60.0,
    on_result: Callable[[ClauseResult], object] = lambda _: None,
) -> CheckReport:
    """Run the contract of a token store over what a factory makes.

    Each clause has a fresh store. The clauses run in a process of their own, which is replaced if one of
    them ends it or does not come to an end.

    Arguments:
        factory: ``package.module:factory``, found from the working directory. It takes an empty folder and
            returns a store that keeps its tokens there; or it takes nothing, and returns another empty store
            each time.
        driver: instead of a factory, the command of a program that answers for a store of another language
            (docs/reference/driver-protocol.md), quoted as in a shell.
        abilities: what the store is able to do; the clauses about other abilities are skipped. A store whose
            factory takes no folder is neither persistent nor shared, and has no files.
        only: the numbers or names of clauses, if not all.
        timeout: how many seconds a clause may take, or each of its cases if it has several.
        on_result: called with each result.

    Raises:
        ConfigurationError: there is no such factory, driver or clause, the factory fails, or its store is not
            empty.
        DriverError: the driver doesn't answer.
    """
    wanted = _wanted(only)
    if bool(factory) == bool(driver):
        raise ConfigurationError("Name either a factory or a driver.")
    subject = _subject_of_driver(driver) if driver else _subject_of_factory(factory)
    made_by = Given(factory or driver, is_driver=bool(driver))
    found: dict[str, ClauseResult] = {}
    while len(found) < len(wanted):
        left = [clause for clause in wanted if clause.name not in found]
        run = _Run(subject, made_by, left, declared=frozenset(abilities), timeout=timeout)
        for result in run.results():
            found[result.clause.name] = result
            on_result(result)
    return CheckReport(subject=subject, results=tuple(found[clause.name] for clause in wanted))


class _Run:
    """One process with some clauses: until it has done all, or one of them ends it."""

    def __init__(
        self, subject: str, given: Given, left: list[Clause], *, declared: frozenset[Ability], timeout: float
    ) -> None:
        self._subject, self._given, self._left = subject, given, left
        self._declared, self._timeout = declared, timeout
        self._by_test = {f"test_{clause.name.replace('-', '_')}": clause for clause in left}

    def results(self) -> Iterator[ClauseResult]:
        with tempfile.TemporaryDirectory(prefix="zoho-tokens-check-") as folder:
            seen = Path(folder, "results")
            seen.touch()
            process = self._start(Path(folder), seen)
            try:
                yield from self._follow(process, seen)
            finally:
                process.kill()
                process.wait()

    def _start(self, folder: Path, seen: Path) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "no:randomly"]
        command += [
            "-c",
            os.devnull,
            "--rootdir",
            str(folder),
            "--noconftest",
            "--basetemp",
            str(folder / "t"),
        ]
        command += ["-p", "zoho_tokenstore._pytest_plugin"]
        command += [self._given.option, "--zoho-results", str(seen)]
        command += ["--zoho-abilities", ",".join(sorted(self._declared)) or "none"]
        command += [f"{given.__file__}::TestGivenStore::{test}" for test in self._by_test]
        path = os.pathsep.join(filter(None, (str(Path.cwd()), os.environ.get("PYTHONPATH"))))
        with (folder / "output").open("wb") as output:
            return subprocess.Popen(  # noqa: S603  # pytest, and what the caller names
                command,
                env=os.environ | {"PYTHONPATH": path, "PYTEST_ADDOPTS": "", _NO_OTHER_PLUGINS: "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def _follow(self, process: subprocess.Popen[bytes], seen: Path) -> Iterator[ClauseResult]:
        cases: dict[str, list[dict[str, Any]]] = {}
        running, began, unfinished = "", time.monotonic(), ""
        with seen.open(encoding="utf-8") as file:
            while True:
                is_over = process.poll() is not None
                *lines, unfinished = (unfinished + file.read()).split("\n")
                for line in lines:
                    values = json.loads(line)
                    name = values["test"].partition("::TestGivenStore::")[2].partition("[")[0]
                    if name != running:
                        yield from self._settled(cases.pop(running, []), running)
                        running = name
                    if not name:  # all are done; a thread of the store may keep the process alive
                        return
                    began = time.monotonic()
                    if "outcome" in values:
                        cases.setdefault(name, []).append(values)
                if is_over or time.monotonic() - began > (self._timeout if running else _START_S):
                    break
                time.sleep(_TICK_S)
        if not is_over and running:
            yield self._lost(running, f"it did not come to an end within {self._timeout:.0f} s")
        elif running:
            yield self._lost(running, f"it ended the process (exit status {process.returncode})")
        else:
            output = (seen.parent / "output").read_text(errors="replace")
            raise ConfigurationError(f"The contract could not be run over {self._subject}.\n{output[-2000:]}")

    def _settled(self, cases: list[dict[str, Any]], test: str) -> Iterator[ClauseResult]:
        """Yield the result of a clause whose cases are all known: the first that failed decides."""
        clause = self._by_test.get(test)
        if clause is None or not cases:
            return
        worst = min(cases, key=lambda case: _OUTCOMES.index(case["outcome"]))
        failed = worst["outcome"] == "failed"
        if failed and worst["when"] == "setup" and clause is self._left[0]:
            raise ConfigurationError(f"{self._subject} makes no store to be checked: {worst['reason']}")
        yield ClauseResult(
            clause=clause,
            outcome=worst["outcome"],
            seconds=sum(case["seconds"] for case in cases),
            reason=_reason(worst) if worst["outcome"] != "passed" else "",
            place=worst["place"] if failed else "",
            example=script(self._given, getattr(TokenStoreContract, test), worst["case"], worst["example"])
            if failed
            else (),
        )

    def _lost(self, test: str, reason: str) -> ClauseResult:
        return ClauseResult(clause=self._by_test[test], outcome="failed", reason=reason)


_OUTCOMES: Final = ("failed", "skipped", "passed")
_RANKS: Final = {severity: rank for rank, severity in enumerate(Severity)}


def _subject_of_factory(name: str) -> str:
    """Return the name of a factory, which can be found from the working directory."""
    here = str(Path.cwd())
    sys.path.insert(0, here)
    try:
        return given.GivenStore(name).name
    finally:
        sys.path.remove(here)


def _subject_of_driver(command: str) -> str:
    """Return what a driver says of its store."""
    with (
        tempfile.TemporaryDirectory(prefix="zoho-tokens-check-") as folder,
        closing(given.GivenStore(command, is_driver=True).open(Path(folder))) as store,
    ):
        return str(store.about)


def _wanted(only: Sequence[str]) -> list[Clause]:
    every = catalogue(TokenStoreContract)
    unknown = {*only} - {name for clause in every for name in (clause.number, clause.name)}
    if unknown:
        raise ConfigurationError(f"There is no clause {', '.join(sorted(unknown))}.")
    return [clause for clause in every if not only or {clause.number, clause.name} & {*only}]


def _reason(case: dict[str, Any]) -> str:
    """Return why a case failed or was skipped, with the case if the clause has several."""
    name = case["test"].partition("[")[2].rpartition("]")[0]
    return f"with {name}: {case['reason']}" if name and case["outcome"] == "failed" else case["reason"]
