"""What the handler of a signal raises in the middle of a look-up comes out of it, and nothing else."""

from __future__ import annotations

import gc
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType

import pytest

from tests.sqlite.tokens import token
from zoho_tokenstore.backends.sqlite import SQLiteBackend
from zoho_tokenstore.repository import TokenRepository

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no interval timer")

INTERRUPTIONS = 2000


class Interrupted(Exception):
    """As a time limit of a worker raises it."""


@pytest.fixture
def interrupted() -> Iterator[list[int]]:
    """A list to whose end something is put whenever a signal has come; then `Interrupted` is raised."""
    came: list[int] = []

    def interrupt(number: int, frame: FrameType | None) -> None:
        came.append(number)
        raise Interrupted

    gc.disable()  # what is raised in its callbacks is swallowed by Python; Hypothesis has one
    before = signal.signal(signal.SIGALRM, interrupt)
    yield came
    signal.setitimer(signal.ITIMER_REAL, 0)
    gc.enable()
    signal.signal(signal.SIGALRM, before)


def _wait_for_it() -> None:
    # Not asleep: the system may deliver a signal to another thread, which would let this one sleep on.
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        pass
    pytest.fail("The interruption was swallowed.")


@pytest.mark.timeout(60, method="thread")  # the other method needs the same timer
def test_an_interrupted_look_up_is_told_as_it_was_raised(tmp_path: Path, interrupted: list[int]) -> None:
    """None is swallowed, none becomes an error of the storage, and the store goes on as before."""
    path = tmp_path / "tokens.db"
    with TokenRepository(SQLiteBackend(path)) as tokens:
        ids = [tokens.save(token(f"user{number}")).id or "" for number in range(20)]
        known = {row_id: tokens.get(row_id) for row_id in ids}
    raised, kept = 0, []
    while raised < INTERRUPTIONS:
        # Opened anew, so that each row is read.
        with TokenRepository(SQLiteBackend(path)) as tokens:
            tokens.get("none")
            kept.append(tokens)  # what is raised while something is freed is swallowed by Python itself
            for row_id in ids:
                try:
                    signal.setitimer(signal.ITIMER_REAL, random.uniform(0.000_005, 0.000_1))
                    assert tokens.get(row_id) == known[row_id]
                    _wait_for_it()
                except Interrupted:
                    raised += 1
    assert raised == len(interrupted)
