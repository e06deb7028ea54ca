"""A new token that cannot be saved: kept, found by its process, and saved at the next chance."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.renewal.support import CREDENTIALS, ORIGIN, PRODUCTION, Fleet, Running, wait_until
from zoho_tokenstore import BackendUnavailableError, ConflictError, TokenRecord, TokenRepository
from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    InvalidGrantError,
    InvalidTokenError,
    UnreadableRowError,
)
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.records import Row
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.tokens import Tokens

BY_BROWSER: dict[str, Any] = {**CREDENTIALS, "redirect_url": "https://portal.example/back"}
QUERY = TokenRecord(**BY_BROWSER, grant_token="1000.code", api_domain=PRODUCTION)


@pytest.fixture
def fleet() -> Fleet:
    """One whose late saves are made by the caller, so that a test knows when."""
    return Fleet(background=False)


def get(process: Renewer, token_id: str | None) -> TokenRecord | None:
    return process.get(token_id or "", lambda: ORIGIN)


def unsaved(fleet: Fleet) -> TokenRecord:
    """Return a renewed token that could not be saved."""
    token = fleet.login(-1)
    fleet.storage.broken = {"write"}
    new = get(fleet.first, token.id)
    assert new is not None
    assert new.access_token == "1000.minted.1"
    return new


def well_again(fleet: Fleet) -> None:
    """Let the storage work again, and the next look-up try it."""
    fleet.storage.broken = set()
    fleet.first.pending_saves._not_before = 0.0
    for kept in fleet.first.pending_saves.kept:
        kept.not_before = 0.0


def save_in_vain(process: Renewer, record: TokenRecord) -> None:
    with pytest.raises(BackendUnavailableError):
        process.save(record)


def test_it_is_found_and_saved_late(fleet: Fleet) -> None:
    """It serves its process, is saved at the next look-up that finds the storage well, and then to all."""
    new = unsaved(fleet)
    found = get(fleet.first, new.id)
    assert found is not None
    assert found.access_token == new.access_token
    assert fleet.stored().access_token != new.access_token
    well_again(fleet)
    get(fleet.first, new.id)
    assert fleet.stored().access_token == new.access_token
    assert get(fleet.process(), new.id) == fleet.stored()
    assert fleet.kinds()[-2:] == ["updated", "saved_late"]
    assert not fleet.first.pending_saves.kept
    assert fleet.zoho.sent == 1


def test_it_is_saved_beside_the_caller() -> None:
    """A store that is locked holds up no look-up: the late save has a thread of its own."""
    fleet = Fleet()
    new = unsaved(fleet)
    well_again(fleet)
    found = get(fleet.first, new.id)
    assert found is not None
    assert found.access_token == new.access_token
    wait_until(lambda: fleet.stored().access_token == new.access_token)
    wait_until(lambda: not fleet.first.pending_saves.kept)


def test_the_lease_stays_until_the_late_save(fleet: Fleet) -> None:
    """The others wait for it, as they do for a slow one, instead of renewing in vain as well."""
    new = unsaved(fleet)
    other = fleet.process(wait=timedelta(seconds=0.1))
    with pytest.raises(AccountsUnavailableError, match="omebody else"):
        get(other, new.id)
    assert fleet.zoho.sent == 1
    well_again(fleet)
    get(fleet.first, new.id)
    assert get(other, new.id) == fleet.stored()


def test_a_failing_storage_is_not_asked_at_every_look_up(fleet: Fleet) -> None:
    """Every try may wait for a lock, so there is one a second at most."""
    new = unsaved(fleet)
    fleet.storage.calls.clear()
    for _ in range(20):
        get(fleet.first, new.id)
    assert fleet.storage.calls["write"] == 1


def test_a_late_save_undoes_no_newer_token(fleet: Fleet) -> None:
    """If another process renewed meanwhile, its token stays."""
    new = unsaved(fleet)
    well_again(fleet)
    fleet.clock.pass_(fleet.policy.timeout.total_seconds())
    newer = get(fleet.process(), new.id)
    found = get(fleet.first, new.id)
    assert newer is not None
    assert found is not None
    assert found.access_token == fleet.stored().access_token == newer.access_token == "1000.minted.2"


def test_a_code_whose_login_could_not_be_saved(fleet: Fleet) -> None:
    """The token of a spent code is found by the same credentials, without an id, and saved at the end."""
    query = TokenRecord(**CREDENTIALS, grant_token="1000.code")
    fleet.storage.broken = {"write"}
    new = fleet.first.find(query, lambda: ORIGIN)
    assert new is not None
    assert fleet.first.find(query, lambda: ORIGIN) == new
    fleet.storage.broken = set()
    fleet.first.close()
    assert fleet.stored().refresh_token == new.refresh_token == "1000.refresh.1"
    assert fleet.zoho.sent == 1


def replaced(fleet: Fleet, token_id: str | None) -> list[str | None]:
    """Return the refresh tokens that are noted as replaced in a row."""
    repository = fleet.first.repository
    return [
        repository.remembered.open(entry).refresh_token for entry in repository.replaced.of(token_id or "")
    ]


def test_a_login_that_another_one_overtakes_while_it_waits_is_not_forgotten(fleet: Fleet) -> None:
    """Zoho has both, and both end with the user's revocation."""
    for number in (1, 2, 3):
        login = TokenRecord(**BY_BROWSER, user_name="patricia", refresh_token=f"1000.refresh.{number}")
        fleet.storage.broken = {"write"}
        save_in_vain(fleet.first, login.changed(access_token=f"1000.access.{number}"))
    well_again(fleet)
    fleet.first.pending_saves.save()
    stored = fleet.stored()
    assert stored.refresh_token == "1000.refresh.3"
    assert replaced(fleet, stored.id) == ["1000.refresh.1", "1000.refresh.2"]
    assert not fleet.first.pending_saves.kept


