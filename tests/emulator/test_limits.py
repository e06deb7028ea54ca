"""Zoho's limits, on a clock that stands still."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.emulator.support import FakeClock
from zoho_tokenstore.emulator import EmulatorOptions
from zoho_tokenstore.emulator._limits import WindowLimit
from zoho_tokenstore.emulator._model import CodeTerms, RefreshToken
from zoho_tokenstore.emulator._options import EmulatorOverrides
from zoho_tokenstore.emulator._refusals import RefusalError, ThrottledError
from zoho_tokenstore.emulator._zoho import Zoho


def make(clock: FakeClock, **options: object) -> Zoho:
    overrides: EmulatorOverrides = options  # type: ignore[assignment]
    return Zoho(EmulatorOptions(**overrides), clock)


def new_refresh_token(zoho: Zoho, user: int = 0) -> RefreshToken:
    directory = zoho.directory
    grant = zoho.grant(directory.default_client, directory.default_users[user], None)
    return zoho.ledger.issue_refresh_token(grant)


def refresh(zoho: Zoho, token: RefreshToken) -> str:
    return zoho.ledger.refresh(token.text, zoho.directory.default_client).access.text


def test_tenth_refresh_in_ten_minutes_is_the_last(clock: FakeClock) -> None:
    """10 access tokens per refresh token per 10 minutes; the 11th request is denied."""
    zoho = make(clock)
    token = new_refresh_token(zoho)
    for _ in range(10):
        refresh(zoho, token)
    with pytest.raises(ThrottledError) as caught:
        refresh(zoho, token)
    assert caught.value.name == "Access Denied"


def test_refresh_is_allowed_again_when_the_window_has_moved_on(clock: FakeClock) -> None:
    """The window slides: ten minutes after the first refresh there is room for one more."""
    zoho = make(clock)
    token = new_refresh_token(zoho)
    for _ in range(10):
        refresh(zoho, token)
        clock.seconds += 1
    clock.seconds += 590
    refresh(zoho, token)
    with pytest.raises(ThrottledError):
        refresh(zoho, token)


def test_each_refresh_token_has_a_limit_of_its_own(clock: FakeClock) -> None:
    """The throttle counts per refresh token, not per client."""
    zoho = make(clock, refresh_limit=1)
    refresh(zoho, new_refresh_token(zoho))
    refresh(zoho, new_refresh_token(zoho))


def test_refresh_limit_can_be_switched_off(clock: FakeClock) -> None:
    """None is no limit."""
    zoho = make(clock, refresh_limit=None)
    token = new_refresh_token(zoho)
    assert len({refresh(zoho, token) for _ in range(50)}) == 50


def test_sixteenth_live_access_token_kills_the_oldest(clock: FakeClock) -> None:
    """15 live access tokens per refresh token; the 16th evicts the oldest, and only that one."""
    zoho = make(clock, refresh_limit=None)
    token = new_refresh_token(zoho)
    texts = [refresh(zoho, token) for _ in range(16)]
    assert [zoho.ledger.is_live(text) for text in texts] == [False] + [True] * 15
    assert zoho.counters().evicted_access_tokens == 1


def test_expired_access_tokens_leave_room(clock: FakeClock) -> None:
    """Only live access tokens count towards the 15."""
    zoho = make(clock, refresh_limit=None)
    token = new_refresh_token(zoho)
    for _ in range(15):
        refresh(zoho, token)
    clock.seconds += 3600
    refresh(zoho, token)
    assert zoho.counters().evicted_access_tokens == 0


def test_live_access_token_limit_can_be_switched_off(clock: FakeClock) -> None:
    """None is no limit."""
    zoho = make(clock, refresh_limit=None, live_access_tokens=None)
    token = new_refresh_token(zoho)
    for _ in range(40):
        refresh(zoho, token)
    assert zoho.counters().live_access_tokens == 40


def test_twenty_first_refresh_token_kills_the_first_and_its_access_tokens(clock: FakeClock) -> None:
    """20 refresh tokens per user and client; the eviction takes the first one's access tokens along."""
    zoho = make(clock)
    tokens = [new_refresh_token(zoho) for _ in range(20)]
    access = [refresh(zoho, token) for token in tokens[:2]]
    tokens.append(new_refresh_token(zoho))
    assert [zoho.ledger.is_live(token.text) for token in tokens] == [False] + [True] * 20
    assert [zoho.ledger.is_live(text) for text in access] == [False, True]
    assert zoho.counters().evicted_refresh_tokens == 1


