"""What a policy accepts."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from zoho_tokenstore import ConfigurationError, RefreshPolicy
from zoho_tokenstore._policies import DEFAULT_POLICY

S = timedelta(seconds=1)
MS = timedelta(milliseconds=1)


def test_defaults() -> None:
    """The values that the documentation names."""
    policy = RefreshPolicy()
    assert (policy.ahead, policy.urgent, policy.wait, policy.timeout) == (300 * S, 15 * S, 15 * S, 10 * S)
    assert (policy.background, policy.budget, policy.window) == (True, 10, 600 * S)
    assert policy == DEFAULT_POLICY


@pytest.mark.parametrize(
    "edge",
    [
        {"urgent": 5 * S + MS},
        {"ahead": 15 * S},
        {"ahead": 3600 * S - MS},
        {"timeout": S},
        {"wait": MS},
        {"background": False},
        {"window": S},
        {"window": 3600 * S},
        {"budget": 1},
    ],
)
def test_edges_are_accepted(edge: dict[str, Any]) -> None:
    """The last value on the good side."""
    assert getattr(RefreshPolicy(**edge), next(iter(edge))) == next(iter(edge.values()))


@pytest.mark.parametrize(
    "edge",
    [
        {"urgent": 5 * S},
        {"ahead": 15 * S - MS},
        {"ahead": 3600 * S},
        {"timeout": S - MS},
        {"wait": 0 * S},
        {"window": S - MS},
        {"window": 3600 * S + MS},
        {"budget": 0},
        {"budget": True},
        {"budget": 2.5},
        {"ahead": 300},
        {"wait": None},
        {"background": 1},
        {"background": None},
    ],
)
def test_what_makes_no_sense_is_refused(edge: dict[str, Any]) -> None:
    """The first value on the other side, and values of another kind; the message names the value."""
    with pytest.raises(ConfigurationError, match=f"^RefreshPolicy: .*{next(iter(edge))}"):
        RefreshPolicy(**edge)
