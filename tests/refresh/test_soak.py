"""Hours of a fleet in a minute: short-lived tokens, and processes that are killed at random."""

from __future__ import annotations

import math
import os
from datetime import timedelta
from pathlib import Path

import pytest

from tests.refresh.support import Site
from zoho_tokenstore.emulator import Emulator

SECONDS = float(os.environ.get("ZOHO_TOKENSTORE_SOAK_SECONDS", "15"))
LIFE, AHEAD, URGENT = 20.0, 8.0, 6.0
TOKENS = 20
POLICY = {"ahead": AHEAD, "urgent": URGENT, "timeout": 1.0, "wait": 5.0, "budget": 1000}


@pytest.mark.long
@pytest.mark.timeout(SECONDS + 60)
def test_soak(tmp_path: Path) -> None:
    """Eight processes, killed and replaced at random, refresh about as often as one that never dies."""
    life = timedelta(seconds=LIFE)
    with Emulator(access_token_lifetime=life, refresh_limit=None, refresh_tokens=None) as zoho:
        site = Site(zoho, tmp_path)
        tokens = site.store_tokens(TOKENS)
        report = site.fleet(
            tokens,
            processes=8,
            seconds=SECONDS,
            pause=0.05,
            shuffle=True,
            policy=POLICY,
            kill_every=1.5,
            patience=SECONDS + 45,
        )
        ideal = TOKENS * math.ceil(SECONDS / (LIFE - AHEAD))
        print(f"calls {len(report.calls)}, kills {report.killed}, requests {site.requests}, ideal {ideal}")
        assert report.killed >= SECONDS / 1.5 - 3
        assert report.failures == []
        assert len(report.calls) > 8 * SECONDS
        assert ideal * 0.9 <= site.requests <= ideal * 1.1
        for token in tokens:
            access_token = site.stored(token).access_token
            assert access_token is not None
            assert zoho.is_live(access_token)