def test_refresh_tokens_of_another_user_or_client_do_not_count(clock: FakeClock) -> None:
    """The 20 are those of one user and one client."""
    zoho = make(clock, refresh_tokens=1)
    first, other_user = new_refresh_token(zoho), new_refresh_token(zoho, user=1)
    other_client = zoho.directory.add_client(None, None, ())
    grant = zoho.grant(other_client, zoho.directory.default_users[0], None)
    zoho.ledger.issue_refresh_token(grant)
    assert zoho.ledger.is_live(first.text)
    assert zoho.ledger.is_live(other_user.text)


def test_refresh_token_limit_can_be_switched_off(clock: FakeClock) -> None:
    """None is no limit."""
    zoho = make(clock, refresh_tokens=None)
    tokens = [new_refresh_token(zoho) for _ in range(30)]
    assert all(zoho.ledger.is_live(token.text) for token in tokens)


def test_eleventh_code_in_ten_minutes_is_refused(clock: FakeClock) -> None:
    """10 grant codes per client in 10 minutes."""
    zoho = make(clock)
    client = zoho.directory.default_client
    assert [zoho.ledger.allow_code(client) for _ in range(11)] == [True] * 10 + [False]
    clock.seconds += 600
    assert zoho.ledger.allow_code(client)


def test_code_limit_can_be_switched_off(clock: FakeClock) -> None:
    """None is no limit."""
    zoho = make(clock, code_limit=None)
    assert all(zoho.ledger.allow_code(zoho.directory.default_client) for _ in range(30))


def test_code_lives_three_minutes(clock: FakeClock) -> None:
    """A code is redeemed until its 3 minutes are over, then it is invalid_code."""
    zoho = make(clock)
    client, user = zoho.directory.default_client, zoho.directory.default_users[0]
    codes = [zoho.mint_code(client, user, None, "offline") for _ in range(2)]
    clock.seconds += 179.9
    zoho.ledger.redeem(codes[0], client, None, None)
    clock.seconds += 0.1
    with pytest.raises(RefusalError, match="invalid_code"):
        zoho.ledger.redeem(codes[1], client, None, None)


def test_access_token_lives_one_hour(clock: FakeClock) -> None:
    """An access token is dead after 3600 seconds; its refresh token is not."""
    zoho = make(clock)
    token = new_refresh_token(zoho)
    access = refresh(zoho, token)
    clock.seconds += 3599
    assert zoho.ledger.is_live(access)
    clock.seconds += 1
    assert not zoho.ledger.is_live(access)
    assert zoho.ledger.is_live(token.text)


def test_lifetimes_can_be_seconds(clock: FakeClock) -> None:
    """Lifetimes are options, also very short ones."""
    zoho = make(clock, access_token_lifetime=timedelta(seconds=1.5))
    access = refresh(zoho, new_refresh_token(zoho))
    clock.seconds += 1.4
    assert zoho.ledger.is_live(access)
    clock.seconds += 0.1
    assert not zoho.ledger.is_live(access)


def test_dead_access_tokens_are_not_kept(clock: FakeClock) -> None:
    """A long run does not fill the memory with dead tokens."""
    zoho = make(clock)
    grant = zoho.grant(zoho.directory.default_client, zoho.directory.default_users[0], None)
    for _ in range(2000):
        zoho.ledger.issue_access_token(grant, None)
        clock.seconds += 60
    assert len(zoho.ledger._access) < 400


def test_refused_attempts_do_not_prolong_the_window() -> None:
    """Only what was allowed is counted."""
    limit = WindowLimit(1, timedelta(seconds=10))
    assert limit.take("a", 0)
    assert not limit.take("a", 9)
    assert limit.take("a", 10)


def test_code_terms_default_to_those_of_a_self_client() -> None:
    """A self client's code needs no redirect URI and earns a refresh token."""
    assert CodeTerms() == CodeTerms(offline=True, redirect_uri=None, challenge=None)
