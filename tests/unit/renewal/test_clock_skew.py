"""How far this host's clock is off is learnt from Zoho's answers."""

from __future__ import annotations

import pytest

from tests.unit.renewal.support import NOW, Fleet
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.renewal._answers import TokenResponse
from zoho_tokenstore.renewal._clock_skew import ClockSkew


def grant(skew_ms: int | None) -> TokenResponse:
    return TokenResponse(
        access_token="1000.a",
        refresh_token=None,
        expires_at_ms=NOW,
        api_domain=None,
        scopes=(),
        date_ms=None if skew_ms is None else NOW + skew_ms,
        sent_ms=NOW,
    )


@pytest.mark.parametrize(
    ("skew_ms", "offset_ms"),
    [(0, 0), (1_000, 0), (-2_500, 0), (-3_000, -2_500), (600_000, 600_500), (-600_000, -599_500), (None, 7)],
)
def test_what_is_learnt(skew_ms: int | None, offset_ms: int) -> None:
    """Zoho tells whole seconds, so two are no difference; an answer without a `Date` teaches nothing."""
    skew = ClockSkew(lambda *_, **__: None)
    skew.offset_ms = 7
    skew.learn(grant(skew_ms))
    assert skew.offset_ms == offset_ms


def test_a_great_difference_is_told_once() -> None:
    """With its direction; again only if it changes."""
    told: list[tuple[EventKind, str | None]] = []
    skew = ClockSkew(lambda kind, record, **values: told.append((kind, values.get("reason"))))
    for skew_ms in (10_000, 600_000, 601_000, 600_000, -600_000, 0):
        skew.learn(grant(skew_ms))
    assert told == [
        (EventKind.CLOCK_SKEW, "this host's clock is 600 s behind Zoho's"),
        (EventKind.CLOCK_SKEW, "this host's clock is 599 s ahead of Zoho's"),
    ]


@pytest.mark.parametrize("minutes", [-10, 10])
def test_expiry_is_by_zohos_clock(minutes: int) -> None:
    """A host whose clock is ten minutes off stores when the token really ends, and finds it fresh."""
    fleet = Fleet()
    token = fleet.login(-3600)
    fleet.zoho.skew_ms = minutes * 60_000
    renewed = fleet.first.get(token.id or "")
    assert renewed is not None
    ends = fleet.clock.now + minutes * 60_000 + 3_600_000
    assert renewed.expires_at_ms == fleet.stored().expires_at_ms == ends
    assert fleet.first.get(token.id or "") == renewed
    assert fleet.zoho.sent == 1
    assert fleet.kinds().count("clock_skew") == 1
