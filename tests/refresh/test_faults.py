"""Whatever goes wrong with a refresh has a defined end: docs/explanation/one-refresh.md has the table."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.refresh.support import Report, Site
from tests.sdk.generation import SDK

LEASE, WAIT = 1.5, 2.5
POLICY = {"lease": LEASE, "wait": WAIT}
REFRESH = "token:refresh_token"

ANSWERS: dict[str, dict[str, Any]] = {
    "revoked": {"kind": "error", "error": "invalid_code"},
    "throttled": {"kind": "error", "error": "Access Denied", "status": 400},
    "html": {"kind": "html"},
    "unavailable": {"kind": "status", "status": 503},
    "dropped": {"kind": "drop"},
}


def _run(site: Site, **orders: Any) -> Report:
    """Let four processes ask for an expired token again and again, twice for the length of the lease."""
    return site.fleet(
        [site.store_token()], processes=4, pause=0.2, policy=POLICY, **{"seconds": 4.0, **orders}
    )


@pytest.mark.parametrize("fault", ANSWERS)
def test_refresh_that_always_fails(site: Site, fault: str) -> None:
    """While every refresh fails, everybody gets an SDKException in time, and Zoho a request per lease."""
    site.zoho.fault(REFRESH, **ANSWERS[fault])
    report = _run(site)
    assert report.calls == report.failures
    assert all(failure["sdk"] for failure in report.failures)
    assert all(failure["took"] < WAIT + 1 for failure in report.failures)
    assert {"SDKException", "SDKAccountsUnavailableError"} >= {
        failure["error"] for failure in report.failures
    }
    assert 2 <= site.requests <= 4.0 / LEASE + 1
    starts = report.event_times("refresh_started")
    assert all(later - earlier > LEASE - 0.1 for earlier, later in itertools.pairwise(starts))
    assert report.events["refresh_failed"] >= len(starts) - 1
    assert report.events["refresh_refused"] > 0


@pytest.mark.parametrize("fault", ANSWERS)
def test_refresh_that_fails_once(site: Site, fault: str) -> None:
    """After a single failure the next refresh comes when the lease is over, and serves everybody."""
    site.zoho.fault(REFRESH, times=1, **ANSWERS[fault])
    report = _run(site, seconds=3.0)
    assert site.requests == 2
    assert report.events["refresh_failed"] == 1
    assert report.events["refreshed"] == 1
    assert len(report.access_tokens) == 1
    (refreshed,) = report.event_times("refreshed")
    assert [call for call in report.failures if call["at"] > refreshed] == []


def test_refresh_answered_late(site: Site) -> None:
    """A reply that takes longer than the lease is not waited for, and its token undoes no newer one."""
    site.zoho.fault(REFRESH, "slow", times=1, seconds=3.0, after=True)
    report = _run(site)
    assert report.failures == []
    assert site.requests == 2
    assert report.events["fenced"] == 1
    assert len(report.access_tokens) == 1
    assert sorted(call["took"] for call in report.calls)[-2] < LEASE + 1


def test_refresh_never_answered(site: Site) -> None:
    """A request that hangs for good holds its own thread; the others go on after the lease."""
    site.zoho.fault(REFRESH, "hang", times=1)
    report = _run(site, give_up=6.0)
    assert report.failures == []
    assert len({call["worker"] for call in report.calls}) == 3
    assert all(call["took"] < LEASE + 1 for call in report.calls)
    assert site.requests == 2
    assert report.events["refreshed"] == 1


def test_accounts_server_hangs(site: Site) -> None:
    """If all requests hang, one thread a lease is lost to it, and everybody else gets an error in time."""
    site.zoho.fault(REFRESH, "hang")
    report = _run(site, threads=2, give_up=6.0)
    assert report.failures == report.calls
    assert {failure["error"] for failure in report.failures} == {"SDKAccountsUnavailableError"}
    assert all(failure["took"] < WAIT + 1 for failure in report.failures)
    assert site.requests <= 6.0 / LEASE + 1
    assert report.events["refresh_awaited"] == len(report.failures)


def test_save_fails_after_a_refresh(site: Site) -> None:
    """A new token whose save fails is saved at the next look-up; the others wait for it, unasked."""
    report = _run(site, seconds=1.0, failing_writes=1)
    assert site.requests == 1
    assert report.events["save_failed"] == report.events["saved_late"] == 1
    assert len(report.failures) == (0 if SDK.swallows_failed_saves else 1)
    assert len(report.access_tokens) == 1


def test_save_fails_after_a_spent_code(site: Site) -> None:
    """So is the token of a one-time code: nobody spends it again, and nothing is lost."""
    code = site.login(grant_token=site.zoho.mint_code())
    report = site.fleet([code], processes=4, seconds=1.0, pause=0.1, policy=POLICY, failing_writes=1)
    assert site.requests == site.zoho.counters().exchanges == 1
    assert report.events["save_failed"] == report.events["saved_late"] == 1
    assert len(report.failures) == (0 if SDK.swallows_failed_saves else 1)
    assert len(report.access_tokens) == 1


@pytest.mark.parametrize("start", ["refresh", "login", "code"])
def test_store_that_cannot_be_written(site: Site, start: str) -> None:
    """A store that cannot be written says so before anything is spent at Zoho."""
    token = site.store_token()
    if start == "login":
        token = site.login(refresh_token=site.zoho.mint_refresh_token())
    elif start == "code":
        token = site.login(grant_token=site.zoho.mint_code())
    site.url += "?timeout=0.3"
    report = site.fleet([token], processes=2, locked=str(site.database))
    assert [call["error"] for call in report.calls] == ["SDKBackendTimeoutError"] * 2
    assert site.requests == 0
    assert report.events["refresh_refused"] == 2


def test_due_token_never_hurts(site: Site) -> None:
    """While a due token's refresh fails or hangs, everybody but its holder goes on with the valid token."""
    site.zoho.fault(REFRESH, "hang")
    token = site.store_token(seconds_left=60, access_token="1000.valid")
    report = site.fleet([token], processes=4, seconds=1.2, pause=0.02, policy=POLICY, give_up=3.0)
    assert report.failures == []
    assert report.access_tokens == {"1000.valid"}
    assert len({call["worker"] for call in report.calls}) == 3
    assert site.requests == 1
    assert max(call["took"] for call in report.calls) < 0.5
