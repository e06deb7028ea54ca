"""Whatever goes wrong with a renewal has a defined end: docs/explanation/one-refresh.md says which."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.refresh.support import WITH_LEASES, Report, Site
from zoho_tokenstore import open_repository
from zoho_tokenstore.renewal._accounts import Accounts

TIMEOUT, WAIT = 1.5, 2.5
POLICY = {"timeout": TIMEOUT, "wait": WAIT}
REFRESH = "token:refresh_token"
TOLD = 1.0
"""Seconds within which everybody is told of a failure."""

PASSING: dict[str, dict[str, Any]] = {
    "html": {"kind": "html"},
    "unavailable": {"kind": "status", "status": 503},
    "dropped": {"kind": "drop"},
}

on_every_store = pytest.mark.parametrize("site", WITH_LEASES, indirect=True)


def _run(site: Site, **orders: Any) -> Report:
    """Let four processes ask for an expired token again and again."""
    orders = {"processes": 4, "seconds": 4.0, "pause": 0.2, "policy": POLICY, **orders}
    return site.fleet([site.store_token()], **orders)


@on_every_store
def test_a_revoked_login_is_told_to_everybody(site: Site) -> None:
    """One request in all, whoever asks and however often; a new login works at once."""
    token = site.store_token()
    refresh_token = site.stored(token).refresh_token
    assert refresh_token is not None
    Accounts(site.zoho.accounts_url).revoke(refresh_token)
    for _ in range(2):  # and processes that come later are told, too
        report = site.fleet([token], processes=8, calls=3)
        assert report.failures == report.calls
        assert {failure["error"] for failure in report.failures} == {"SDKInvalidGrantError"}
        assert all("invalid_code" in failure["text"] for failure in report.failures)
        assert max(call["took"] for call in report.calls) < TOLD
    assert site.requests == 1
    with open_repository(site.url) as repository:
        new = site.stored(token).changed(refresh_token=site.zoho.mint_refresh_token(), access_token=None)
        repository.save(new)
    report = site.fleet([token], processes=8)
    assert report.failures == []
    assert site.requests == 2
    assert site.requests_of_the_sdk == 0


@pytest.mark.long
@pytest.mark.parametrize(
    "answer",
    [
        {"error": "Access Denied", "status": 400},
        {"error": "访问被拒绝", "status": 200},
    ],
    ids=["english", "localised"],
)
def test_throttled(site: Site, answer: dict[str, Any]) -> None:
    """Zoho's limit is remembered for its window: one request, and everybody is told how long that is."""
    site.zoho.fault(REFRESH, "error", **answer)
    report = _run(site)
    assert report.failures == report.calls
    assert {failure["error"] for failure in report.failures} == {"SDKRateLimitedError"}
    assert all(590 < failure["retry_after"] <= 600 for failure in report.failures)
    assert max(call["took"] for call in report.calls) < TOLD
    assert site.requests == 1


@pytest.mark.long
@pytest.mark.parametrize("fault", PASSING)
def test_a_failure_that_passes(site: Site, fault: str) -> None:
    """Everybody is told at once; requests come after growing pauses, of one process each time."""
    site.zoho.fault(REFRESH, **PASSING[fault])
    report = _run(site)
    assert report.failures == report.calls
    assert all(failure["sdk"] for failure in report.failures)
    assert {failure["error"] for failure in report.failures} == {"SDKAccountsUnavailableError"}
    assert max(call["took"] for call in report.calls) < TOLD
    assert 2 <= site.requests <= 4
    starts = report.event_times("renewal_started")
    pauses = [later - earlier for earlier, later in itertools.pairwise(starts)]
    assert all(pause >= 0.45 * 2**number for number, pause in enumerate(pauses))


@pytest.mark.parametrize("fault", PASSING)
def test_a_single_failure(site: Site, fault: str) -> None:
    """After one failure the next request serves everybody, and that is told."""
    site.zoho.fault(REFRESH, times=1, **PASSING[fault])
    report = _run(site, seconds=3.0)
    assert site.requests == 2
    assert report.events["renewal_failed"] >= 1
    assert report.events["renewed"] == 1
    assert len(report.access_tokens) == 1
    (renewed,) = report.event_times("renewed")
    assert [call for call in report.failures if call["at"] > renewed] == []