@pytest.mark.parametrize("by_itself", [True, False], ids=["its process", "another process"])
def test_a_login_that_a_stored_one_overtakes_is_not_forgotten(fleet: Fleet, *, by_itself: bool) -> None:
    """It is noted when its own save comes, too late; or at once, if its process saves the newer one."""
    older = TokenRecord(**BY_BROWSER, user_name="patricia", refresh_token="1000.r.1", access_token="1000.a.1")
    fleet.storage.broken = {"write"}
    save_in_vain(fleet.first, older)
    well_again(fleet)
    fleet.clock.pass_(1)
    newer = older.changed(refresh_token="1000.r.2", access_token="1000.a.2")
    process = fleet.first if by_itself else fleet.process()
    stored = process.save(newer)
    fleet.first.pending_saves.save(at_once=True)
    assert fleet.stored().refresh_token == "1000.r.2"
    assert replaced(fleet, stored.id) == ["1000.r.1"]
    assert not fleet.first.pending_saves.kept


def test_an_overtaken_login_waits_until_it_can_be_noted(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a failure in that moment would lose it after all."""
    older = TokenRecord(**BY_BROWSER, user_name="patricia", refresh_token="1000.r.1", access_token="1000.a.1")
    fleet.storage.broken = {"write"}
    save_in_vain(fleet.first, older)
    well_again(fleet)
    fleet.clock.pass_(1)
    with monkeypatch.context() as unwell:
        unwell.setattr(fleet.first.repository.replaced, "note", unable)
        stored = fleet.first.save(older.changed(refresh_token="1000.r.2", access_token="1000.a.2"))
    assert fleet.first.pending_saves.kept
    fleet.first.pending_saves.save(at_once=True)
    assert fleet.stored() == stored
    assert replaced(fleet, stored.id) == ["1000.r.1"]
    assert not fleet.first.pending_saves.kept


def unable(_: TokenRecord) -> None:
    raise BackendUnavailableError("The store is unreachable.")


def test_no_id_finds_no_login_that_waits(fleet: Fleet) -> None:
    """A login that waits for its first save has no id yet: who has none either is not let into it."""
    fleet.storage.broken = {"write"}
    new = fleet.first.find(QUERY, lambda: ORIGIN)
    assert new is not None
    assert new.id is None
    tokens = Tokens(Lifecycle(fleet.first, None, lambda: ORIGIN))
    nobody: Any = None
    for use in (tokens.access_token, tokens.status, tokens.refresh, tokens.invalidate, tokens.log_out):
        with pytest.raises(InvalidTokenError, match="None was passed"):
            use(nobody)
    with pytest.raises(InvalidTokenError, match="None was passed"), tokens.acting_as(nobody):
        pass


def test_no_id_deletes_no_login_that_waits(fleet: Fleet) -> None:
    """A caller without an id is refused, and the login of somebody else is saved late all the same."""
    fleet.storage.broken = {"write"}
    fleet.first.find(QUERY, lambda: ORIGIN)
    with pytest.raises(InvalidTokenError, match="delete needs the id"):
        fleet.first.delete(None)  # type: ignore[arg-type]
    fleet.storage.broken.clear()
    fleet.first.pending_saves.save(at_once=True)
    assert fleet.stored().refresh_token == "1000.refresh.1"


def test_a_spent_code_finds_no_token_that_waits(fleet: Fleet) -> None:
    """One that came by a redirect URL is no way in while its login waits to be saved, either."""
    fleet.storage.broken = {"write"}
    new = fleet.first.find(QUERY, lambda: ORIGIN)
    assert new is not None
    fleet.clock.pass_(fleet.policy.timeout.total_seconds())  # its lease is over
    with pytest.raises(InvalidGrantError, match="not sent again"):
        fleet.first.find(QUERY, lambda: ORIGIN)
    by_refresh_token = TokenRecord(**CREDENTIALS, refresh_token=new.refresh_token)
    assert fleet.first.find(by_refresh_token, lambda: ORIGIN) == new
    assert fleet.zoho.sent == 1


def test_who_waits_with_a_code_gets_the_token_that_could_not_be_saved(fleet: Fleet) -> None:
    """Callbacks with one code are one login, also if its save fails: nobody sends the code again."""
    fleet.zoho.gate.clear()
    fleet.storage.broken = {"write"}
    threads = [Running(lambda: fleet.first.find(QUERY, lambda: ORIGIN)) for _ in range(2)]
    wait_until(
        lambda: (
            [flight.waiters for flight in fleet.first._renewals._single_flight._in_progress.values()] == [2]
        )
    )
    fleet.zoho.gate.set()
    first, second = (thread.result() for thread in threads)
    assert first == second
    assert first.access_token == "1000.minted.1"
    assert fleet.zoho.sent == 1


def test_a_conflict_is_not_kept(fleet: Fleet) -> None:
    """A token under somebody else's id is refused for good, and never answered to that one."""
    token = fleet.login(3600)
    with pytest.raises(ConflictError):
        fleet.first.save(TokenRecord(id=token.id, user_name="rajesh", access_token="1000.rajesh"))
    assert get(fleet.first, token.id) == token


def test_close_saves_what_is_left(fleet: Fleet) -> None:
    """The end of the process is the last chance."""
    new = unsaved(fleet)
    get(fleet.first, new.id)
    fleet.storage.broken = set()
    fleet.first.close()
    assert fleet.stored().access_token == new.access_token


def test_the_token_of_a_deleted_row_is_not_served(fleet: Fleet) -> None:
    """A renewal of a deleted token cannot be saved for another reason: it leads nobody in, either."""
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    late = Running(lambda: get(fleet.first, token.id))
    fleet.wait_for_request()
    fleet.process().delete(token.id or "")
    fleet.storage.broken = {"write"}
    fleet.zoho.gate.set()
    late.result()
    assert get(fleet.first, token.id) is None
    well_again(fleet)
    fleet.first.close()
    assert list(TokenRepository(fleet.storage).scan()) == []


def test_one_that_cannot_be_saved_holds_up_no_other(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is tried by itself: the others are saved, also at the close; the one is told and kept."""
    write, refused = fleet.storage.write, "1"

    def write_others(row: Row, *, expect: object) -> object:
        if row.id == refused:
            raise UnreadableRowError("The row in its place cannot be read.", row_id=row.id)
        return write(row, expect=expect)

    fleet.storage.broken = {"write"}
    for number in range(1, 5):
        save_in_vain(fleet.first, TokenRecord(id=str(number), access_token=f"a{number}"))
    monkeypatch.setattr(fleet.storage, "write", write_others)
    fleet.events.clear()
    well_again(fleet)
    fleet.first.get("9")
    assert [record.id for record in TokenRepository(fleet.storage).scan()] == ["2", "3", "4"]
    assert fleet.kinds().count("save_failed") == 1
    assert [kept.record.id for kept in fleet.first.pending_saves.kept] == ["1"]
    fleet.first.close()
    assert fleet.kinds().count("save_failed") == 1


def test_those_that_never_can_are_dropped(fleet: Fleet) -> None:
    """A token whose id is somebody else's by now is told once and dropped, and the next is saved."""
    fleet.storage.broken = {"write"}
    for number in (1, 2):
        save_in_vain(fleet.first, TokenRecord(id=str(number), user_name=f"u{number}", access_token="a"))
    fleet.storage.broken = set()
    TokenRepository(fleet.storage).save(TokenRecord(id="1", user_name="bob", access_token="b"))
    fleet.events.clear()
    fleet.first.close()
    assert fleet.kinds() == ["save_failed", "created", "logged_in", "saved_late"]
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
        save_in_vain(fleet.first, TokenRecord(id=str(number), access_token=f"a{number}"))
    fleet.storage.broken = set()
    monkeypatch.setattr(fleet.storage, "write", fail_once)
    fleet.first.close()
    assert [record.id for record in TokenRepository(fleet.storage).scan()] == ["2", "3"]


def test_a_renewal_is_not_taken_for_deleted_after_an_older_clear(fleet: Fleet) -> None:
    """Others cleared the store, and logged in anew, before this process renewed: its token is kept."""
    assert fleet.first.find(TokenRecord(**CREDENTIALS, grant_token="1000.code"), lambda: ORIGIN) is not None
    fleet.clock.pass_(31)
    fleet.process().clear()
    fleet.clock.pass_(1)
    token = fleet.login(-1)
    fleet.zoho.gate.clear()
    late = Running(lambda: get(fleet.first, token.id))
    wait_until(lambda: fleet.zoho.sent == 2)
    fleet.storage.broken = {"find", "load", "write"}
    fleet.zoho.gate.set()
    new = late.result()
    (kept,) = fleet.first.pending_saves.kept
    assert kept.row_id == token.id
    fleet.storage.broken = set()
    fleet.first.pending_saves._not_before = float("inf")
    found = get(fleet.first, token.id)
    assert found is not None
    assert found.access_token == new.access_token
    well_again(fleet)
    fleet.first.close()
    assert fleet.stored().access_token == new.access_token


def test_a_login_that_waits_is_not_brought_back_after_a_clear(fleet: Fleet) -> None:
    """Another process deletes everything while a first login waits: it is neither served nor stored."""
    query = TokenRecord(**CREDENTIALS, grant_token="1000.code")
    fleet.zoho.gate.clear()
    late = Running(lambda: fleet.first.find(query, lambda: ORIGIN))
    fleet.wait_for_request()
    fleet.storage.broken = {"find", "load", "write"}  # nothing can be learnt of the store any more
    fleet.zoho.gate.set()
    assert late.result() is not None
    fleet.storage.broken = set()
    fleet.clock.pass_(1)
    fleet.process().clear()
    fleet.first.pending_saves._not_before = float("inf")
    assert fleet.first.find(TokenRecord(**CREDENTIALS, refresh_token="1000.refresh.1"), logs_in=False) is None
    fleet.first.close()
    assert list(TokenRepository(fleet.storage).scan()) == []


def test_a_copy_in_a_forked_process_brings_no_login_back(fleet: Fleet) -> None:
    """A first login waits, in a forked child too. It is saved, and deleted: the child brings nothing back."""
    child = fleet.process()
    fleet.storage.broken = {"write"}
    login = TokenRecord(**CREDENTIALS, user_name="patricia", refresh_token="1000.r", access_token="1000.a")
    save_in_vain(fleet.first, login.changed(expires_at_ms=fleet.clock.now + 3_600_000))
    child.pending_saves.kept = [replace(kept) for kept in fleet.first.pending_saves.kept]
    fleet.storage.broken = set()
    fleet.first.close()
    assert fleet.process().delete(fleet.stored().id or "")
    child.close()
    assert list(TokenRepository(fleet.storage).scan()) == []
