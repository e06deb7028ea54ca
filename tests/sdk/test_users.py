"""Who is who: users and clients are kept apart, and a new login of one of them is the same row."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal, of_kind
from zoho_tokenstore import Event
from zoho_tokenstore.emulator import Client, label

_USER_LOOKUP = ["users", "org"] if SDK.looks_users_up else []
needs_user_lookup = pytest.mark.skipif(not SDK.looks_users_up, reason="SDK 5 does not look users up")


def _in_turns(*jobs: Callable[[threading.Barrier], None]) -> None:
    barrier = threading.Barrier(len(jobs), timeout=20)
    with ThreadPoolExecutor(len(jobs)) as pool:
        for done in [pool.submit(job, barrier) for job in jobs]:
            done.result(timeout=30)


def test_switch_user_in_two_threads(portal: Portal) -> None:
    """Two threads that switched to two users work as these users, and the others as the first."""
    patricia, rajesh = portal.zoho.default_users
    meena = portal.zoho.add_user("meena@zylker.example", "Meena Rao")
    tokens = {
        "patricia": app.token_of(id=portal.log_in(patricia).get_id()),
        "rajesh": app.token_of(rajesh.user_name, **portal.grant(rajesh)),
    }
    portal.restart()
    portal.log_in(meena)

    def job(who: str) -> Callable[[threading.Barrier], None]:
        def work(barrier: threading.Barrier) -> None:
            app.Initializer.switch_user(token=tokens[who])
            for number in range(3):
                barrier.wait()
                app.create_lead(f"{who} {number}")

        return work

    _in_turns(job("patricia"), job("rajesh"))
    app.create_lead("main")
    creators = {"patricia": patricia, "rajesh": rajesh}
    expected = {f"{who} {number}": user.full_name for who, user in creators.items() for number in range(3)}
    assert app.leads() == expected | {"main": meena.full_name}
    assert {one.user_name for one in portal.records} == {user.user_name for user in (patricia, rajesh, meena)}


def test_two_clients_of_one_user(portal: Portal, second_client: Client) -> None:
    """Two OAuth clients of one person have a row each, and each is refreshed with its own token."""
    user = portal.zoho.default_users[0]
    clients = (portal.zoho.default_client, second_client)
    tokens = []
    for client in clients:
        tokens.append(portal.log_in(user, client))
        portal.restart()
    assert {(one.user_name, one.client_id) for one in portal.records} == {
        (user.user_name, client.client_id) for client in clients
    }
    for token in tokens:
        portal.let_expire(token)
        portal.restart()
        portal.start(app.token_of(id=token.get_id()))
    assert portal.zoho.counters().refreshes_by_token == {
        label(token.get_refresh_token()): 1 for token in tokens
    }


def test_client_of_a_user_only_start(portal: Portal, second_client: Client) -> None:
    """A name with a client id means that client's token, not the one used last."""
    user = portal.zoho.default_users[0]
    first = portal.log_in(user)
    portal.restart()
    portal.log_in(user, second_client)
    portal.restart()
    client_id = portal.zoho.default_client.client_id
    assert portal.start(app.token_of(user.user_name, client_id=client_id)).get_id() == first.get_id()


@needs_user_lookup
def test_login_again_without_a_name(portal: Portal) -> None:
    """A new consent of a known user updates the user's row, once the SDK has learned who it is."""
    first = portal.start(app.token_of(**portal.grant()))
    portal.restart()
    again = portal.start(app.token_of(**portal.grant()))
    assert portal.trace.take() == ["find_token", "token:authorization_code", "users", "org"]
    assert again.get_id() == first.get_id()
    (stored,) = portal.records
    assert stored.refresh_token == again.get_refresh_token() != first.get_refresh_token()


def test_login_again_of_nobody_known(portal: Portal) -> None:
    """Where nobody tells the SDK who logs in, a new consent can only be a new row."""
    quiet: dict[str, Any] = {"find_user": False} if SDK.looks_users_up else {}
    first = portal.start(app.token_of(**portal.grant(), **quiet))
    portal.restart()
    again = portal.start(app.token_of(**portal.grant(), **quiet))
    assert again.get_id() != first.get_id()
    assert [one.user_name for one in portal.records] == [None, None]


