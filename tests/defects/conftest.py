"""Runs every test of a defect over the stores that it concerns."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.defects.marks import Defect
from tests.defects.subjects import FILE_STORE, OURS, STRANGER, Subject


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "defect: which published defect a test is about, and for which stores")


class Case:
    """A store under test, at a path of its own."""

    def __init__(self, subject: Subject, path: Path, stack: ExitStack) -> None:
        self.subject = subject
        self.path = path
        self._stack = stack

    @property
    def is_stranger(self) -> bool:
        return self.subject is STRANGER

    def open(self, path: Path | None = None) -> Any:
        """Return a new handle on the store, closed after the test if it can be closed."""
        store = self.subject.make(path or self.path)
        if hasattr(store, "close"):
            self._stack.callback(store.close)
        return store


@pytest.fixture
def case(subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    # The published samples write to the current folder.
    monkeypatch.chdir(tmp_path)
    with ExitStack() as stack:
        yield Case(subject, tmp_path / "tokens.db", stack)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "subject" not in metafunc.fixturenames:
        return
    defect = _defect_of(metafunc.definition)
    subjects = [OURS[name] for name in defect.stores]
    if defect.file_store is not None:
        subjects.append(FILE_STORE)
    if STRANGER is not None:
        subjects = [STRANGER]
    metafunc.parametrize("subject", [_parameter(subject) for subject in subjects])


def _parameter(subject: Subject) -> Any:
    if subject is FILE_STORE:  # it keeps tokens in clear, whatever we do with ours
        return pytest.param(subject, id=f"{subject.name} fails", marks=pytest.mark.clear)
    return pytest.param(subject, id=subject.name)


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Expect the failure where the SDK's own store is at work."""
    if pyfuncitem.funcargs.get("subject") is not FILE_STORE:
        return (yield)
    failure = _defect_of(pyfuncitem).file_store
    assert failure is not None
    with pytest.raises(failure):
        yield
    return True


def _defect_of(item: pytest.Item | pytest.Collector) -> Defect:
    mark = item.get_closest_marker("defect")
    assert mark is not None, f"{item.name} uses a store, and names no defect"
    defect: Defect = mark.args[0]
    return defect
