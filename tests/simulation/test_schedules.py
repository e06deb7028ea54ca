"""No schedule breaks the protocol's promises; and a protocol with a mistake in it does."""

from __future__ import annotations

from typing import Any, Final

import pytest

from tests.simulation import fleet
from tests.simulation.__main__ import main
from tests.simulation.mutants import MUTANTS, Mutant, made
from tests.simulation.scene import Renew
from tests.simulation.schedules import Outcome, run

pytestmark = pytest.mark.clear  # nothing is kept

SCHEDULES: Final = 3_000
ENOUGH: Final = 4_000
"""Schedules within which each mistake is found; most are within a hundred."""

TROUBLE: Final[dict[str, Any]] = {
    "kind": "stored",
    "is_calm": False,
    "processes": 1,
    "offsets_ms": (0,),
    "left_ms": None,
    "lost": 0.4,
    "killed": 0.0,
    "acts": 3,
    "jumps": 0,
}
"""One process, whose user logs in again and again, on a storage that often fails."""


@pytest.mark.long
@pytest.mark.timeout(900)
def test_schedules() -> None:
    """In 3,000 schedules nothing happens that must not; `make simulate` runs a million others.

    `python -m tests.simulation --seed N` tells what a seed does.
    """
    outcomes = {seed: run(seed) for seed in range(SCHEDULES)}
    assert {seed: one.violation for seed, one in outcomes.items() if one.violation is not None} == {}


def test_what_a_seed_repeats() -> None:
    """A seed decides everything."""
    first, again = run(17, tells=True), run(17, tells=True)
    assert [line for line in first.story if "mark" not in line] == [
        line for line in again.story if "mark" not in line
    ]
    assert first[:-1] == again[:-1]
    assert first.events > 10


def test_schedules_are_eventful() -> None:
    """Everything that can happen does, in a few hundred schedules."""
    happened = set[str]().union(*(run(seed).counts for seed in range(600)))
    assert happened >= {
        "a lease ran out",
        "a pause",
        "another login",
        "granted",
        "rejected",
        "throttled",
        "transient",
        "uncertain",
    }


@pytest.mark.parametrize("mutant", MUTANTS.values(), ids=MUTANTS)
def test_mistakes_are_found(mutant: Mutant) -> None:
    """A protocol with a mistake breaks a promise in one of the first few thousand schedules."""
    with made(mutant) as renewal:
        assert any(_of(seed, renewal, mutant).violation for seed in range(ENOUGH))


def _of(seed: int, renewal: Renew, mutant: Mutant) -> Outcome:
    return run(seed, renewal, **TROUBLE) if mutant.is_rare else run(seed, renewal)


def test_fleet() -> None:
    """A small fleet sends as many requests in a day as it needs, and one in a hundred more at most."""
    size = fleet.Fleet(hosts=1000, logins=5000, look_ups=400_000)
    tally = fleet.simulated(size, share=3, of=5, seed=1)
    assert tally.contenders > tally.contended > 100
    assert 20_000 < tally.needed <= tally.requests <= 1.01 * tally.needed


@pytest.mark.long
def test_command(capsys: pytest.CaptureFixture[str]) -> None:
    """`make simulate` runs schedules and a fleet; a seed is told step by step."""
    assert main(["--schedules", "20", "--first", "0", "--logins", "1000", "--processes", "1"]) == 0
    told = capsys.readouterr().out
    assert "20 schedules in" in told
    assert "requests where" in told
    assert main(["--seed", "17"]) == 0
    assert "Send" in capsys.readouterr().out
