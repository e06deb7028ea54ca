"""A holder that comes back late undoes nothing."""

from __future__ import annotations

import pytest

from tests.unit.refresh.support import Fleet, in_thread
from zoho_tokenstore import TokenRecord


def _overtaken(fleet: Fleet, *, same_process: bool) -> tuple[TokenRecord, TokenRecord]:
    """Return what a late holder is about to save, and what the one after it has saved."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    late = fleet.minted(held)
    fleet.clock.pass_(31)
    fleet.first._flights.of_this_thread()[0].ends = 0.0
    second = fleet.first if same_process else fleet.process()

    def overtake() -> TokenRecord:
        again = second.get(token.id or "")
        assert again is not None
        return second.save(fleet.minted(again))

    return late, in_thread(overtake)


@pytest.mark.parametrize("same_process", [False, True])
def test_late_holder(fleet: Fleet, same_process: bool) -> None:
    """A token saved after the lease passed to another one does not replace the newer one."""
    late, newer = _overtaken(fleet, same_process=same_process)
    saved = fleet.first.save(late)
    assert saved.access_token == newer.access_token
    assert fleet.stored().access_token == newer.access_token
    assert fleet.stored().expires_at_ms == newer.expires_at_ms
    assert fleet.kinds().count("fenced") == 1


def test_late_holder_beside_a_new_login(fleet: Fleet) -> None:
    """Nor does it bring back the refresh token of an earlier login."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    late = fleet.minted(held)
    login = TokenRecord(
        **{**token.__dict__, "id": None, "refresh_token": "1000.second", "access_token": "1000.second.access"}
    )
    in_thread(lambda: fleet.process().save(login.changed(expires_at_ms=fleet.clock.now + 3_600_000)))
    fleet.first.save(late)
    assert fleet.stored().refresh_token == "1000.second"
    assert fleet.stored().access_token == "1000.second.access"


def test_first_login_over_an_older_one(fleet: Fleet) -> None:
    """A new consent replaces the row of an older one: it is no late refresh."""
    fleet.login(3600)
    query = TokenRecord(
        user_name="patricia", client_id="1000.CLIENT", client_secret="secret", grant_token="1000.code"
    )
    assert fleet.first.find(query) is None
    fleet.first.save(fleet.minted(query.changed(refresh_token="1000.second")))
    assert fleet.stored().refresh_token == "1000.second"
    assert fleet.stored().access_token == "1000.minted.1"


def test_late_holder_after_the_newer_token_has_expired(fleet: Fleet) -> None:
    """What has expired meanwhile is no newer token."""
    late, _newer = _overtaken(fleet, same_process=False)
    fleet.clock.pass_(4000)
    saved = fleet.first.save(late.changed(expires_at_ms=fleet.clock.now + 3_600_000))
    assert fleet.stored().access_token == saved.access_token == late.access_token


def test_nobody_overtook(fleet: Fleet) -> None:
    """A holder that is late alone saves what it got."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    fleet.clock.pass_(100)
    fleet.first._flights.of_this_thread()[0].ends = 0.0
    saved = fleet.first.save(fleet.minted(held))
    assert fleet.stored() == saved
    assert "fenced" not in fleet.kinds()
