"""The contract of leases, over every storage that keeps them; those of DynamoDB are in tests/aws.

Every clause can fail: for each there are broken leases that it catches.
"""

from __future__ import annotations

import time
import unicodedata
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.contract.lease_worker import TURNS
from tests.contract.stores import CASES, Case
from tests.contract.test_teeth import cases_of
from tests.support import processes
from zoho_tokenstore._local_leases import LocalLeases
from zoho_tokenstore.backend import Leases, LeaseState
from zoho_tokenstore.testing import LeasesContract, clauses

PROCESSES: Final = 4
WITHOUT: Final = {"memory", "list", "secretsmanager"}
HERE: Final = [
    pytest.param(case, id=name) for name, case in CASES.items() if name not in WITHOUT | {"dynamodb"}
]


class TestLocalLeases(LeasesContract):
    def make_leases(self, folder: Path) -> Leases:
        return LocalLeases()

    def reopen(self, leases: Leases, folder: Path) -> Leases:
        return leases  # another thread has the very same


@pytest.mark.clear  # there is no secret in them
@pytest.mark.parametrize("case", HERE)
class TestLeases(LeasesContract):
    @pytest.fixture(autouse=True)
    def _choose(self, case: Case) -> Iterator[None]:
        self.case = case
        self.opened: list[Any] = []
        yield
        for backend in self.opened:
            backend.close()

    def make_leases(self, folder: Path) -> Leases:
        return self.reopen(LocalLeases(), folder)

    def reopen(self, leases: Leases, folder: Path) -> Leases:
        self.opened.append(self.case.make_backend(folder))
        kept: Leases = self.opened[-1].leases
        return kept


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.parametrize("case", HERE)
def test_processes_lose_no_replacement(case: Case, tmp_path: Path) -> None:
    """Of processes that store a first text one succeeds; counting in it by turns, they lose no count."""
    backend: Any = case.make_backend(tmp_path)
    told = processes.together(PROCESSES, "tests.contract.lease_worker", case.url(tmp_path))
    assert told.count(True) == 1
    assert backend.leases.read("count").text.startswith(f"{PROCESSES * TURNS} ")
    backend.close()


class Careless(LocalLeases):
    """Replaces whatever is there."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        return super().replace(name, self.read(name).text, text, keep_ms)


class Forgetful(LocalLeases):
    """Takes a repetition for somebody else's change."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        return self.read(name).text != text and super().replace(name, was, text, keep_ms)


class Late(LocalLeases):
    """Stores a text that was stored before, whatever is there now."""

    def __init__(self) -> None:
        super().__init__()
        self._done: set[str] = set()

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        was = self.read(name).text if text in self._done else was
        self._done.add(text)
        return super().replace(name, was, text, keep_ms)


class Inserting(LocalLeases):
    """Reading stores something."""

    def read(self, name: str) -> LeaseState:
        kept = super().read(name)
        self._kept.setdefault(name, ("none", kept.now_ms))
        return kept


class Folding(LocalLeases):
    """Compares as collations may: only letters, without case and accents, and the first 300 of them."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        kept = self.read(name).text
        return super().replace(name, kept if _folded(was) == _folded(kept) else was, text, keep_ms)


class FoldingNames(LocalLeases):
    """Folds names."""

    def _text(self, name: str) -> str:
        return next((kept for other, (kept, _) in self._kept.items() if _folded(other) == _folded(name)), "")


class Stripping(LocalLeases):
    """Keeps a text without the blanks around it."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        return super().replace(name, was.strip(), text.strip(), keep_ms)


class Standing(LocalLeases):
    """Its clock stands still."""

    def __init__(self) -> None:
        super().__init__(lambda: 1_800_000_000_000)


class Impatient(LocalLeases):
    """Keeps nothing for longer than a moment."""

    def read(self, name: str) -> LeaseState:
        kept = super().read(name)
        return kept._replace(text="") if self._kept.get(name, ("", 0))[1] < kept.now_ms else kept

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        return super().replace(name, was, text, min(keep_ms, 5))


class Torn(LocalLeases):
    """Compares, and stores a while later."""

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        if self._text(name) not in (was, text):
            return False
        time.sleep(0.002)
        self._kept[name] = text, self._clock() + keep_ms
        return True


def _folded(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text.partition("\0")[0]).casefold()[:300]
    return "".join(letter for letter in plain if letter.isalpha())


CAUGHT_BY: Final[dict[str, type[LocalLeases]]] = {
    "nothing-is-kept-at-first": Inserting,
    "replace-needs-what-is-kept": Careless,
    "repetition-counts-as-done": Forgetful,
    "late-repetition-undoes-nothing": Late,
    "texts-are-compared-exactly": Folding,
    "names-are-compared-exactly": FoldingNames,
    "hostile-texts-are-kept": Stripping,
    "time-is-told": Standing,
    "texts-are-kept-as-long-as-asked": Impatient,
    "one-of-many-firsts-wins": Torn,
    "one-of-many-replacements-wins": Torn,
    "handles-see-each-other": Careless,
    "handles-lose-no-replacement": Torn,
}


@pytest.mark.parametrize("clause", clauses(LeasesContract))
def test_every_clause_catches_broken_leases(clause: str) -> None:
    """Some case of the clause fails for the leases that break it, and none does for the right ones."""
    assert _fails(CAUGHT_BY[clause], clause)
    assert not _fails(LocalLeases, clause)


def _fails(kind: type[LocalLeases], clause: str) -> bool:
    test = getattr(LeasesContract, f"test_{clause.replace('-', '_')}")
    for arguments in cases_of(test):
        leases = kind()
        if clause.startswith("handles-"):
            arguments["other"] = leases
        try:
            test(LeasesContract(), leases, **arguments)
        except AssertionError:
            return True
    return False
