"""Many processes, one file: what was acknowledged is there, once, and nobody ever sees half of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.csv import support
from tests.csv.support import NAME, beside, open_tokens
from tests.support.durability import check_acknowledged
from tests.support.processes import run

FORKS = 50


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / NAME


@pytest.mark.long
def test_two_hundred_saves_of_eight_processes_are_all_there(tmp_path: Path) -> None:
    """From the first opening of a new file on, in each of four times; nobody is refused."""
    assert support.run("crowd", tmp_path, 4) == [[200, []]] * 4


@pytest.mark.long
def test_readers_beside_a_writer(path: Path) -> None:
    """Of all look-ups of two readers none misses a token, or finds an older one than before."""
    told = support.run("readers", path, 500)
    assert (told["errors"], told["wrong"]) == ([], 0)
    assert len(told["look_ups"]) == 2
    assert min(told["look_ups"]) > 100


@pytest.mark.long
def test_what_a_killed_process_acknowledged_is_there(path: Path) -> None:
    """100 processes are killed at random moments, four at work at any time.

    After every kill the file is whole. Of every owner there is one row, with the newest
    acknowledged token or a newer one. The next opening leaves nothing of the killed ones' work.
    """
    killed = run("tests.support.nursery", f"csv:///{path}", 4, 0.2, 100, 20261125)
    assert killed["torn"] == 0
    assert len(killed["newest"]) > 10
    with open_tokens(path) as tokens:
        check_acknowledged(killed["newest"], tokens)
        assert tokens.leases.replace("free", "", "one", 1)
    assert beside(path) == {"*.lock", "*.leases", "*.leases.lock"}
    for file in path.parent.iterdir():
        assert file == path or b"access-" not in file.read_bytes()


@pytest.mark.long
def test_killed_at_every_single_operation(tmp_path: Path) -> None:
    """The old or the new token is there, the lock is free, and the next opening clears up."""
    *killed, last = support.run("victim", tmp_path)
    assert last == {"killed": False, "whole": True, "found": "access-2", "left": [], "again": "access-3"}
    assert len(killed) >= 5
    assert {case["killed"] for case in killed} == {case["whole"] for case in killed} == {True}
    found = [case["found"] for case in killed]
    assert set(found) == {"access-1", "access-2"}
    assert found == sorted(found)
    assert [case["left"] for case in killed] == [[]] * len(killed)
    assert {case["again"] for case in killed} == {"access-3"}


def test_forks_in_the_middle_of_everything(path: Path) -> None:
    """Threads save, look up and open while the process forks: parent and children all go on."""
    told = run("forker", f"csv:///{path.with_name('tokens')}")
    assert told["statuses"] == [0] * FORKS
    assert told["trouble"] == []
    expected = {"busy0", "busy1"} | {f"child{number}" for number in range(FORKS)}
    assert set(told["names"]) == expected
    assert len(told["names"]) == len(expected)
    assert told["newest"] == [f"access-{count}" for count in told["saves"]]
    assert min(told["saves"]) > 0
