"""The refresh budget: Zoho refuses more than ten requests for one refresh token within ten minutes.

The count is a sliding window, in the entry of the credential's lease, where every host sees it
(`_lease_entry`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from zoho_tokenstore._policies import RefreshPolicy


def within_window(sent: Iterable[int], now_ms: int, policy: RefreshPolicy) -> tuple[int, ...]:
    """Return the request times, in epoch milliseconds, that Zoho still counts, oldest first."""
    # A time ahead of ours counts like one equally far behind: clocks are set back.
    return tuple(sorted(at for at in sent if abs(now_ms - at) < ms(policy.window)))


def blocked_ms(sent: Iterable[int], now_ms: int, policy: RefreshPolicy) -> int:
    """Return for how many milliseconds the budget allows no request; 0 if it allows one now."""
    counted = within_window(sent, now_ms, policy)
    if len(counted) < policy.budget:
        return 0
    return max(1, counted[-policy.budget] + ms(policy.window) - now_ms)


def ms(duration: timedelta) -> int:
    """Return a duration in milliseconds."""
    return int(duration.total_seconds() * 1000)
