"""Zoho's ten refreshes in ten minutes, counted by all processes together."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path

import pytest

from tests.refresh.support import Site
from zoho_tokenstore import open_repository
from zoho_tokenstore.emulator import Emulator

# A token is stale a tenth of a second after it was made, and useless after half a second.
SHORT = timedelta(seconds=6)
POLICY = {"ahead": 5.9, "urgent": 5.9, "timeout": 1.0, "wait": 3.0}


def _spend(site: Site, token: dict[str, str]) -> None:
    report = site.fleet([token], processes=4, seconds=4.0, pause=0.02, policy=POLICY)
    assert site.requests == 10
    assert site.zoho.counters().denied == 0
    assert report.failures
    assert {failure["error"] for failure in report.failures} == {"SDKRateLimitedError"}
    assert all(failure["sdk"] for failure in report.failures)
    assert all("10 were sent within 600 s" in failure["text"] for failure in report.failures)
    assert all(590 < failure["retry_after"] <= 600 for failure in report.failures)
    assert report.events["throttled"] >= 1


def _change_expiry(site: Site, token: dict[str, str], seconds: float) -> None:
    with open_repository(site.url) as repository:
        repository.save(site.stored(token).changed(expires_at_ms=int((time.time() + seconds) * 1000)))


@pytest.mark.long
def test_eleventh_refresh_is_never_sent(tmp_path: Path) -> None:
    """After ten refreshes the callers get an error with limit and time, unless their token is still valid."""
    with Emulator(access_token_lifetime=SHORT) as zoho:
        site = Site(zoho, tmp_path)
        token = site.store_token()
        _spend(site, token)

        _change_expiry(site, token, 60)  # due, by the usual policy
        due = site.fleet([token], processes=4, calls=5)
        assert due.failures == []

        _change_expiry(site, token, 45)  # stale by this policy, and still good
        stale = site.fleet([token], processes=4, calls=5, policy={"ahead": 60, "urgent": 60})
        assert stale.failures == []

        _change_expiry(site, token, -1)
        expired = site.fleet([token], processes=4)
        assert {call.get("error") for call in expired.calls} == {"SDKRateLimitedError"}
        assert site.requests == 10
