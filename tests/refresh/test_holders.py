"""What becomes of everybody when the one who refreshes is killed or stopped."""

from __future__ import annotations

import pytest

from tests.refresh.support import WITH_LEASES, Site

LEASE = 2.0
POLICY = {"lease": LEASE, "wait": 8.0}

on_every_store = pytest.mark.parametrize("site", WITH_LEASES, indirect=True)
on_some = pytest.mark.parametrize(
    "site", [name for name in WITH_LEASES if name in ("sqlite", "postgresql")], indirect=True
)


@on_every_store
def test_killed_before_the_request(site: Site) -> None:
    """Killed between look-up and request, the holder is waited for until its lease ends, not longer."""
    report = site.fleet([site.store_token()], processes=6, policy=POLICY, holder="kill")
    assert report.failures == []
    assert len(report.calls) == 5
    assert all(LEASE - 0.5 < call["took"] < LEASE + 1 for call in report.calls)
    assert site.requests == 1
    assert len(report.access_tokens) == 1


def test_killed_before_the_save(site: Site) -> None:
    """Killed after Zoho made a token, the holder costs the others the lease, and one more refresh."""
    site.zoho.fault("token:refresh_token", "slow", times=1, seconds=1.0, after=True)
    token = site.store_token()
    report = site.fleet([token], processes=6, policy=POLICY, holder="kill", holder_after=0.5)
    assert report.failures == []
    assert len(report.calls) == 5
    assert all(call["took"] < LEASE + 1 for call in report.calls)
    assert site.requests == 2
    assert report.access_tokens == {site.stored(token).access_token}
    reasons = [one["reason"] for one in report.told if one.get("event") == "refresh_started"]
    assert sorted(reasons, key=str) == [None, "the holder before brought no token"]


@on_some
def test_stopped_past_its_lease(site: Site) -> None:
    """A holder that continues after its lease passed on undoes nothing, and gets the newer token."""
    site.zoho.fault("token:refresh_token", "slow", times=1, seconds=0.8, after=True)
    token = site.store_token()
    report = site.fleet(
        [token],
        processes=4,
        seconds=5.0,
        pause=0.1,
        policy={"lease": 1.0, "wait": 5.0},
        holder="stop",
        holder_after=0.3,
        holder_for=2.5,
    )
    assert report.failures == []
    assert site.requests == 2
    assert report.events["fenced"] == 1
    assert report.access_tokens == {site.stored(token).access_token}
    assert max(call["took"] for call in report.calls) > 2.5  # it has been stopped indeed
    assert site.zoho.journal("token:refresh_token")[1].minted
