"""What a look-up does with a token, by what is left of it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.unit.refresh.support import CREDENTIALS, NOW, Fleet, in_thread
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.coordinator import State
from zoho_tokenstore.errors import AccountsUnavailableError


@pytest.mark.parametrize(
    ("seconds_left", "state"),
    [
        (300.001, State.FRESH),
        (300, State.DUE),
        (15.001, State.DUE),
        (15, State.STALE),
        (0, State.STALE),
        (-3600, State.STALE),
        (None, State.FRESH),
    ],
)
def test_state_by_time_left(fleet: Fleet, seconds_left: float | None, state: State) -> None:
    """Fresh, due and stale meet exactly at `ahead` and `urgent`; without an expiry a token never ends."""
    assert fleet.first.state_of(fleet.login(seconds_left)) is state


def test_state_without_a_record(fleet: Fleet) -> None:
    """Nothing stored is absent."""
    assert fleet.first.state_of(None) is State.ABSENT


def test_state_without_an_access_token(fleet: Fleet) -> None:
    """A login without an access token needs one now."""
    assert fleet.first.state_of(fleet.login(None, access_token=None)) is State.STALE


@pytest.mark.parametrize("missing", ["refresh_token", "client_id", "client_secret"])
def test_what_cannot_be_refreshed_is_left_alone(fleet: Fleet, missing: str) -> None:
    """An expired token without the means to refresh it is answered as it stands, and no lease is touched."""
    token = fleet.login(-1, **{missing: None})
    assert token.id is not None
    assert fleet.first.get(token.id) == token
    assert set(fleet.storage.count) == {"load"}


def test_equal_windows_refresh_nothing_ahead() -> None:
    """With `ahead` equal to `urgent` a token is fresh until it is stale."""
    fleet = Fleet(ahead=timedelta(seconds=15))
    assert fleet.first.state_of(fleet.login(15.001)) is State.FRESH
    assert fleet.first.state_of(fleet.login(15)) is State.STALE


def test_fresh_look_up_is_one_read(fleet: Fleet) -> None:
    """A fresh token costs the read of its row, and nothing else."""
    token = fleet.login(3600)
    assert fleet.first.get(token.id or "") == token
    assert fleet.storage.count == {"load": 1}
    assert fleet.kinds() == []


def test_due_token_is_refreshed_by_one(fleet: Fleet) -> None:
    """The first caller of a due token refreshes it for certain; all others get it as it is."""
    token = fleet.login(60)
    first = fleet.first.get(token.id or "")
    assert fleet.must_refresh(first)
    assert first == token.changed(expires_at_ms=NOW - 1)
    other = fleet.process()
    assert in_thread(lambda: fleet.first.get(token.id or "")) == token
    assert in_thread(lambda: other.get(token.id or "")) == token
    assert fleet.kinds() == ["refresh_started"]


def test_due_window_costs_nobody_anything(fleet: Fleet) -> None:
    """Beside a running refresh a look-up is one read; another process looks at the lease once a second."""
    token = fleet.login(60)
    fleet.first.get(token.id or "")
    other = fleet.process()
    other.get(token.id or "")
    fleet.storage.count.clear()
    for _ in range(50):
        assert in_thread(lambda: fleet.first.get(token.id or "")) == token
        assert other.get(token.id or "") == token
    assert fleet.storage.count == {"load": 100}


def test_due_token_whose_storage_fails(fleet: Fleet) -> None:
    """A lease that cannot be taken keeps nobody from the valid token, and is told."""
    token = fleet.login(60)
    fleet.storage.broken = {"replace"}
    assert fleet.first.get(token.id or "") == token
    assert fleet.kinds() == ["refresh_refused"]


def test_stale_token_is_answered_after_the_save(fleet: Fleet) -> None:
    """The holder refreshes, and its save ends the lease; others then get the new token."""
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    assert fleet.must_refresh(held)
    saved = fleet.first.save(fleet.minted(held))
    assert fleet.process().get(token.id or "") == saved
    assert fleet.kinds() == ["refresh_started", "updated", "refreshed"]


def test_stale_token_in_other_hands(fleet: Fleet) -> None:
    """Who may not wait gets an error that says so, and Zoho no second request."""
    token = fleet.login(-1)
    fleet.first.get(token.id or "")
    with pytest.raises(AccountsUnavailableError, match="refreshing the token with id") as caught:
        fleet.process().get(token.id or "")
    assert caught.value.retry_after == 30
    assert fleet.kinds() == ["refresh_started", "refresh_awaited"]


@pytest.mark.parametrize(("seconds_left", "answered"), [(5.501, True), (5.5, False)])
def test_stale_token_that_the_sdk_would_still_use(fleet: Fleet, seconds_left: float, answered: bool) -> None:
    """If no new token is to be had, an old one is good until the SDK would refresh it by itself."""
    token = fleet.login(seconds_left)
    fleet.first.get(token.id or "")
    if answered:
        assert fleet.process().get(token.id or "") == token
    else:
        with pytest.raises(AccountsUnavailableError):
            fleet.process().get(token.id or "")


@pytest.mark.parametrize("credential", ["refresh_token", "grant_token"])
def test_cold_start(fleet: Fleet, credential: str) -> None:
    """Of two first logins with the same credentials one exchanges them, and the other finds its row."""
    query = TokenRecord(**{**CREDENTIALS, credential: "1000.credential"})
    other = fleet.process()
    assert fleet.first.find(query) is None
    with pytest.raises(AccountsUnavailableError):
        other.find(query)
    login = TokenRecord(**{**query.__dict__, "refresh_token": "1000.credential"})
    saved = fleet.first.save(fleet.minted(login))
    assert other.find(query) == saved
    assert fleet.storage.leases.read("").text == ""


def test_different_credentials_do_not_wait_for_each_other(fleet: Fleet) -> None:
    """Two clients, and two codes of one client, exchange side by side."""
    other = fleet.process()
    assert fleet.first.find(TokenRecord(**CREDENTIALS, grant_token="1000.one")) is None
    assert other.find(TokenRecord(**CREDENTIALS, grant_token="1000.two")) is None
    assert (
        in_thread(lambda: other.find(TokenRecord(client_id="c", client_secret="s", grant_token="1000.one")))
        is None
    )


def test_query_that_names_nobody(fleet: Fleet) -> None:
    """Without credentials there is nothing to exchange, and no lease."""
    assert fleet.first.find(TokenRecord(user_name="nobody")) is None
    assert set(fleet.storage.count) == {"find"}


def test_own_access_token_is_the_callers_business(fleet: Fleet) -> None:
    """A caller that brings an access token is not made to refresh, and holds up nobody."""
    fleet.login(-1)
    query = TokenRecord(**CREDENTIALS, user_name="patricia", access_token="1000.first")
    assert fleet.first.find(query) == fleet.stored()
    assert fleet.first.find(query.changed(access_token="1000.own")) is None
    assert "replace" not in fleet.storage.count


def test_query_by_id_is_for_revoking(fleet: Fleet) -> None:
    """A query by id alone is answered as stored, and takes no lease."""
    token = fleet.login(-1)
    assert fleet.first.find(TokenRecord(id=token.id)) == token
    assert "read" not in fleet.storage.count


def test_look_up_by_who_does_not_refresh(fleet: Fleet) -> None:
    """A direct caller, who refreshes nothing, is answered as stored, and nobody waits for it."""
    reader = fleet.process(is_refresher=lambda: False)
    token = fleet.login(-1)
    assert reader.get(token.id or "") == token
    assert reader.find(TokenRecord(**CREDENTIALS, refresh_token="1000.refresh")) == token
    assert reader.find(TokenRecord(**CREDENTIALS, grant_token="1000.code")) is None
    assert "read" not in fleet.storage.count
