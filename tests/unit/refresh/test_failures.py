"""Refreshes that fail, the rest after them, and the budget."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.refresh.support import CREDENTIALS, Fleet, in_thread
from zoho_tokenstore import BackendUnavailableError, TokenRecord
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.errors import AccountsUnavailableError, RateLimitedError


def _fail(process: Coordinator, token: TokenRecord) -> None:
    """Take the lease in a thread that ends without a save."""
    in_thread(lambda: process.get(token.id or ""))


def test_failure_holds_off_the_next_try_everywhere(fleet: Fleet) -> None:
    """A failed refresh is not tried again by anybody until the lease would have ended."""
    token = fleet.login(-1)
    _fail(fleet.first, token)
    fleet.clock.pass_(10)
    for process in (fleet.first, fleet.process()):
        with pytest.raises(AccountsUnavailableError, match="tried again in 20 s") as caught:
            process.get(token.id or "")
        assert caught.value.retry_after == 20
    fleet.clock.pass_(20)
    assert fleet.must_refresh(fleet.process().get(token.id or ""))


def test_failure_is_told_with_its_token(fleet: Fleet) -> None:
    """The event of a failed refresh says which token, and whose."""
    token = fleet.login(-1)
    _fail(fleet.first, token)
    with pytest.raises(AccountsUnavailableError, match=f"token with id '{token.id}'"):
        fleet.first.get(token.id or "")
    failed = fleet.events[1]
    assert (failed.kind, failed.token_id, failed.user_name) == ("refresh_failed", token.id, "patricia")


def test_names_keep_their_letters(fleet: Fleet) -> None:
    """An error shows an id as it is written."""
    token = fleet.login(-1, id="Patricia-1")
    _fail(fleet.first, token)
    with pytest.raises(AccountsUnavailableError, match="'Patricia-1'"):
        fleet.first.get("Patricia-1")


def test_failure_beside_a_valid_token(fleet: Fleet) -> None:
    """After the refresh of a due token failed, everybody goes on with the token, and nothing is sent."""
    token = fleet.login(60)
    _fail(fleet.first, token)
    assert fleet.first.get(token.id or "") == token
    assert fleet.process().get(token.id or "") == token
    assert fleet.kinds() == ["refresh_started", "refresh_failed", "refresh_refused", "refresh_refused"]


def test_late_news_of_a_failure_hold_off_nobody(fleet: Fleet) -> None:
    """A thread that comes back long after its refresh failed may try again at once."""
    token = fleet.login(-1)
    fleet.first.get(token.id or "")
    fleet.first._flights.of_this_thread()[0].ends = 0.0
    fleet.clock.pass_(1200)
    assert fleet.must_refresh(fleet.first.get(token.id or ""))
    assert fleet.kinds() == ["refresh_started", "refresh_failed", "refresh_started"]


def test_lease_that_ended_is_taken_over(fleet: Fleet) -> None:
    """When the lease of a silent holder has ended, another process refreshes, and tells why."""
    token = fleet.login(-1)
    fleet.first.get(token.id or "")
    fleet.clock.pass_(29.999)
    other = fleet.process()
    with pytest.raises(AccountsUnavailableError):
        other.get(token.id or "")
    fleet.clock.pass_(0.001)
    assert fleet.must_refresh(other.get(token.id or ""))
    assert fleet.events[-1].reason == "the holder before brought no token"


def test_new_login_is_not_held_off_by_an_old_failure(fleet: Fleet) -> None:
    """The failure belongs to a refresh token: a new one is tried at once."""
    token = fleet.login(-1)
    _fail(fleet.first, token)
    again = fleet.login(-1, refresh_token="1000.consented.again")
    assert again.id == token.id
    assert fleet.must_refresh(fleet.first.get(token.id or ""))


def _refresh(fleet: Fleet, process: Coordinator, token: TokenRecord) -> None:
    held = process.get(token.id or "")
    assert held is not None
    assert fleet.must_refresh(held)
    process.save(fleet.minted(held, seconds=20))
    fleet.clock.pass_(21)


def test_eleventh_refresh_is_refused(fleet: Fleet) -> None:
    """Ten refreshes in ten minutes are sent, whoever sends them; the next waits until the first is old."""
    token = fleet.login(-1)
    for _ in range(5):
        _refresh(fleet, fleet.first, token)
        _refresh(fleet, fleet.process(), token)
    with pytest.raises(RateLimitedError, match=r"10 were sent within 600 s.*possible in 390 s") as caught:
        fleet.process().get(token.id or "")
    assert caught.value.retry_after == 390
    fleet.clock.pass_(390)
    assert fleet.must_refresh(fleet.process().get(token.id or ""))


def test_budget_is_nobodys_business_with_a_valid_token() -> None:
    """With the budget used up, those whose token is still valid notice nothing."""
    fleet = Fleet(budget=1)
    token = fleet.login(-1)
    _refresh(fleet, fleet.first, token)
    token = fleet.first.save(fleet.minted(token, seconds=60))
    assert fleet.first.get(token.id or "") == token  # due
    fleet.clock.pass_(50)
    assert fleet.first.get(token.id or "") == token  # stale, and still good
    fleet.clock.pass_(5)
    with pytest.raises(RateLimitedError):
        fleet.first.get(token.id or "")


def test_budgets_are_separate(fleet: Fleet) -> None:
    """Each refresh token has a budget of its own, as at Zoho."""
    one = fleet.login(-1)
    two = fleet.login(-1, user_name="rajesh", refresh_token="1000.other")
    for _ in range(10):
        _refresh(fleet, fleet.first, one)
    assert fleet.must_refresh(fleet.first.get(two.id or ""))


@pytest.mark.parametrize("broken", ["read", "replace"])
def test_store_that_fails_refuses_before_anything_is_spent(fleet: Fleet, broken: str) -> None:
    """If the lease cannot be looked at, taken or counted, the look-up fails, and nothing is sent to Zoho."""
    token = fleet.login(-1)
    fleet.storage.broken = {broken}
    with pytest.raises(BackendUnavailableError):
        fleet.first.get(token.id or "")
    with pytest.raises(BackendUnavailableError):
        fleet.first.find(TokenRecord(**CREDENTIALS, grant_token="1000.code"))
    assert not fleet.first._flights.under_way
    fleet.storage.broken = set()
    assert fleet.must_refresh(fleet.first.get(token.id or ""))


def test_release_that_fails_spoils_no_save(fleet: Fleet) -> None:
    """A token that was saved is saved: a lease that cannot be given back ends by itself."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    fleet.storage.broken = {"replace"}
    saved = fleet.first.save(fleet.minted(held))
    assert fleet.stored() == saved
    assert fleet.first.get(token.id or "") == saved


