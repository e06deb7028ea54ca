"""The store renews by itself: the SDK sends no token request of its own, and saves no renewal."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal, of_kind
from zoho_tokenstore import (
    ConfigurationError,
    Event,
    InvalidGrantError,
    ListStore,
    RefreshPolicy,
    SQLiteStore,
)
from zoho_tokenstore.emulator import Emulator, label
from zoho_tokenstore.errors import AccountsUnavailableError, InvalidClientError, RetiredIdError
from zoho_tokenstore.sdk import RepositoryStore

OURS = "zoho-tokenstore"
PRODUCTION = "https://www.zohoapis.com"
SANDBOX = "https://sandbox.zohoapis.com"
_USER_LOOKUP = ["users", "org"] if SDK.looks_users_up else []


@pytest.fixture
def portal(zoho: Emulator, tmp_path: Path, events: list[Event]) -> Iterator[Portal]:
    """The application on one store: what is tested here comes before any of them."""
    with ExitStack() as stack:

        def open_store() -> RepositoryStore:
            return stack.enter_context(SQLiteStore(tmp_path / "tokens.db", on_event=events.append))

        yield Portal(zoho, tmp_path, open_store)


@pytest.fixture
def left_to_the_sdk(zoho: Emulator, tmp_path: Path) -> Iterator[Portal]:
    """The application on a store that renews nothing."""
    with ExitStack() as stack:

        def open_store() -> RepositoryStore:
            return stack.enter_context(SQLiteStore(tmp_path / "tokens.db", refresh=None))

        yield Portal(zoho, tmp_path, open_store)


def agents(portal: Portal) -> dict[str, int]:
    """Return which programs have sent how many requests for tokens."""
    return portal.zoho.counters().by_agent("token")


@pytest.mark.parametrize("by", ["grant", "refresh"])
def test_the_sdk_sends_no_token_request(portal: Portal, by: str) -> None:
    """From the login on, over an expiry, a restart and another one: each request is the store's."""
    user = portal.zoho.default_users[0]
    token = portal.start(app.token_of(user.user_name, **getattr(portal, by)(user)))
    for number in range(2):
        portal.let_expire(token)
        app.create_lead(f"Kumar {number}")
        portal.let_expire(token)
        portal.restart()
        token = portal.start(app.token_of(id=token.get_id()) if number else app.token_of(user.user_name))
    assert agents(portal) == {OURS: 5}
    assert portal.zoho.counters().minted == 5
    assert "save_token" not in portal.trace.take()


@pytest.mark.skipif(not SDK.looks_users_up, reason="SDK 5 asks nobody for the user")
def test_the_user_is_asked_for_by_the_store(portal: Portal) -> None:
    """Who has logged in is found out by the store, as the SDK would: once, and not with `find_user=False`."""
    user = portal.zoho.default_users[0]
    token = portal.start(app.token_of(**portal.grant()))
    assert portal.record(token).user_name == user.user_name
    assert token.get_user_signature().get_name() == user.user_name
    assert [portal.zoho.counters().by_agent(what) for what in ("users", "org")] == [{OURS: 1}, {OURS: 1}]
    portal.restart()
    quiet = portal.start(app.token_of(find_user=False, **portal.grant()))
    assert portal.record(quiet).user_name is None
    assert portal.zoho.counters().count("users") == 1


def test_an_expired_token_is_renewed_for_whoever_asks(portal: Portal) -> None:
    """An application that looks a token up by itself gets a good one, too."""
    token = portal.log_in()
    for by_id in (True, False):
        portal.let_expire(token)
        found = (
            portal.store.find_token_by_id(token.get_id())
            if by_id
            else portal.store.find_token(app.token_of(portal.zoho.default_users[0].user_name))
        )
        assert portal.zoho.is_live(found.get_access_token())
    assert portal.zoho.counters().refreshes == 2


def test_an_application_that_asks_spends_no_code(portal: Portal) -> None:
    """What the application looks up by itself is no login: its code and refresh token stay as they are."""
    assert portal.store.find_token(app.token_of(**portal.grant())) is None
    assert portal.store.find_token(app.token_of(**portal.refresh())) is None
    assert agents(portal) == {}


