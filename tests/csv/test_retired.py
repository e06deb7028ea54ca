"""Ids of deleted rows: beside the tokens, written first, never lost and never begun again in silence."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.csv import support
from tests.csv.support import NAME
from tests.support import Fault, Faults, os_faults
from zoho_tokenstore.backends.csv import CSVBackend
from zoho_tokenstore.errors import BackendError, BackendUnavailableError, RetiredIdError
from zoho_tokenstore.records import RetiredId, Row

pytestmark = pytest.mark.clear  # its rows are those of a backend alone


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.fixture
def retired(path: Path) -> Path:
    return path.with_name(f"{NAME}.retired")


def filled(path: Path) -> CSVBackend:
    backend = CSVBackend(path)
    for row_id in "123":
        backend.write(Row(row_id, f"user{row_id}"), expect=None)
    return backend


def test_the_file(path: Path, retired: Path) -> None:
    """It is JSON, for its owner alone, and is there once something was deleted."""
    backend = filled(path)
    assert not retired.exists()
    backend.remove("2")
    stored = json.loads(retired.read_bytes())
    assert (stored["cleared_ms"], list(stored["ids"])) == (0, ["2"])
    assert retired.stat().st_mode & 0o777 == 0o600
    backend.clear()
    stored = json.loads(retired.read_bytes())
    assert stored["cleared_ms"] == stored["ids"]["1"] > 0


def test_another_process_refuses_them(path: Path) -> None:
    """Every handle on the file knows them at once, whichever removed the row."""
    other, backend = CSVBackend(path), filled(path)
    assert backend.remove("2") is True
    with pytest.raises(RetiredIdError, match="'2' belongs to a deleted row"):
        other.write(Row("2", "late"), expect=None)
    with pytest.raises(RetiredIdError):
        other.rehearse(Row("2", "late"), expect=None)
    assert other.load("2") is None


@pytest.mark.parametrize("call", ["remove", "clear"])
def test_killed_at_any_point(tmp_path: Path, call: str) -> None:
    """With SIGKILL before each operation on files: an id whose row is gone is always retired."""
    gone = set()
    for number in range(1, 60):
        path = tmp_path / str(number) / NAME
        path.parent.mkdir()
        filled(path).close()
        if not killed_at(path, number, call):
            break
        backend = CSVBackend(path)
        left = {row.id for row in backend.scan()}
        ids = {retired_id.id for retired_id in backend.retired.scan()}
        gone.add(frozenset({*"123"} - left))
        assert {*"123"} - left <= ids
        for row_id in {*"123"} - left:
            with pytest.raises(RetiredIdError):
                backend.write(Row(row_id, "late"), expect=None)
        backend.remove("2")
        assert backend.load("2") is None
    else:
        pytest.fail("never got through")
    assert gone == {frozenset(), frozenset("2" if call == "remove" else "123")}


class Kill(Faults):
    """Kills the process before its n-th operation on files."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._number = number

    def strike(self, operation: str, name: str) -> Fault | None:
        super().strike(operation, name)
        if self.count == self._number:
            os.kill(os.getpid(), signal.SIGKILL)
        return None


def killed_at(path: Path, number: int, call: str) -> bool:
    """Whether a child was killed before its n-th operation on files; otherwise it went through."""
    child = os.fork()
    if child == 0:
        try:
            backend = CSVBackend(path)
            with os_faults(path.parent, Kill(number)):
                backend.remove("2") if call == "remove" else backend.clear()
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{",
        b"[]",
        b"\xff",
        b'{"cleared_ms": 1}',
        b'{"cleared_ms": 0, "ids": {"1": "x"}}',
        b"[" * 100_000,
    ],
)
def test_a_file_that_cannot_be_read(path: Path, retired: Path, data: bytes) -> None:
    """Nobody knows which ids are free then: opening, new rows and deletions say so, the rest goes on."""
    backend = filled(path)
    retired.write_bytes(data)
    calls: list[Callable[[], object]] = [
        lambda: CSVBackend(path),
        lambda: backend.write(Row("4"), expect=None),
        lambda: backend.rehearse(Row("4"), expect=None),
        lambda: backend.remove("1"),
        backend.clear,
        lambda: list(backend.retired.scan()),
        lambda: backend.retired.add([RetiredId("9", 1)]),
    ]
    for call in calls:
        with pytest.raises(
            BackendError, match=r"ids of deleted tokens in .*\.retired cannot be read. Restore"
        ):
            call()
    row = backend.load("1")
    assert row is not None
    backend.write(row._replace(user_name="new"), expect=row.etag)
    assert len(list(backend.scan())) == 3
    assert retired.read_bytes() == data


def test_nothing_is_deleted_that_cannot_be_retired(path: Path) -> None:
    """A full disk: the row stays, and the call says why."""
    backend = filled(path)
    for call in (lambda: backend.remove("1"), backend.clear):
        with os_faults(directory=path.parent) as faults:
            faults.arm(fault=Fault.ENOSPC, once=False, match=".retired.")
            with pytest.raises(BackendUnavailableError, match="the disk is full"):
                call()
    assert [row.id for row in support.reopen(path.parent).scan()] == ["1", "2", "3"]


def test_nothing_is_written_for_nothing(path: Path, retired: Path) -> None:
    """To remove what is not there, to add what is known and to prune nothing leaves the file as it is."""
    backend = filled(path)
    assert backend.remove("9") is False
    assert backend.retired.prune(10**15) == 0
    assert not retired.exists()
    backend.remove("1")
    before = retired.stat()
    assert backend.retired.add([RetiredId("1", 5)]) == 0
    assert retired.stat().st_ino == before.st_ino
    assert retired.stat().st_mtime_ns == before.st_mtime_ns


def test_a_clock_that_is_set_back(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every `clear` has a later time than the one before."""
    backend, times = filled(path), iter([5_000, 4_000, 4_000])
    monkeypatch.setattr("zoho_tokenstore.backends.csv._retired.now_ms", lambda: next(times))
    cleared = [(backend.clear(), backend.retired.cleared_ms())[1] for _ in range(3)]
    assert cleared == [5_000, 5_001, 5_002]
