"""What the repository is told about who named a user: the store asks Zoho, or the application says so."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal
from zoho_tokenstore import SQLiteStore, TokenRecord
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.repository import TokenRepository

pytestmark = pytest.mark.skipif(not SDK.looks_users_up, reason="SDK 5 asks nobody for the user")


@pytest.fixture
def portal(zoho: Emulator, tmp_path: Path) -> Iterator[Portal]:
    """The application on one store: what is tested here comes before any of them."""
    with contextlib.ExitStack() as stack:
        yield Portal(zoho, tmp_path, lambda: stack.enter_context(SQLiteStore(tmp_path / "tokens.db")))


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str | None, bool]]:
    """What reaches the repository: the user of every saved token, and whether Zoho named it."""
    seen: list[tuple[str | None, bool]] = []
    save = TokenRepository.save

    def noted(self: TokenRepository, record: TokenRecord, *, identified: bool = False, **options: Any) -> Any:
        seen.append((record.user_name, identified))
        return save(self, record, identified=identified, **options)

    monkeypatch.setattr(TokenRepository, "save", noted)
    return seen


Told = list[tuple[str | None, bool]]


def test_a_first_login_without_a_name(portal: Portal, told: Told) -> None:
    """Zoho is asked for the user, so Zoho has named it; the stored row says when."""
    token = portal.start(app.token_of(**portal.grant()))
    assert told == [(portal.zoho.default_users[0].user_name, True)]
    assert portal.record(token).identified_at_ms is not None


def test_a_refresh_token_without_a_name(portal: Portal, told: Told) -> None:
    """So it does for a token that begins with a refresh token."""
    portal.start(app.token_of(**portal.refresh()))
    assert told == [(portal.zoho.default_users[0].user_name, True)]


@pytest.mark.parametrize("by", ["grant", "refresh"])
def test_a_login_under_the_applications_name(portal: Portal, told: Told, by: str) -> None:
    """A name that the application gave is not asked for, and is not Zoho's."""
    token = portal.start(app.token_of("tenant-7", **getattr(portal, by)()))
    assert told == [("tenant-7", False)]
    assert portal.record(token).identified_at_ms is None


def test_a_login_with_find_user_off(portal: Portal, told: Told) -> None:
    """With `find_user=False` nobody is named."""
    portal.start(app.token_of(**portal.grant(), find_user=False))
    assert told == [(None, False)]


def test_a_row_without_a_name_is_named_by_its_refresh(portal: Portal, told: Told) -> None:
    """Found by its credentials or its id, an unnamed token is named when it is renewed."""
    for by_id in (False, True):
        quiet = portal.start(app.token_of(**portal.refresh(), find_user=False))
        portal.let_expire(quiet)
        portal.restart()
        told.clear()
        credentials = {"refresh_token": quiet.get_refresh_token(), **portal.credentials()}
        portal.start(app.token_of(id=quiet.get_id()) if by_id else app.token_of(**credentials))
        assert told == [(portal.zoho.default_users[0].user_name, True)]


def test_a_refresh_of_a_named_row(portal: Portal, told: Told) -> None:
    """A token with a name is not asked for again: the renewal names nobody."""
    token = portal.log_in()
    portal.let_expire(token)
    portal.restart()
    told.clear()
    portal.start(app.token_of(id=token.get_id()))
    assert told == [(portal.zoho.default_users[0].user_name, False)]


def test_a_save_by_the_application(portal: Portal, told: Told) -> None:
    """What the application looks up, names and saves by itself, it alone has named."""
    token = app.token_of(**portal.refresh())
    assert portal.store.find_token(token) is None
    token.set_user_signature(UserSignature("tenant-7"))
    portal.store.save_token(token)
    assert told == [("tenant-7", False)]


def test_an_object_used_again(portal: Portal, told: Told) -> None:
    """After a login that failed, the application names the same object: that name is its own."""
    token = app.token_of(grant_token="1000.spent", **portal.credentials())
    with pytest.raises(app.SDKException):
        portal.start(token)
    token.set_grant_token(portal.zoho.mint_code())
    token.set_user_signature(UserSignature("tenant-7"))
    portal.start(token)
    assert told == [("tenant-7", False)]


def test_a_failed_question_names_nobody(portal: Portal, told: Told) -> None:
    """If Zoho does not tell who it is, nobody is named; a name that the application sets later is its own."""
    portal.zoho.fault("users", "status", status=204)  # SDK 6 saves nothing after an error
    token = portal.start(app.token_of(**portal.grant()))
    assert told == [(None, False)]
    told.clear()
    token.set_user_signature(UserSignature("tenant-7"))
    portal.store.save_token(token)
    assert told == [("tenant-7", False)]


def test_threads_do_not_name_each_others_tokens(portal: Portal, told: Told) -> None:
    """Logins at the same time, with and without the application's name, are told apart."""
    portal.log_in()
    told.clear()
    users = [portal.zoho.add_user(f"user{number}@zylker.example", f"User {number}") for number in range(3)]
    barrier = threading.Barrier(6, timeout=30)

    def log_in(number: int) -> None:
        user = users[number // 2]
        name = f"tenant-{number}" if number % 2 else None
        token = app.token_of(name, **portal.grant(user))
        barrier.wait()
        app.Initializer.switch_user(token=token)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(log_in, number) for number in range(6)]:
            done.result(timeout=60)
    assert sorted(told, key=str) == sorted(
        [*((user.user_name, True) for user in users), *((f"tenant-{number}", False) for number in (1, 3, 5))],
        key=str,
    )
