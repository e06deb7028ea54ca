"""Look-ups of a token that another process is refreshing: nobody waits while it is still valid."""

from __future__ import annotations

import functools
import time
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.harness import interleave, seconds_each
from benchmarks.scale import Scale
from zoho_tokenstore import RefreshPolicy, TokenRecord, open_repository
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.repository import TokenRepository

_LABELS: Final = {
    "due/fresh": "look-up with the coordinator, token fresh",
    "due/beside": "the same, token due and refreshed by another process",
}
_CALLS: Final = 200


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time look-ups of a fresh token, and of one that is due while somebody else holds its lease."""
    path = folder / "due.db"
    policy = RefreshPolicy()
    with open_repository(f"sqlite:///{path}") as ours, open_repository(f"sqlite:///{path}") as theirs:
        fresh = _store(ours, "fresh", policy.ahead.total_seconds() * 2)
        due = _store(ours, "due", policy.ahead.total_seconds() / 2)
        holder, beside = Coordinator(theirs, policy), Coordinator(ours, policy)
        holder.get(due)  # takes the lease, and would refresh now
        cases = {
            "due/fresh": functools.partial(seconds_each, beside.get, [fresh] * _CALLS),
            "due/beside": functools.partial(seconds_each, beside.get, [due] * _CALLS),
        }
        timings = interleave(cases, rounds=scale.rounds, turns=scale.turns)
        holder.close()
        beside.close()
    return [Figure(key, _LABELS[key], timing) for key, timing in timings.items()]


def _store(repository: TokenRepository, name: str, seconds_left: float) -> str:
    record = TokenRecord(
        user_name=name,
        client_id="client",
        client_secret="secret",  # of nobody
        refresh_token=f"refresh-{name}",
        access_token=f"access-{name}",
        expires_at_ms=int((time.time() + seconds_left) * 1000),
    )
    return repository.save(record).id or ""
