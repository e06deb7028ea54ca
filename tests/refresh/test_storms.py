"""Many workers wake up to one token, with the unmodified SDK."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator.store import FileStore

from tests.contract.stores import SHARED
from tests.refresh.support import WITH_LEASES, Site
from tests.sdk.app import token_of
from zoho_tokenstore.emulator import Emulator

on_every_store = pytest.mark.parametrize(
    ("site", "processes", "threads"),
    [("sqlite", 48, 1), ("sqlite", 8, 8), *((name, 16, 1) for name in WITH_LEASES if name != "sqlite")],
    indirect=["site"],
)


@on_every_store
def test_expired_token_is_refreshed_once(site: Site, processes: int, threads: int) -> None:
    """Whoever wakes up to an expired token gets the same new one, from a single refresh."""
    site.zoho.fault("token:refresh_token", "slow", seconds=0.2)  # so that everybody comes while it runs
    token = site.store_token()
    report = site.fleet([token], processes=processes, threads=threads)
    print(f"{processes} × {threads}: {site.requests} request, all served after {report.slowest:.2f} s")
    assert report.failures == []
    assert len(report.calls) == processes * threads
    assert site.requests == 1
    assert site.requests_of_the_sdk == 0
    assert report.access_tokens == {site.stored(token).access_token}
    assert report.events["renewal_started"] == report.events["renewed"] == 1


@on_every_store
@pytest.mark.parametrize("credential", ["refresh_token", "grant_token"])
def test_cold_start_exchanges_once(site: Site, credential: str, processes: int, threads: int) -> None:
    """Of workers that start with the same credentials one exchanges them, the others find its row."""
    mint = site.zoho.mint_refresh_token if credential == "refresh_token" else site.zoho.mint_code
    report = site.fleet([site.login(**{credential: mint()})], processes=processes, threads=threads)
    assert report.failures == []
    assert len(report.calls) == processes * threads
    assert site.requests == 1
    assert site.requests_of_the_sdk == 0
    assert len(report.access_tokens) == 1
    assert report.events["created"] == 1
    assert report.events["not_matched"] <= processes * threads


@pytest.mark.parametrize("site", SHARED.keys() & {"secretsmanager"}, indirect=True)
def test_without_leases_each_process_refreshes_once(site: Site) -> None:
    """On Secrets Manager the threads of a process share a refresh, and processes lose nothing by theirs."""
    token = site.store_token()
    report = site.fleet([token], processes=6, threads=4)
    assert report.failures == []
    assert len(report.calls) == 24
    starts = [one["worker"] for one in report.told if one.get("event") == "renewal_started"]
    assert len(set(starts)) == len(starts) == site.requests
    stored = site.stored(token).access_token
    assert stored in report.access_tokens
    assert site.zoho.is_live(stored or "")
    assert site.fleet([token], processes=2).access_tokens == {stored}


@pytest.mark.parametrize("site", SHARED.keys() & {"secretsmanager"}, indirect=True)
def test_without_leases_threads_refresh_once(site: Site) -> None:
    """On Secrets Manager all threads of one process get the same new token, from a single refresh."""
    report = site.fleet([site.store_token()], threads=16)
    assert report.failures == []
    assert site.requests == len(report.access_tokens) == 1


@pytest.mark.long
def test_two_hundred_tokens_are_refreshed_once_each(tmp_path: Path) -> None:
    """Eight processes that touch 200 expired tokens at random refresh each of them exactly once."""
    with Emulator(refresh_tokens=None) as zoho:
        site = Site(zoho, tmp_path)
        tokens = site.store_tokens(200)
        report = site.fleet(tokens, processes=8, calls=1500, shuffle=True)
        assert report.failures == []
        touched = {call["id"] for call in report.calls}
        assert touched == {token["id"] for token in tokens}
        assert site.requests == 200
        assert set(zoho.counters().refreshes_by_token.values()) == {1}


@pytest.mark.long
@pytest.mark.clear
def test_the_storm_without_us(site: Site, tmp_path: Path) -> None:
    """With the SDK's own file store every process refreshes, and Zoho refuses from the eleventh on."""
    site.zoho.fault("token:refresh_token", "slow", seconds=0.5)  # so that nobody saves before all came
    path = tmp_path / "sdk_tokens.txt"
    credentials = site.login(refresh_token=site.zoho.mint_refresh_token())
    token = token_of("patricia", access_token="1000.old", api_domain=site.zoho.url, **credentials)
    token.set_expires_in(str(int(time.time() * 1000) - 1))
    FileStore(str(path)).save_token(token)
    report = site.fleet([{"id": token.get_id()}], processes=16, file_store=str(path))
    denied = site.zoho.counters().denied
    print(f"16 processes: {site.requests} requests, {denied} denied, {len(report.failures)} failures")
    assert site.requests > 10
    assert denied == site.requests - 10
    assert len(report.failures) >= denied
