"""A new token that cannot be saved."""

from __future__ import annotations

import pytest

from tests.unit.refresh.support import CREDENTIALS, Fleet
from zoho_tokenstore import BackendUnavailableError, ConflictError, TokenRecord
from zoho_tokenstore.errors import AccountsUnavailableError


def _unsaved(fleet: Fleet) -> TokenRecord:
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    new = fleet.minted(held)
    fleet.storage.broken = {"write"}
    with pytest.raises(BackendUnavailableError):
        fleet.first.save(new)
    return new


def test_token_whose_save_failed_is_found_and_saved_late(fleet: Fleet) -> None:
    """It serves its process, is saved at the next look-up that finds the storage well, and then to all."""
    new = _unsaved(fleet)
    found = fleet.first.get(new.id or "")
    assert found is not None
    assert found.access_token == new.access_token
    assert fleet.stored().access_token != new.access_token
    fleet.storage.broken = set()
    fleet.first._unsaved._not_before = 0.0
    fleet.first.get(new.id or "")
    assert fleet.stored().access_token == new.access_token
    assert fleet.process().get(new.id or "") == fleet.stored()
    assert fleet.kinds()[-2:] == ["updated", "saved_late"]
    assert not fleet.first._unsaved.kept


def test_lease_stays_until_the_late_save(fleet: Fleet) -> None:
    """The others wait for the late save, as they do for a slow one, instead of refreshing again."""
    new = _unsaved(fleet)
    with pytest.raises(AccountsUnavailableError, match="refreshing"):
        fleet.process().get(new.id or "")
    fleet.storage.broken = set()
    fleet.first.get(new.id or "")
    assert fleet.process().get(new.id or "") == fleet.stored()


def test_failing_storage_is_not_asked_at_every_look_up(fleet: Fleet) -> None:
    """Every try may wait for a lock, so there is one a second at most."""
    new = _unsaved(fleet)
    fleet.storage.count.clear()
    for _ in range(20):
        fleet.first.get(new.id or "")
    assert fleet.storage.count["write"] == 1


def test_late_save_undoes_no_newer_token(fleet: Fleet) -> None:
    """If another process refreshed meanwhile, its token stays."""
    new = _unsaved(fleet)
    fleet.storage.broken = set()
    fleet.clock.pass_(31)
    other = fleet.process()
    held = other.get(new.id or "")
    assert held is not None
    newer = other.save(fleet.minted(held))
    found = fleet.first.get(new.id or "")
    assert found is not None
    assert found.access_token == fleet.stored().access_token == newer.access_token


def test_one_time_code_whose_save_failed(fleet: Fleet) -> None:
    """The token of a spent code is found by the same credentials, without an id, and saved later."""
    query = TokenRecord(**CREDENTIALS, grant_token="1000.code")
    assert fleet.first.find(query) is None
    fleet.storage.broken = {"write"}
    new = fleet.minted(query.changed(refresh_token="1000.refresh"))
    with pytest.raises(BackendUnavailableError):
        fleet.first.save(new)
    assert fleet.first.find(query) == new
    fleet.storage.broken = set()
    fleet.first.close()
    assert fleet.stored().refresh_token == "1000.refresh"


def test_conflict_is_not_kept(fleet: Fleet) -> None:
    """A token under somebody else's id is refused for good, and never answered to that one."""
    token = fleet.login(3600)
    with pytest.raises(ConflictError):
        fleet.first.save(TokenRecord(id=token.id, user_name="rajesh", access_token="1000.rajesh"))
    assert fleet.first.get(token.id or "") == token


def test_close_saves_what_is_left(fleet: Fleet) -> None:
    """The end of the process is the last chance."""
    new = _unsaved(fleet)
    fleet.first.get(new.id or "")
    fleet.storage.broken = set()
    fleet.first.close()
    assert fleet.stored().access_token == new.access_token