@pytest.mark.long
@pytest.mark.parametrize(
    ("site", "fault"),
    [
        *((name, "hang") for name in WITH_LEASES),
        *((name, "drip") for name in WITH_LEASES[:1]),
        *((name, "endless") for name in WITH_LEASES[:1]),
    ],
    indirect=["site"],
)
def test_zoho_does_not_come_to_an_end(site: Site, fault: str) -> None:
    """Silent, dripping, endless: a request ends in its time, and no look-up takes longer than it may."""
    site.zoho.fault(REFRESH, fault)
    report = _run(site, seconds=3.0, threads=2, give_up=12.0)
    assert report.failures == report.calls
    assert len({call["worker"] for call in report.calls}) == 4
    assert {failure["error"] for failure in report.failures} == {"SDKAccountsUnavailableError"}
    assert all(failure["took"] < WAIT + 1 for failure in report.failures)
    assert site.requests <= 4


@pytest.mark.long
def test_a_late_answer_undoes_nothing(site: Site) -> None:
    """A reply that takes longer than a request may is not waited for."""
    site.zoho.fault(REFRESH, "slow", times=1, seconds=3.0, after=True)
    report = _run(site)
    assert site.requests == 2
    assert len(report.access_tokens) == 1
    assert all(call["took"] < WAIT + 1 for call in report.calls)


def test_save_fails_after_a_renewal(site: Site) -> None:
    """A new token whose save fails is handed out, and saved at the next look-up."""
    report = _run(site, processes=1, seconds=1.0, failing_writes=1)
    assert report.failures == []
    assert site.requests == 1
    assert report.events["save_failed"] == report.events["saved_late"] == 1
    assert len(report.access_tokens) == 1


def test_save_fails_after_a_spent_code(site: Site) -> None:
    """So is the token of a one-time code: nothing is lost."""
    code = site.login(grant_token=site.zoho.mint_code())
    report = site.fleet([code], processes=1, seconds=1.0, pause=0.1, policy=POLICY, failing_writes=1)
    assert report.failures == []
    assert site.requests == site.zoho.counters().exchanges == 1
    assert report.events["save_failed"] == report.events["saved_late"] == 1
    assert len(report.access_tokens) == 1


@pytest.mark.parametrize("start", ["refresh", "login", "code"])
def test_store_that_cannot_be_written(site: Site, start: str) -> None:
    """A store that cannot be written says so in time, before anything is spent at Zoho."""
    token = site.store_token()
    if start == "login":
        token = site.login(refresh_token=site.zoho.mint_refresh_token())
    elif start == "code":
        token = site.login(grant_token=site.zoho.mint_code())
    report = site.fleet([token], processes=2, locked=str(site.database), policy=POLICY)
    assert [call["error"] for call in report.calls] == ["SDKBackendTimeoutError"] * 2
    assert all("locked" in call["text"] for call in report.calls)
    assert all(call["took"] < WAIT + 1 for call in report.calls)
    assert site.requests == 0


def test_due_token_never_hurts(site: Site) -> None:
    """While a due token's renewal fails or hangs, everybody goes on with the valid token at once."""
    site.zoho.fault(REFRESH, "hang")
    token = site.store_token(seconds_left=60, access_token="1000.valid")
    report = site.fleet([token], processes=4, seconds=1.2, pause=0.02, policy=POLICY, give_up=6.0)
    assert report.failures == []
    assert report.access_tokens == {"1000.valid"}
    assert len({call["worker"] for call in report.calls}) == 4
    assert site.requests == 1
    assert max(call["took"] for call in report.calls) < 0.5


@pytest.mark.parametrize(
    "site", [name for name in WITH_LEASES if name in ("postgresql", "mariadb", "redis")], indirect=True
)
@pytest.mark.parametrize("skew", [120.0, 600.0])
def test_hosts_whose_clocks_differ(site: Site, skew: float) -> None:
    """Minutes apart in both directions: one request, and the expiry is right by the true time."""
    site.zoho.fault(REFRESH, "slow", seconds=0.3)
    token = site.store_token(seconds_left=-3600)
    report = site.fleet([token], processes=8, skew=skew)
    assert report.failures == []
    assert site.requests == 1
    assert site.requests_of_the_sdk == 0
    expires_at_ms = site.stored(token).expires_at_ms
    assert expires_at_ms is not None
    assert abs(expires_at_ms / 1000 - report.started - 3600) < 5
    assert report.events["clock_skew"] == 1
