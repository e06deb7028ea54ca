"""Zoho's ten refreshes in ten minutes, counted by all processes together."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.refresh.support import Site
from zoho_tokenstore import open_repository
from zoho_tokenstore.emulator import Emulator

# A token is stale a tenth of a second after it was made, and good for ten minutes: no process is so slow that
# the SDK finds its token expired, and sends a request itself.
LIFETIME = timedelta(seconds=600)
POLICY = {"ahead": 599.9, "urgent": 599.9, "timeout": 1.0, "wait": 3.0}


def _change_expiry(site: Site, token: dict[str, str], seconds: float) -> None:
    with open_repository(site.url) as repository:
        repository.save(site.stored(token).changed(expires_at_ms=int((time.time() + seconds) * 1000)))


@pytest.mark.long
def test_eleventh_refresh_is_never_sent(tmp_path: Path) -> None:
    """After ten refreshes the callers get an error with limit and time, unless their token is still valid."""
    with Emulator(access_token_lifetime=LIFETIME) as zoho:
        site = Site(zoho, tmp_path)
        token = site.store_token()
        spent = site.fleet([token], processes=4, seconds=4.0, pause=0.02, policy=POLICY)
        assert spent.failures == []
        assert spent.events["throttled"] >= 1
        assert site.requests == 10

        _change_expiry(site, token, 60)  # due, by the usual policy
        due = site.fleet([token], processes=4, calls=5)
        assert due.failures == []

        _change_expiry(site, token, 45)  # stale by this policy, and still good
        stale = site.fleet([token], processes=4, calls=5, policy={"ahead": 60, "urgent": 60})
        assert stale.failures == []

        _change_expiry(site, token, -1)
        expired = site.fleet([token], processes=4)
        assert {call.get("error") for call in expired.calls} == {"SDKRateLimitedError"}
        assert all(failure["sdk"] for failure in expired.failures)
        assert all("10 were sent within 600 s" in failure["text"] for failure in expired.failures)
        assert all(500 < failure["retry_after"] <= 600 for failure in expired.failures)
        assert site.requests == 10
        assert zoho.counters().denied == 0
