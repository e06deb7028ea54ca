"""What a schedule is drawn from: how many processes, which policy, and what goes wrong how often."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Literal

from zoho_tokenstore import RefreshPolicy

Kind = Literal["stored", "stored code", "code", "refresh token"]
"""What the processes come with: the id of a row with a login or with a code; or a code or refresh token."""


@dataclass(frozen=True)
class Plan:
    """One schedule's circumstances. Probabilities are per message, request or step.

    Arguments:
        kind: what the processes come with.
        processes: how many there are at a time.
        policy: theirs.
        life_ms: how long access tokens live.
        left_ms: how long the stored one still lives at the beginning; `None`: there is none.
        is_calm: nothing goes wrong, and nobody does anything but look up, all at once.
        lost: a message to the store fails, before or after it took effect, or takes effect later.
        unanswered: a request to Zoho is lost, or its answer is.
        troubled: Zoho refuses a request that it could grant.
        paused: a process stands still for longer than a lease.
        killed: a process dies.
        offsets_ms: how far each process's clock is off.
        look_ups, forced: how many there are, and the share of forced ones.
        acts, jumps: how many other things an application does; how often the store's clock jumps.
    """

    kind: Kind
    processes: int
    policy: RefreshPolicy
    life_ms: int
    left_ms: int | None
    is_calm: bool
    lost: float
    unanswered: float
    troubled: float
    paused: float
    killed: float
    offsets_ms: tuple[int, ...]
    look_ups: int
    forced: float
    acts: int
    jumps: int

    @property
    def clocks_agree(self) -> bool:
        return not any(self.offsets_ms)


def drawn(random: Random) -> Plan:
    """Draw a schedule's circumstances."""
    choice, chance = random.choice, random.random
    kind: Kind = choice(("stored", "stored", "stored", "stored code", "code", "refresh token"))
    processes = random.randint(2, 6)
    is_calm = chance() < 0.1
    life_ms = choice((40_000, 120_000, 3_600_000))
    return Plan(
        kind=kind,
        processes=processes,
        policy=RefreshPolicy(
            ahead=timedelta(seconds=choice((15, 30))),
            urgent=timedelta(seconds=15),
            wait=timedelta(seconds=3 if is_calm else choice((0.5, 1.5, 3))),
            timeout=timedelta(seconds=choice((1, 1, 2))),
            budget=10 if is_calm else choice((1, 2, 3, 10)),
            window=timedelta(seconds=choice((20, 60, 600))),
        ),
        life_ms=life_ms,
        left_ms=choice((None, -1000, 4000)) if is_calm else choice((None, -1000, 4000, 12_000, 25_000)),
        is_calm=is_calm,
        lost=_rate(random, is_calm),
        unanswered=_rate(random, is_calm),
        troubled=_rate(random, is_calm),
        paused=_rate(random, is_calm) / 2,
        killed=_rate(random, is_calm) / 2,
        offsets_ms=tuple(
            0 if is_calm or chance() < 0.8 else random.randint(-600_000, 600_000) for _ in range(processes)
        ),
        look_ups=processes if is_calm else processes + random.randint(0, 8),
        forced=0.0 if is_calm else choice((0, 0, 0.2, 0.8)),
        acts=0 if is_calm else choice((0, 0, 1, 2, 3)),
        jumps=0 if is_calm else choice((0, 0, 0, 0, 1, 2)),
    )


def _rate(random: Random, is_calm: bool) -> float:
    return 0.0 if is_calm else random.choice((0.0, 0.0, 0.02, 0.1, 0.3))
