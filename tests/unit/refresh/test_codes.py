"""One-time codes and deletions, while a token waits in a process to be saved."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.refresh.support import CREDENTIALS, Fleet, Running, wait_until
from zoho_tokenstore import BackendUnavailableError, TokenRecord, TokenRepository
from zoho_tokenstore.clock import now_ms
from zoho_tokenstore.coordinator import Coordinator, Exchanged
from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.leases import names_of

BY_BROWSER: dict[str, Any] = {**CREDENTIALS, "redirect_url": "https://portal.example/back"}
QUERY = TokenRecord(**BY_BROWSER, grant_token="1000.code")


def _exchanged(fleet: Fleet, **fields: str) -> TokenRecord:
    """Return what the SDK saves after the exchange of the query's code."""
    return fleet.minted(QUERY.changed(refresh_token="1000.refresh", **fields))


def test_a_spent_code_finds_no_token_that_waits() -> None:
    """A code that came by a redirect URL is no way in while its login waits to be saved, either."""
    fleet = Fleet()
    assert fleet.first.find(QUERY) is None
    fleet.storage.broken = {"write"}
    new = _exchanged(fleet)
    with pytest.raises(BackendUnavailableError):
        fleet.first.save(new)
    with pytest.raises(AccountsUnavailableError):
        fleet.first.find(QUERY)
    by_refresh_token = TokenRecord(**CREDENTIALS, refresh_token="1000.refresh")
    assert fleet.first.find(by_refresh_token) == new


def test_who_waits_with_a_code_gets_the_token_that_could_not_be_saved() -> None:
    """Callbacks with one code are one login, also if its save fails: nobody sends the code again."""
    fleet = Fleet(wait=timedelta(seconds=5))
    assert fleet.first.find(QUERY) is None
    other = Running(lambda: fleet.first.find(QUERY))
    wait_until(lambda: bool(fleet.first._flights._turns))
    fleet.storage.broken = {"write"}
    new = _exchanged(fleet)
    with pytest.raises(BackendUnavailableError):
        fleet.first.save(new)
    assert other.result() == new


def test_who_waits_with_a_code_never_gets_a_later_login() -> None:
    """The row that the code's login went to holds another account's by now: nobody gets that by the code."""
    fleet = Fleet()
    assert fleet.first.find(QUERY) is None
    saved = fleet.first.save(_exchanged(fleet, user_name="tenant-7"))
    other, (name,) = fleet.process(), names_of(QUERY)
    waited = other._logged_in(QUERY, name, Exchanged())
    assert waited is not None
    assert waited.access_token == saved.access_token
    fleet.clock.pass_(1)
    another = TokenRecord(**CREDENTIALS, user_name="tenant-7", refresh_token="1000.another")
    assert fleet.first.save(fleet.minted(another)).id == saved.id
    assert other._logged_in(QUERY, name, Exchanged()) is None


def test_the_token_of_a_deleted_row_is_not_served() -> None:
    """A refresh of a deleted token cannot be saved for another reason: the token leads nobody in, either."""
    fleet = Fleet()
    token_id = fleet.login(-1).id or ""
    held = fleet.first.get(token_id)
    assert held is not None
    fleet.process().delete(token_id)
    fleet.storage.broken = {"write"}
    with pytest.raises(BackendUnavailableError):
        fleet.first.save(fleet.minted(held))
    assert fleet.first.get(token_id) is None


def test_a_copy_in_a_forked_process_brings_no_login_back() -> None:
    """A first login waits, in a forked child too. It is saved, and deleted: the child brings nothing back."""
    fleet = Fleet()
    process, child = (Coordinator(TokenRepository(fleet.storage)) for _ in range(2))
    fleet.storage.broken = {"write"}
    login = TokenRecord(**CREDENTIALS, user_name="patricia", refresh_token="1000.r", access_token="1000.a")
    with pytest.raises(BackendUnavailableError):
        process.save(login.changed(expires_at_ms=now_ms() + 3_600_000))
    child._unsaved.kept = [replace(kept, flight=None) for kept in process._unsaved.kept]
    fleet.storage.broken = set()
    process.close()
    assert process.delete(fleet.stored().id or "")
    child.close()
    assert list(TokenRepository(fleet.storage).scan()) == []
