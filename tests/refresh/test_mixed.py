"""Programs of all kinds wake up to one token."""

from __future__ import annotations

import pytest

from tests.refresh import mixed
from tests.refresh.support import WITH_LEASES, Site
from tests.support.processes import together


@pytest.mark.long  # an interpreter for each, each with all the libraries
@pytest.mark.parametrize("site", [name for name in WITH_LEASES if name == "postgresql"], indirect=True)
def test_a_mixed_storm(site: Site) -> None:
    """The SDK, `Tokens`, `AsyncTokens`, and three HTTP clients, also async: one request for all."""
    site.zoho.fault("token:refresh_token", "slow", seconds=0.5)
    token = site.store_token()
    callers = len(mixed.KINDS)
    told = together(callers, "tests.refresh.mixed", site.url, site.zoho.url, token["id"])
    assert len(told) == callers
    assert {one["access"] for one in told} == {site.stored(token).access_token}
    assert site.requests == 1
    assert site.requests_of_the_sdk == 0
