"""Counters and journal."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator, label


def test_requests_are_counted_by_endpoint_and_outcome(caller: Caller) -> None:
    """Outcomes are ok, an error's name, or fault:<kind>."""
    tokens = caller.log_in()
    caller.refresh(tokens["refresh_token"])
    caller.refresh("unknown")
    caller.crm("v8/org", tokens["access_token"])
    caller.crm("v8/org", "unknown")
    caller.zoho.fault("org", "status", times=1)
    caller.crm("v8/org", tokens["access_token"])
    assert caller.zoho.counters().requests == {
        "org": {"INVALID_TOKEN": 1, "fault:status": 1, "ok": 1},
        "token:authorization_code": {"ok": 1},
        "token:refresh_token": {"invalid_code": 1, "ok": 1},
    }


def test_totals(caller: Caller) -> None:
    """Exchanges, refreshes, revocations, denials and live tokens."""
    refresh_token = caller.log_in()["refresh_token"]
    for _ in range(11):
        caller.refresh(refresh_token)
    before = caller.zoho.counters()
    caller.http.post(f"{caller.zoho.accounts_url}/revoke", data={"token": refresh_token})
    after = caller.zoho.counters()
    assert (before.exchanges, before.refreshes, before.denied, before.minted) == (1, 10, 1, 11)
    assert (before.live_access_tokens, before.live_refresh_tokens) == (11, 1)
    assert (after.revocations, after.live_access_tokens, after.live_refresh_tokens) == (1, 0, 0)


def test_count_adds_up_a_family(caller: Caller) -> None:
    """`token` stands for all grants."""
    caller.refresh(caller.log_in()["refresh_token"])
    counters = caller.zoho.counters()
    assert counters.count("token") == 2
    assert counters.count("token", "ok") == 2
    assert counters.count("token:refresh_token") == 1


def test_refreshes_are_told_per_refresh_token_by_label(caller: Caller) -> None:
    """A label stands for the token; the token itself is nowhere in what is told."""
    tokens = caller.log_in()
    caller.refresh(tokens["refresh_token"])
    counters = caller.zoho.counters()
    assert counters.refreshes_by_token == {label(tokens["refresh_token"]): 1}
    told = repr(counters) + repr(caller.zoho.journal()) + repr(caller.zoho.default_client)
    secrets = [tokens["access_token"], tokens["refresh_token"], caller.zoho.default_client.client_secret]
    assert not [secret for secret in secrets if secret in told]


def test_journal_is_in_order_and_knows_who(caller: Caller, clock: FakeClock) -> None:
    """A test can compute the most refreshes in any window from it."""
    user = caller.zoho.default_users[1]
    refresh_token = caller.log_in(user)["refresh_token"]
    start = clock.seconds
    for _ in range(3):
        clock.seconds += 60
        caller.refresh(refresh_token)
    entries = caller.zoho.journal("token:refresh_token")
    assert [entry.at - start for entry in entries] == [60, 120, 180]
    assert {(entry.client, entry.user, entry.refresh_token, entry.minted) for entry in entries} == {
        (caller.zoho.default_client.client_id, user.email, label(refresh_token), True)
    }
    assert [entry.number for entry in caller.zoho.journal(after=2)] == [3, 4]


def test_attempts_during_an_outage_are_known_per_refresh_token(caller: Caller) -> None:
    """Also what a fault answered says which refresh token it was about."""
    refresh_token = caller.zoho.mint_refresh_token()
    caller.zoho.fault("token", "status")
    caller.refresh(refresh_token)
    entry = caller.zoho.journal()[0]
    assert (entry.refresh_token, entry.outcome, entry.minted) == (label(refresh_token), "fault:status", False)


def test_journal_is_bounded_and_counters_are_not(clock: FakeClock) -> None:
    """The journal forgets the oldest requests; the counters forget none."""
    with Emulator(clock=clock, journal_size=3) as zoho:
        caller = Caller(zoho)
        with caller.http:
            for _ in range(5):
                caller.refresh("unknown")
        assert [entry.number for entry in zoho.journal()] == [3, 4, 5]
        assert zoho.counters().count("token") == 5


def test_programs_are_told_apart_by_their_user_agent(caller: Caller) -> None:
    """The first word of the User-Agent, without its version; also where no answer was given."""
    for agent in ("zoho-tokenstore/1.0", "python-requests/2.32.4", "Mozilla/5.0 (X11)", ""):
        caller.http.headers["User-Agent"] = agent
        caller.exchange()
    caller.zoho.fault("token:refresh_token", "status")
    caller.refresh("unknown")
    counters = caller.zoho.counters()
    assert counters.agents["token:refresh_token"] == {"": 1}
    assert counters.by_agent("token") == {"zoho-tokenstore": 1, "python-requests": 1, "Mozilla": 1, "": 2}
    assert counters.by_agent("crm") == {}
    assert [entry.user_agent for entry in caller.zoho.journal()][2] == "Mozilla/5.0 (X11)"


def test_reset_starts_afresh(caller: Caller) -> None:
    """Tokens, records, faults and counts go; clients and users stay; the clock is right again."""
    before = caller.zoho.now()
    tokens = caller.log_in()
    caller.zoho.fault("token", "status")
    caller.zoho.advance(100)
    caller.zoho.reset()
    assert not caller.zoho.is_live(tokens["refresh_token"])
    assert caller.zoho.counters() == Emulator().counters()
    assert caller.zoho.now() == before
    assert caller.exchange().status_code == 200


def test_counts_are_exact_under_simultaneous_requests(clock: FakeClock) -> None:
    """Of 40 simultaneous refreshes exactly 10 are minted, and every one is counted."""
    with Emulator(clock=clock) as zoho, ThreadPoolExecutor(16) as pool:
        refresh_token = zoho.mint_refresh_token()
        caller = Caller(zoho)
        with caller.http:
            answers = list(pool.map(lambda _: caller.refresh(refresh_token).status_code, range(40)))
        assert sorted(answers) == [200] * 10 + [400] * 30
        assert (zoho.counters().refreshes, zoho.counters().denied) == (10, 30)
