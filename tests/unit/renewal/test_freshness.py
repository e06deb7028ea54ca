"""What a token needs, by what is left of it and what it can be renewed with."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.unit.renewal.support import CREDENTIALS, NOW, FakeClock
from zoho_tokenstore import RefreshPolicy, TokenRecord
from zoho_tokenstore.renewal._clock_skew import ClockSkew
from zoho_tokenstore.renewal._freshness import Freshness, TokenState


def needs(skew_ms: int = 0, **policy: Any) -> Freshness:
    skew = ClockSkew(lambda *_, **__: None)
    skew.offset_ms = skew_ms
    return Freshness(RefreshPolicy(**policy), FakeClock(), skew)


def token(seconds_left: float | None, **fields: Any) -> TokenRecord:
    ends = None if seconds_left is None else NOW + int(seconds_left * 1000)
    given = {"refresh_token": "1000.r", "access_token": "1000.a", "expires_at_ms": ends}
    return TokenRecord(**{**CREDENTIALS, **given, **fields})


@pytest.mark.parametrize(
    ("seconds_left", "need"),
    [
        (300.001, TokenState.FRESH),
        (300, TokenState.DUE),
        (15.001, TokenState.DUE),
        (15, TokenState.STALE),
        (0, TokenState.STALE),
        (-3600, TokenState.STALE),
        (None, TokenState.FRESH),
    ],
)
def test_need_by_time_left(seconds_left: float | None, need: TokenState) -> None:
    """The needs meet exactly at `ahead` and `urgent`; without an expiry a token never ends."""
    assert needs().of(token(seconds_left)) is need


def test_equal_windows_renew_nothing_ahead() -> None:
    """With `ahead` equal to `urgent` a token is fresh until it is stale."""
    equal = needs(ahead=timedelta(seconds=15))
    assert equal.of(token(15.001)) is TokenState.FRESH
    assert equal.of(token(15)) is TokenState.STALE


@pytest.mark.parametrize("missing", ["refresh_token", "client_id", "client_secret"])
@pytest.mark.parametrize(
    ("seconds_left", "need"),
    [(5.501, TokenState.FRESH), (5.5, TokenState.LOGIN_NEEDED), (-1, TokenState.LOGIN_NEEDED)],
)
def test_what_cannot_be_renewed(missing: str, seconds_left: float, need: TokenState) -> None:
    """It serves as long as the SDK would use it; then it needs a login."""
    assert needs().of(token(seconds_left, **{missing: None})) is need


@pytest.mark.parametrize(
    ("fields", "need"),
    [
        ({}, TokenState.STALE),
        ({"refresh_token": None, "grant_token": "1000.code"}, TokenState.STALE),
        ({"refresh_token": None}, TokenState.LOGIN_NEEDED),
    ],
)
def test_without_an_access_token(fields: dict[str, Any], need: TokenState) -> None:
    """A login without an access token needs one now, from its refresh token or a code that is not spent."""
    assert needs().of(token(None, access_token=None, **fields)) is need


def test_a_code_beside_an_access_token_is_spent() -> None:
    """It renews nothing."""
    assert needs().of(token(-1, refresh_token=None, grant_token="1000.code")) is TokenState.LOGIN_NEEDED


@pytest.mark.parametrize(
    ("skew_s", "need"), [(0, TokenState.DUE), (-250, TokenState.FRESH), (50, TokenState.STALE)]
)
def test_zohos_clock_counts(skew_s: int, need: TokenState) -> None:
    """A host whose clock is off reckons as if it were right."""
    assert needs(skew_s * 1000).of(token(60)) is need


@pytest.mark.parametrize(("seconds_left", "usable"), [(5.501, True), (5.5, False), (None, True), (-1, False)])
def test_usable_until_the_sdk_would_refresh(seconds_left: float | None, usable: bool) -> None:
    """Five seconds before its end the SDK would refresh by itself, so that a token is no answer any more."""
    assert needs().is_usable(token(seconds_left)) is usable
    assert not needs().is_usable(token(seconds_left, access_token=None))


ANOTHER = {"access_token": "1000.b"}


@pytest.mark.parametrize(
    ("need", "found", "met", "met_if_forced"),
    [
        (TokenState.STALE, token(3600, **ANOTHER), True, True),
        (TokenState.STALE, token(6, **ANOTHER), True, True),
        (TokenState.STALE, token(5, **ANOTHER), False, False),
        (TokenState.STALE, token(3600), True, False),
        (TokenState.STALE, token(60), True, False),
        (TokenState.DUE, token(60), False, False),
        (TokenState.DUE, token(3600), True, False),
        (TokenState.STALE, token(15), False, False),
        (TokenState.STALE, token(None, access_token=None), False, False),
    ],
)
def test_what_answers(need: TokenState, found: TokenRecord, met: bool, met_if_forced: bool) -> None:
    """Another usable token answers always; the same one only if it has got time, and nobody insists."""
    asked = token(-1)
    assert needs().is_met(need, asked, found, is_forced=False) is met
    assert needs().is_met(need, asked, found, is_forced=True) is met_if_forced
