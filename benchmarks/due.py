"""Look-ups of a token while it is renewed, and Zoho takes its time: nobody waits while it is still valid."""

from __future__ import annotations

import functools
import time
from datetime import timedelta
from pathlib import Path
from typing import Final

from benchmarks.figures import Figure
from benchmarks.harness import interleave, percentile_each
from benchmarks.scale import Scale
from zoho_tokenstore import RefreshPolicy, TokenRecord, open_repository
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.repository import TokenRepository

_LABELS: Final = {
    "due/fresh": "look-up of a fresh token, p99",
    "due/beside": "the same, token due and renewed by this process, Zoho answers after 2 s, p99",
    "due/other": "the same, renewed by another process, p99",
}
_ANSWER_SECONDS: Final = 2.0
_CALLS: Final = 200
_PERCENT: Final = 99


class _Due:
    """A token that is due and being renewed, and a new one before that has ended."""

    def __init__(self, repository: TokenRepository, zoho: Emulator, renews: Renewer) -> None:
        self._repository = repository
        self._zoho = zoho
        self._renews = renews
        self._ends = 0.0
        self._id = ""

    def percentile(self, reader: Renewer) -> float:
        """Return what most look-ups took by one who may be another than the one who renews."""
        origin = functools.partial(Origin, accounts_url=self._zoho.accounts_url)
        if time.monotonic() > self._ends:
            left = RefreshPolicy().ahead / 2
            self._id = _store(self._repository, "due", left, self._zoho)
            self._ends = time.monotonic() + _ANSWER_SECONDS * 0.9
            self._renews.get(self._id, origin)
        return percentile_each(lambda row_id: reader.get(row_id, origin), [self._id] * _CALLS, _PERCENT)


def measure(scale: Scale, folder: Path) -> list[Figure]:
    """Time look-ups of a fresh token, and of one that is due, by the process that renews it and another."""
    url, policy = f"sqlite:///{folder}/due.db", RefreshPolicy()
    with (
        Emulator(refresh_tokens=None) as zoho,
        open_repository(url) as ours,
        open_repository(url) as theirs,
    ):
        zoho.fault("token:refresh_token", "slow", seconds=_ANSWER_SECONDS)
        fresh = _store(ours, "fresh", policy.ahead * 2, zoho)
        renews, other = Renewer(ours, policy), Renewer(theirs, policy)
        due = _Due(ours, zoho, renews)
        cases = {
            "due/fresh": functools.partial(percentile_each, renews.get, [fresh] * _CALLS, _PERCENT),
            "due/beside": functools.partial(due.percentile, renews),
            "due/other": functools.partial(due.percentile, other),
        }
        timings = interleave(cases, rounds=scale.rounds, turns=scale.turns)
        renews.close()
        other.close()
    return [Figure(key, _LABELS[key], timing) for key, timing in timings.items()]


def _store(repository: TokenRepository, name: str, left: timedelta, zoho: Emulator) -> str:
    client, user = zoho.default_client, zoho.default_users[0]
    record = TokenRecord(
        user_name=name,
        client_id=client.client_id,
        client_secret=client.client_secret,
        refresh_token=zoho.mint_refresh_token(client, user),
        access_token=f"access-{name}",
        api_domain=zoho.url,
        expires_at_ms=int((time.time() + left.total_seconds()) * 1000),
    )
    return repository.save(record).id or ""
