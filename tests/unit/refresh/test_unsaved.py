"""A new token that cannot be saved."""

from __future__ import annotations

import pytest

from tests.unit.refresh.support import CREDENTIALS, Fleet
from zoho_tokenstore import BackendUnavailableError, ConflictError, TokenRecord, TokenRepository
from zoho_tokenstore.errors import AccountsUnavailableError, UnreadableRowError
from zoho_tokenstore.records import Row


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


def test_one_that_cannot_be_saved_holds_up_no_other(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tried by itself: the others are saved, also at the close; the one is told and kept."""
    write, refused = fleet.storage.write, "1"

    def write_others(row: Row, *, expect: object) -> object:
        if row.id == refused:
            raise UnreadableRowError("The row in its place cannot be read.", row_id=row.id)
        return write(row, expect=expect)

    fleet.storage.broken = {"write"}
    for number in range(1, 5):
        with pytest.raises(BackendUnavailableError):
            fleet.first.save(TokenRecord(id=str(number), access_token=f"a{number}"))
    fleet.storage.broken = set()
    monkeypatch.setattr(fleet.storage, "write", write_others)
    fleet.events.clear()
    fleet.first._unsaved._not_before = 0.0
    fleet.first.get("9")
    assert [record.id for record in TokenRepository(fleet.storage).scan()] == ["2", "3", "4"]
    assert fleet.kinds().count("save_failed") == 1
    assert [kept.record.id for kept in fleet.first._unsaved.kept] == ["1"]
    fleet.first.close()
    assert fleet.kinds().count("save_failed") == 1


def test_those_that_never_can_are_dropped(fleet: Fleet) -> None:
    """A token whose id is somebody else's by now is told once and dropped, and the next is saved."""
    fleet.storage.broken = {"write"}
    for number in (1, 2):
        with pytest.raises(BackendUnavailableError):
            fleet.first.save(TokenRecord(id=str(number), user_name=f"u{number}", access_token="a"))
    fleet.storage.broken = set()
    TokenRepository(fleet.storage).save(TokenRecord(id="1", user_name="bob", access_token="b"))
    fleet.events.clear()
    fleet.first.close()
    assert fleet.kinds() == ["save_failed", "created", "saved_late"]
    assert {record.id: record.user_name for record in TokenRepository(fleet.storage).scan()} == {
        "1": "bob",
        "2": "u2",
    }


def test_all_are_tried_at_the_close(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the close a storage that is out of reach for one token is asked for the next all the same."""
    write, failures = fleet.storage.write, iter([BackendUnavailableError("gone for a moment")])

    def fail_once(row: Row, *, expect: object) -> object:
        for failure in failures:
            raise failure
        return write(row, expect=expect)

    fleet.storage.broken = {"write"}
    for number in (1, 2, 3):
        with pytest.raises(BackendUnavailableError):
            fleet.first.save(TokenRecord(id=str(number), access_token=f"a{number}"))
    fleet.storage.broken = set()
    monkeypatch.setattr(fleet.storage, "write", fail_once)
    fleet.first.close()
    assert [record.id for record in TokenRepository(fleet.storage).scan()] == ["2", "3"]


def test_refresh_is_not_taken_for_deleted_after_an_older_clear(fleet: Fleet) -> None:
    """Others cleared the store and logged in anew since this process last began a login: theirs is kept."""
    assert fleet.first.find(TokenRecord(**CREDENTIALS, grant_token="1000.code")) is None
    fleet.clock.pass_(31)
    fleet.process().clear()
    token = fleet.login(-1)
    held = fleet.first.get(token.id or "")
    assert held is not None
    new = fleet.minted(held)
    fleet.storage.broken = {"find", "load", "write"}
    with pytest.raises(BackendUnavailableError):
        fleet.first.save(new)
    (kept,) = fleet.first._unsaved.kept
    assert kept.row_id == token.id
    kept.fence = kept.fence._replace(cleared_ms=0)  # as noted when nothing could be read
    fleet.storage.broken = set()
    fleet.first._unsaved._not_before = float("inf")
    found = fleet.first.get(token.id or "")
    assert found is not None
    assert found.access_token == new.access_token