def test_note_that_cannot_be_written_spoils_no_look_up(fleet: Fleet) -> None:
    """A failure that cannot be noted does not make other look-ups fail."""
    token = fleet.login(-1)
    other = fleet.login(3600, user_name="rajesh", refresh_token="1000.other")
    fleet.first.get(token.id or "")
    fleet.storage.broken = {"read", "replace"}
    assert fleet.first.get(other.id or "") == other


def test_save_of_another_token_ends_no_refresh(fleet: Fleet) -> None:
    """A thread that saves somebody else's token meanwhile keeps its lease."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    fleet.first.save(TokenRecord(**CREDENTIALS, user_name="rajesh", refresh_token="1000.other"))
    with pytest.raises(AccountsUnavailableError):
        fleet.process().get(token.id or "")
    fleet.first.save(fleet.minted(held))
    assert fleet.kinds().count("refreshed") == 1


def test_rotated_refresh_token_ends_its_refresh(fleet: Fleet) -> None:
    """Should Zoho ever answer with a new refresh token, the save still ends the refresh."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    saved = fleet.first.save(fleet.minted(held).changed(refresh_token="1000.rotated"))
    assert fleet.process().get(token.id or "") == saved
    assert "refreshed" in fleet.kinds()


def test_clock_set_back_holds_up_nobody_for_long() -> None:
    """A lease from a clock that has been set back by an hour counts as nobody's."""
    fleet = Fleet(lease=timedelta(seconds=30))
    token = fleet.login(-1)
    fleet.first.get(token.id or "")
    fleet.clock.pass_(-3600 - 1)
    fleet.login(-1)
    assert fleet.must_refresh(fleet.process().get(token.id or ""))