@pytest.mark.parametrize("by", ["grant", "refresh"])
def test_new_credentials_of_a_known_user(portal: Portal, events: list[Event], by: str) -> None:
    """A name with a new grant or refresh token is exchanged, and updates the row of that name."""
    user = portal.zoho.default_users[0]
    first = portal.log_in(user)
    before = portal.record(first)
    portal.restart()
    events.clear()
    renewed = portal.start(app.token_of(user.user_name, **getattr(portal, by)(user)))
    endpoint = {"grant": "token:authorization_code", "refresh": "token:refresh_token"}[by]
    assert portal.trace.take() == ["find_token", endpoint]
    assert renewed.get_id() == first.get_id()
    (stored,) = portal.records
    assert stored.refresh_token == renewed.get_refresh_token() != before.refresh_token
    assert stored.access_token == renewed.get_access_token() != before.access_token
    assert stored.grant_token == renewed.get_grant_token()
    assert {one.reason for one in of_kind(events, "not_matched")} == {"other credentials are stored"}
    assert [one.kind for one in of_kind(events, "created", "updated")] == ["updated"]


def test_new_credentials_are_used_from_then_on(portal: Portal) -> None:
    """After an exchange of new credentials the next refresh is sent with them."""
    user = portal.zoho.default_users[0]
    first = portal.log_in(user)
    portal.restart()
    renewed = portal.start(app.token_of(user.user_name, **portal.grant(user)))
    assert renewed.get_refresh_token() != first.get_refresh_token()
    portal.let_expire(renewed)
    app.create_lead("Kumar")
    assert portal.zoho.counters().refreshes_by_token == {label(renewed.get_refresh_token()): 1}


def test_new_credentials_beside_an_id(portal: Portal) -> None:
    """Beside an id the SDK ignores new credentials: it asks the store by the id alone."""
    token = portal.log_in()
    portal.restart()
    portal.start(app.token_of(id=token.get_id(), **portal.grant()))
    assert portal.trace.take() == ["find_token_by_id"]
    assert portal.record(token).refresh_token == token.get_refresh_token()


def test_find_user_off(portal: Portal) -> None:
    """Without the look-up of the user two requests are saved, and the row has no name."""
    if not SDK.looks_users_up:
        with pytest.raises(TypeError):
            app.token_of(find_user=False, **portal.grant())
        return
    token = portal.start(app.token_of(find_user=False, **portal.grant()))
    assert portal.trace.take() == ["find_token", "token:authorization_code"]
    assert portal.record(token).user_name is None
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": portal.zoho.default_users[0].full_name}


@needs_user_lookup
@pytest.mark.parametrize("by", ["id", "refresh_token"])
def test_find_user_stays_off(portal: Portal, by: str) -> None:
    """A token from the store does not switch the look-up of the user on again."""
    credentials = portal.refresh()
    token = portal.start(app.token_of(find_user=False, **credentials))
    portal.let_expire(token)
    portal.restart()
    start = {"id": token.get_id()} if by == "id" else credentials
    portal.start(app.token_of(find_user=False, **start))
    look_up = {"id": "find_token_by_id", "refresh_token": "find_token"}[by]
    assert portal.trace.take() == [look_up, "token:refresh_token"]


def test_user_look_up_without_its_scopes(portal: Portal) -> None:
    """If the scopes do not allow the look-up of the user, the login is stored without a name."""
    scopes = ["ZohoCRM.modules.ALL", "ZohoCRM.settings.ALL"]
    code = portal.zoho.mint_code(scopes=scopes)
    token = portal.start(app.token_of(grant_token=code, **portal.credentials()))
    assert portal.trace.take() == ["find_token", "token:authorization_code", *_USER_LOOKUP[:1]]
    assert portal.record(token).user_name is None


def test_chosen_id(portal: Portal) -> None:
    """An application may choose the id at the login itself, with every SDK."""
    start = {"id": "patricia-1", **portal.grant()}
    portal.start(app.token_of(**start))
    portal.restart()
    portal.start(app.token_of(**start))
    assert portal.trace.take() == ["find_token_by_id"]
    assert [one.id for one in portal.records] == ["patricia-1"]


def test_chosen_id_saved_beforehand(portal: Portal) -> None:
    """With every SDK an application may save credentials under an id of its choice, and start with it."""
    user = portal.zoho.default_users[0]
    portal.store.save_token(app.token_of(user.user_name, id="patricia-1", **portal.refresh(user)))
    portal.start(app.token_of(id="patricia-1"))
    assert portal.trace.take() == ["find_token_by_id", "token:refresh_token"]
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": user.full_name}
    assert [one.id for one in portal.records] == ["patricia-1"]


@needs_user_lookup
def test_name_that_comes_late(portal: Portal) -> None:
    """An id whose row learns its user at the start works at once: the SDK sees no token without the name."""
    portal.store.save_token(app.token_of(id="patricia-1", **portal.refresh()))
    portal.start(app.token_of(id="patricia-1"))
    assert portal.trace.take() == ["find_token_by_id", "token:refresh_token", *_USER_LOOKUP]
    assert portal.records[0].user_name == portal.zoho.default_users[0].user_name
    app.create_lead("Peters")
    assert app.leads() == {"Peters": portal.zoho.default_users[0].full_name}