def test_an_id_of_ones_own_with_credentials(portal: Portal) -> None:
    """A login under an id that the caller has chosen: one exchange, one row with that id."""
    user = portal.zoho.default_users[0]
    name = None if SDK.looks_users_up else user.user_name
    token = portal.start(app.token_of(name, id="patricia-1", **portal.grant(user)))
    assert portal.trace.take() == ["find_token_by_id", "token:authorization_code", *_USER_LOOKUP]
    (record,) = portal.records
    assert (record.id, record.user_name) == ("patricia-1", user.user_name)
    assert token.get_access_token() == record.access_token
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": user.full_name}
    assert agents(portal) == {OURS: 1}


def test_a_retired_id_is_refused_before_the_code_is_spent(portal: Portal) -> None:
    """The id of a deleted token is no login's any more; the code is still good for a login without it."""
    portal.start(app.token_of(id="patricia-1", **portal.refresh()))
    portal.store.delete_token("patricia-1")
    portal.restart()
    grant, before = portal.grant(), agents(portal)
    with pytest.raises(RetiredIdError, match="'patricia-1' was deleted"):
        portal.start(app.token_of(id="patricia-1", **grant))
    assert agents(portal) == before
    portal.restart()
    assert portal.start(app.token_of(**grant)).get_id() != "patricia-1"


def test_a_login_without_a_refresh_token_ends(portal: Portal, events: list[Event]) -> None:
    """With access_type=online the login is over after an hour: who asks then is told to log in again."""
    code = portal.zoho.mint_code(access_type="online")
    token = portal.start(app.token_of(grant_token=code, **portal.credentials()))
    app.create_lead("Kumar")
    portal.let_expire(token)
    before = agents(portal)
    with pytest.raises(InvalidGrantError, match="Log in again, with access_type=offline") as caught:
        app.create_lead("Peters")
    assert isinstance(caught.value, app.SDKException)
    assert caught.value.code == "INVALID TOKEN ERROR"
    assert agents(portal) == before
    (needed,) = of_kind(events, "login_needed")
    assert needed.token_id == token.get_id()


def test_a_refused_login_is_told_with_zohos_word(portal: Portal, events: list[Event]) -> None:
    """After one request everybody is told that Zoho refuses the login; a new one works at once."""
    user = portal.zoho.default_users[0]
    token = portal.log_in(user)
    portal.let_expire(token)
    app.OAuthToken.revoke_refresh_token(token.get_refresh_token(), f"{portal.zoho.accounts_url}/revoke")
    before = agents(portal)[OURS]
    for _ in range(3):
        with pytest.raises(InvalidGrantError, match=r"refuses to renew .* \(invalid_code\)") as caught:
            app.create_lead("Kumar")
        assert (caught.value.kind, caught.value.error_code) == ("rejected", "invalid_code")
    assert agents(portal) == {OURS: before + 1}
    assert len(of_kind(events, "login_needed")) == 1
    portal.restart()
    assert portal.log_in(user).get_id() == token.get_id()
    app.create_lead("Kumar")


def test_a_wrong_client_is_told_apart(portal: Portal) -> None:
    """A client that Zoho does not know is another error, with the SDK's code for what Zoho refuses."""
    grant = portal.grant() | {"client_id": "1000.NOBODY"}
    with pytest.raises(InvalidClientError, match="invalid_client") as caught:
        portal.start(app.token_of(**grant))
    assert isinstance(caught.value, app.SDKException)
    assert caught.value.code == "INVALID TOKEN ERROR"


def test_an_accounts_server_that_fails(portal: Portal) -> None:
    """While Zoho cannot answer, an expired token is an error that says when to try again."""
    token = portal.log_in()
    portal.let_expire(token)
    portal.zoho.fault("token", "status", status=503)
    with pytest.raises(AccountsUnavailableError) as caught:
        app.create_lead("Kumar")
    assert isinstance(caught.value, app.SDKException)
    assert caught.value.code == "TOKEN_STORE"
    assert caught.value.retry_after is not None
    assert 0 < caught.value.retry_after <= 1


def _environment(portal: Portal, url: str) -> list[str]:
    return [url, *portal.zoho.environment_args()[1:]]


