"""What a token needs, by the time that it has left."""

from __future__ import annotations

from enum import Enum
from typing import Final

from zoho_tokenstore.clock import Clock
from zoho_tokenstore.policies import SDK_MARGIN, RefreshPolicy
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal.entries import ms
from zoho_tokenstore.renewal.skew import Skew

_MARGIN_MS: Final = ms(SDK_MARGIN) + 500


class Need(Enum):
    """What a token needs."""

    NOTHING = "nothing"
    SOON = "a renewal, soon"
    NOW = "a renewal, now"
    LOGIN = "a login"


class Needs:
    """Tells what tokens need.

    Arguments:
        policy: when they are to be renewed.
        clock: this host's time, in milliseconds since the epoch.
        skew: how far that is off.
    """

    def __init__(self, policy: RefreshPolicy, clock: Clock, skew: Skew) -> None:
        self._clock = clock
        self._skew = skew
        self._ahead_ms = ms(policy.ahead)
        self._urgent_ms = ms(policy.urgent)

    def of(self, record: TokenRecord) -> Need:
        """Return what a token needs now. One without an expiry is an application's own, and needs nothing."""
        if record.access_token is None:
            left = 0
        elif record.expires_at_ms is None:
            return Need.NOTHING
        else:
            left = self._left_ms(record.expires_at_ms)
        if left > self._ahead_ms:
            return Need.NOTHING
        if not _can_be_renewed(record):
            return Need.NOTHING if left > _MARGIN_MS else Need.LOGIN
        return Need.SOON if left > self._urgent_ms else Need.NOW

    def is_usable(self, record: TokenRecord) -> bool:
        """Tell whether a token can be handed out: the SDK would not refresh it by itself."""
        if record.access_token is None:
            return False
        return record.expires_at_ms is None or self._left_ms(record.expires_at_ms) > _MARGIN_MS

    def is_met(self, need: Need, asked: TokenRecord, record: TokenRecord, *, is_forced: bool) -> bool:
        """Tell whether a token that was found answers for the one that was asked about.

        Another access token than that one was renewed meanwhile, or belongs to another login by now.
        """
        if record.access_token is None or record.access_token != asked.access_token:
            return self.is_usable(record)
        return not is_forced and (
            self.of(record) is Need.NOTHING or (need is Need.NOW and self.of(record) is Need.SOON)
        )

    def _left_ms(self, ends_ms: int) -> int:
        return ends_ms - self._clock() - self._skew.offset_ms


def _can_be_renewed(record: TokenRecord) -> bool:
    """Tell whether there is what a renewal takes. A code beside an access token has been spent."""
    has_client = record.client_id is not None and record.client_secret is not None
    is_fresh_code = record.access_token is None and record.grant_token is not None
    return has_client and (record.refresh_token is not None or is_fresh_code)
