"""How much is measured: everything, or just enough to see that a benchmark works."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Scale:
    """The sizes of stores, in tokens, and the numbers of rounds, of turns in a round, and of processes."""

    usual_size: int
    store_sizes: tuple[int, ...]
    file_store_sizes: tuple[int, ...]
    rounds: int
    turns: int
    settling_saves: int
    storm_processes: int


FULL: Final = Scale(
    usual_size=100_000,
    store_sizes=(1_000, 10_000, 100_000, 1_000_000),
    file_store_sizes=(1_000, 10_000),
    rounds=7,
    turns=100,
    settling_saves=1_500,
    storm_processes=16,
)
"""What the limits are about."""

QUICK: Final = Scale(
    usual_size=2_000,
    store_sizes=(1_000, 2_000),
    file_store_sizes=(100,),
    rounds=1,
    turns=10,
    settling_saves=50,
    storm_processes=4,
)
"""For trying: its figures are judged by nobody."""