def test_a_sandbox_stays_one(portal: Portal, tmp_path: Path) -> None:
    """Zoho's answer names production's API domain for a sandbox's token, too: it stays in the sandbox."""
    with Emulator(api_domain=PRODUCTION) as zoho:
        elsewhere = Portal(zoho, tmp_path, lambda: portal.store)
        token = app.token_of("patricia", **elsewhere.grant())
        app.connect(token, elsewhere.store, _environment(elsewhere, SANDBOX), elsewhere._resources())
        assert zoho.counters().by_agent("token") == {OURS: 1}
        assert elsewhere.record(token).api_domain == token.get_api_domain() == SANDBOX


def test_an_address_that_is_none_of_zohos_stays(portal: Portal, tmp_path: Path) -> None:
    """A local Zoho, or a gateway, is not left because an answer names production; at a renewal neither."""
    with Emulator(api_domain=PRODUCTION) as zoho:
        elsewhere = Portal(zoho, tmp_path, lambda: portal.store)
        token = elsewhere.log_in()
        assert elsewhere.record(token).api_domain == zoho.url
        elsewhere.let_expire(token)
        app.create_lead("Kumar")
        assert elsewhere.record(token).api_domain == zoho.url
        assert zoho.counters().by_agent("token") == {OURS: 2}


def test_the_tokens_of_a_store(portal: Portal) -> None:
    """`store.tokens` hands out the same logins, renewed under the same lease, and closes nothing."""
    token = portal.log_in()
    with portal.store.tokens as tokens:
        assert tokens.access_token(token.get_id()) == token.get_access_token()
        portal.let_expire(token)
        renewed = tokens.access_token(token.get_id())
    assert renewed != token.get_access_token()
    assert portal.store.find_token_by_id(token.get_id()).get_access_token() == renewed
    app.create_lead("Kumar")
    assert portal.zoho.journal("create")[-1].access_token == label(renewed)
    assert portal.zoho.counters().refreshes == 1


def test_left_to_the_sdk(left_to_the_sdk: Portal) -> None:
    """With `refresh=None` the SDK logs in, asks for the user, refreshes and saves, as without us."""
    portal = left_to_the_sdk
    token = portal.start(app.token_of(**portal.grant()))
    assert portal.trace.take() == ["find_token", "token:authorization_code", *_USER_LOOKUP, "save_token"]
    portal.let_expire(token)
    app.create_lead("Kumar")
    assert portal.trace.take()[:3] == ["find_token_by_id", "token:refresh_token", "save_token"]
    assert OURS not in agents(portal)
    assert sum(agents(portal).values()) == 2
    with pytest.raises(ConfigurationError, match="refresh=None"):
        _ = portal.store.tokens


def test_an_unknown_id_left_to_the_sdk(left_to_the_sdk: Portal) -> None:
    """An unknown id alone: where the SDK can take `None` it asks Zoho with nothing at all."""
    portal = left_to_the_sdk
    with pytest.raises(app.SDKException):
        portal.start(app.token_of(id="1234567890"))
    asked = ["token:authorization_code"] if SDK.accepts_missing_id else []
    assert portal.trace.take() == ["find_token_by_id", *asked]


@pytest.mark.skipif(not SDK.looks_users_up, reason="SDK 5 asks nobody for the user")
def test_a_name_that_comes_late_left_to_the_sdk(left_to_the_sdk: Portal) -> None:
    """A row that learns its user from the SDK lets that fail once, on its own cache of fields."""
    portal = left_to_the_sdk
    portal.store.save_token(app.token_of(id="patricia-1", **portal.refresh()))
    portal.start(app.token_of(id="patricia-1"))
    with pytest.raises(app.SDKException) as caught:
        app.create_lead("Kumar")
    assert isinstance(caught.value.cause, FileNotFoundError)
    app.create_lead("Peters")
    assert app.leads() == {"Peters": portal.zoho.default_users[0].full_name}


@pytest.mark.parametrize("refresh", [False, True, 300, "no"])
@pytest.mark.parametrize("make", [ListStore, lambda **options: RepositoryStore(_repository(), **options)])
def test_what_is_no_policy_is_refused(make: Callable[..., Any], refresh: Any) -> None:
    """`refresh` is a policy or `None`: `False` is not taken for either."""
    with pytest.raises(ConfigurationError, match="refresh"):
        make(refresh=refresh)
    assert make(refresh=RefreshPolicy()).get_tokens() == []


def _repository() -> Any:
    return ListStore().repository
