"""Whether a token is fresh, due for renewal, or stale, by the time it has left."""

from __future__ import annotations

from enum import Enum
from typing import Final

from zoho_tokenstore._policies import SDK_MARGIN, RefreshPolicy
from zoho_tokenstore._util.clock import Clock
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._clock_skew import ClockSkew

_MARGIN_MS: Final = ms(SDK_MARGIN) + 500


class TokenState(Enum):
    """How good a token is: `DUE` is valid but renewed ahead of time; `STALE` must be renewed first."""

    FRESH = "fresh"
    DUE = "due"
    STALE = "stale"
    LOGIN_NEEDED = "login needed"


class Freshness:
    """Rates tokens."""

    def __init__(self, policy: RefreshPolicy, clock: Clock, skew: ClockSkew) -> None:
        self._clock = clock
        self._skew = skew
        self._ahead_ms = ms(policy.ahead)
        self._urgent_ms = ms(policy.urgent)

    def of(self, record: TokenRecord) -> TokenState:
        """Return how good a token is now. One without an expiry is the application's own, and is fresh."""
        if record.access_token is None:
            left = 0
        elif record.expires_at_ms is None:
            return TokenState.FRESH
        else:
            left = self._left_ms(record.expires_at_ms)
        if left > self._ahead_ms:
            return TokenState.FRESH
        if not _can_be_renewed(record):
            return TokenState.FRESH if left > _MARGIN_MS else TokenState.LOGIN_NEEDED
        return TokenState.DUE if left > self._urgent_ms else TokenState.STALE

    def is_usable(self, record: TokenRecord) -> bool:
        """Return whether a token can be handed out: the SDK would not refresh it itself."""
        if record.access_token is None:
            return False
        return record.expires_at_ms is None or self._left_ms(record.expires_at_ms) > _MARGIN_MS

    def is_met(self, state: TokenState, asked: TokenRecord, record: TokenRecord, *, is_forced: bool) -> bool:
        """Return whether a token that was found answers for the one asked about.

        A different access token was renewed meanwhile, or now belongs to another login.
        """
        if record.access_token is None or record.access_token != asked.access_token:
            return self.is_usable(record)
        return not is_forced and (
            self.of(record) is TokenState.FRESH
            or (state is TokenState.STALE and self.of(record) is TokenState.DUE)
        )

    def _left_ms(self, ends_ms: int) -> int:
        return ends_ms - self._clock() - self._skew.offset_ms


def _can_be_renewed(record: TokenRecord) -> bool:
    """Return whether a renewal is possible. A code next to an access token is used up."""
    has_client = record.client_id is not None and record.client_secret is not None
    is_fresh_code = record.access_token is None and record.grant_token is not None
    return has_client and (record.refresh_token is not None or is_fresh_code)
