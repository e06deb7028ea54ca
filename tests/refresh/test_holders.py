"""What becomes of everybody when the one who renews is killed or stopped."""

from __future__ import annotations

import pytest

from tests.refresh.support import WITH_LEASES, Site

TIMEOUT = 2.0
POLICY = {"timeout": TIMEOUT, "wait": 8.0}

on_every_store = pytest.mark.parametrize("site", WITH_LEASES, indirect=True)
on_some = pytest.mark.parametrize(
    "site", [name for name in WITH_LEASES if name in ("sqlite", "postgresql")], indirect=True
)


@on_every_store
def test_killed_before_the_request(site: Site) -> None:
    """Killed before its request, the holder is waited for as long as one may take, not longer."""
    report = site.fleet([site.store_token()], processes=6, policy=POLICY, holder="kill")
    assert report.failures == []
    assert len(report.calls) == 5
    assert all(TIMEOUT - 0.5 < call["took"] < TIMEOUT + 1 for call in report.calls)
    assert site.requests == 1
    assert len(report.access_tokens) == 1


@pytest.mark.long
@on_every_store
def test_killed_before_the_save(site: Site) -> None:
    """Killed after Zoho made a token, the holder costs the others that time, and one more request."""
    site.zoho.fault("token:refresh_token", "slow", times=1, seconds=1.0, after=True)
    token = site.store_token()
    report = site.fleet([token], processes=6, policy=POLICY, holder="kill", holder_after=0.5)
    assert report.failures == []
    assert len(report.calls) == 5
    assert all(call["took"] < TIMEOUT + 1 for call in report.calls)
    assert site.requests == 2
    assert report.access_tokens == {site.stored(token).access_token}


@on_every_store
def test_the_holder_of_a_code_is_killed(site: Site) -> None:
    """Nobody sends a code again whose outcome is not known: all are told to log in again, in that time."""
    site.zoho.fault("token:authorization_code", "slow", times=1, seconds=1.0, after=True)
    code = site.login(grant_token=site.zoho.mint_code(), redirect_url="http://localhost:8000/callback")
    report = site.fleet([code], processes=6, policy=POLICY, holder="kill", holder_after=0.5)
    assert len(report.failures) == len(report.calls) == 5
    assert {failure["error"] for failure in report.failures} == {"SDKInvalidGrantError"}
    assert all("Log in again" in failure["text"] for failure in report.failures)
    assert all(call["took"] < TIMEOUT + 1 for call in report.calls)
    assert site.requests == 1


@pytest.mark.long
@on_some
def test_stopped_past_its_lease(site: Site) -> None:
    """A holder that goes on after its lease passed on undoes nothing, and gets the newer token."""
    site.zoho.fault("token:refresh_token", "slow", times=1, seconds=0.8, after=True)
    token = site.store_token()
    report = site.fleet(
        [token],
        processes=4,
        seconds=5.0,
        pause=0.1,
        policy={"timeout": 1.0, "wait": 5.0},
        holder="stop",
        holder_after=0.3,
        holder_for=2.5,
    )
    assert report.failures == []
    assert site.requests == 2
    assert report.access_tokens == {site.stored(token).access_token}
    assert max(call["took"] for call in report.calls) > 2.0  # it has been stopped indeed
    assert site.zoho.journal("token:refresh_token")[1].minted
