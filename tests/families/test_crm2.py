"""The unmodified SDK 2.0 or 2.1 with our store, before a local Zoho."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import requests
from zcrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
from zcrmsdk.src.com.zoho.api.authenticator.store import FileStore
from zcrmsdk.src.com.zoho.crm.api.exception import SDKException
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken as NewerToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature as NewerUser

from tests.families import crm2_app as app
from tests.families.twins import check_twins
from zoho_tokenstore import (
    BackendError,
    InvalidGrantError,
    InvalidTokenError,
    RefreshPolicy,
    RetiredIdError,
    TokenNotFoundError,
    TokenRecord,
    TokenRepository,
)
from zoho_tokenstore import open_store as open_newer_store
from zoho_tokenstore.emulator import Emulator, User
from zoho_tokenstore.sdk.crm2 import RepositoryStore, open_store
from zoho_tokenstore.testing._subject import together
from zoho_tokenstore.testing.doubles import FlakyBackend


@pytest.fixture(autouse=True)
def _clean_sdk() -> Iterator[None]:
    yield
    app.forget_sdk_state()


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/tokens.db"


@pytest.fixture
def store(url: str) -> Iterator[RepositoryStore]:
    with open_store(url) as store:
        yield store


@pytest.fixture
def patricia(zoho: Emulator) -> User:
    return zoho.default_users[0]


@pytest.fixture
def john(zoho: Emulator) -> User:
    return zoho.default_users[1]


@pytest.fixture
def log_in(zoho: Emulator, store: RepositoryStore, tmp_path: Path) -> Callable[[User], Any]:
    """Return what starts the SDK with a new code of a user, calls CRM, and returns the token."""

    def log_in(user: User) -> Any:
        token = app.token_of(zoho, grant_token=zoho.mint_code(None, user))
        app.start(zoho, user, token, store, tmp_path)
        app.new_lead(user.email)
        return token

    return log_in


def test_a_login_by_code(zoho: Emulator, patricia: User, store: Any, log_in: Callable[[User], Any]) -> None:
    """The first call exchanges the code, once; the row has the user's address and the environment's URL."""
    token = log_in(patricia)
    assert app.leads() == {patricia.email: patricia.full_name}
    (record,) = store.repository.scan()
    assert (record.id, record.user_name) == (token.get_id(), patricia.email)
    assert (record.api_domain, record.grant_token) == (zoho.url, token.get_grant_token())
    assert zoho.counters().agents["token:authorization_code"] == {"zoho-tokenstore": 1}
    assert zoho.counters().minted == 1


def test_the_passed_token_gets_no_access_token(patricia: User, log_in: Callable[[User], Any]) -> None:
    """It learns its id and user, but no access token: so the SDK asks the store before every call."""
    token = log_in(patricia)
    assert (token.get_user_mail(), token.get_access_token()) == (patricia.email, None)


@pytest.mark.parametrize("by", ["code", "id", "refresh token"])
def test_a_restart_needs_no_login(
    zoho: Emulator, patricia: User, url: str, tmp_path: Path, log_in: Callable[[User], Any], by: str
) -> None:
    """Another process calls CRM with what it has in hand, and sends no request for a token."""
    token = log_in(patricia)
    with open_store(url) as other:
        (record,) = other.get_tokens()
        again = {
            "code": app.token_of(zoho, grant_token=token.get_grant_token()),
            "refresh token": app.token_of(zoho, refresh_token=record.get_refresh_token()),
            "id": OAuthToken(id=token.get_id()),
        }
        app.start(zoho, patricia, again[by], other, tmp_path)
        assert app.leads() == {patricia.email: patricia.full_name}
    assert zoho.counters().minted == 1


def test_one_renewal_for_all(
    zoho: Emulator, patricia: User, store: Any, url: str, tmp_path: Path, log_in: Callable[[User], Any]
) -> None:
    """An expired token is renewed once, by the store, for all threads and processes that call with it."""
    token = log_in(patricia)
    zoho.expire_access_tokens()
    store.tokens.invalidate(token.get_id())
    assert together(4, lambda _: app.leads()) == [{patricia.email: patricia.full_name}] * 4
    with open_store(url) as other:
        app.start(zoho, patricia, OAuthToken(id=token.get_id()), other, tmp_path)
        assert app.leads() == {patricia.email: patricia.full_name}
    assert zoho.counters().agents["token:refresh_token"] == {"zoho-tokenstore": 1}


def test_users_are_switched(
    zoho: Emulator, patricia: User, john: User, store: Any, log_in: Callable[[User], Any]
) -> None:
    """Each user of a thread calls with their own login."""
    mine = log_in(patricia)
    johns = app.switch(john, app.token_of(zoho, grant_token=zoho.mint_code(None, john)))
    app.new_lead(john.email)
    app.switch(patricia, mine)
    app.new_lead("again")
    assert app.leads() == {
        patricia.email: patricia.full_name,
        john.email: john.full_name,
        "again": patricia.full_name,
    }
    assert {record.id for record in store.repository.scan()} == {mine.get_id(), johns.get_id()}


def test_environments_are_apart(
    zoho: Emulator, patricia: User, store: Any, log_in: Callable[[User], Any]
) -> None:
    """One user in two environments has two logins, and each is found in its own."""
    log_in(patricia)
    urls = [address.replace("127.0.0.1", "localhost") for address in zoho.environment_args()]
    app.switch(
        patricia,
        app.token_of(zoho, grant_token=zoho.mint_code(None, patricia)),
        app.environment(urls, "other"),
    )
    app.new_lead("elsewhere")
    rows = {record.api_domain: record.id for record in store.repository.scan()}
    assert set(rows) == {zoho.url, urls[0]}
    for token in store.get_tokens():
        query = app.token_of(zoho, refresh_token=token.get_refresh_token())
        found = store.get_token(app.UserSignature(patricia.email), query)
        assert (found is None) is (token.get_id() != rows[urls[0]])


def test_a_revoked_login_is_told(
    zoho: Emulator, patricia: User, store: Any, log_in: Callable[[User], Any]
) -> None:
    """The call raises an `SDKException` that is ours as well, and Zoho is not asked again."""
    token = log_in(patricia)
    record = store.repository.get(token.get_id())
    requests.post(f"{zoho.accounts_url}/revoke", {"token": record.refresh_token}, timeout=10)
    store.tokens.invalidate(token.get_id())
    for _ in range(2):
        with pytest.raises(SDKException) as caught:
            app.leads()
        assert isinstance(caught.value, InvalidGrantError)
    assert zoho.counters().requests["token:refresh_token"] == {"invalid_code": 1}


def test_remove_deletes_the_row(
    zoho: Emulator, patricia: User, john: User, store: Any, log_in: Callable[[User], Any]
) -> None:
    """The SDK's `remove` deletes this login and no other, also of a token that was never looked up."""
    mine, johns = log_in(patricia), log_in(john)
    app.forget_sdk_state()
    assert store.delete_token(app.token_of(zoho, grant_token=mine.get_grant_token())) is None
    assert [record.id for record in store.repository.scan()] == [johns.get_id()]
    log_in(patricia)
    app.switch(john, johns)
    assert johns.remove()
    assert [record.user_name for record in store.repository.scan()] == [patricia.email]
    with pytest.raises(RetiredIdError):
        app.leads()


def test_the_sdk_may_refresh_by_itself(zoho: Emulator, patricia: User, url: str, tmp_path: Path) -> None:
    """With `refresh=None` it logs in, refreshes and saves under an id of its own."""
    token = app.token_of(zoho, grant_token=zoho.mint_code(None, patricia))
    with open_store(url, refresh=None) as store:
        app.start(zoho, patricia, token, store, tmp_path)
        app.new_lead("first")
        (record,) = store.repository.scan()
        assert (record.user_name, record.api_domain) == (patricia.email, zoho.url)
        assert record.id == token.get_id()
        assert str(record.id).startswith("python_patricia_local_")
        store.repository.save(record.changed(expires_at_ms=1))
        app.start(zoho, patricia, OAuthToken(id=record.id), store, tmp_path)
        assert app.leads() == {"first": patricia.full_name}
        (saved,) = store.repository.scan()
    assert saved.access_token != record.access_token
    assert (saved.id, saved.refresh_token, saved.api_domain) == (record.id, record.refresh_token, zoho.url)
    assert zoho.counters().agents["token:refresh_token"] == {"python-requests": 1}


def test_an_id_of_the_applications_own(zoho: Emulator, patricia: User, store: Any, tmp_path: Path) -> None:
    """A token with an id and a code is logged in under that id, as the SDK's user."""
    code = zoho.mint_code(None, patricia)
    app.start(zoho, patricia, app.token_of(zoho, id="tenant-7", grant_token=code), store, tmp_path)
    app.new_lead("first")
    (record,) = store.repository.scan()
    assert (record.id, record.user_name, record.api_domain) == ("tenant-7", patricia.email, zoho.url)


def test_a_missing_id_is_told(zoho: Emulator, patricia: User, store: Any, tmp_path: Path) -> None:
    """An id that is not stored, without credentials, sends nothing to Zoho; outside a call it is `None`."""
    app.start(zoho, patricia, OAuthToken(id="17"), store, tmp_path)
    with pytest.raises(SDKException) as caught:
        app.leads()
    assert isinstance(caught.value, TokenNotFoundError)
    assert zoho.counters().requests == {}
    assert store.get_token_by_id("17", OAuthToken(id="17")) is None


@pytest.mark.clear
def test_a_file_of_the_sdks_own_store(zoho: Emulator, patricia: User, tmp_path: Path) -> None:
    """The file that its `FileStore` wrote is taken over: no new login by code, id or refresh token."""
    path = tmp_path / "sdk_tokens.txt"
    code = zoho.mint_code(None, patricia)
    theirs = app.start(zoho, patricia, app.token_of(zoho, grant_token=code), FileStore(str(path)), tmp_path)
    app.new_lead("first")
    with open_store(f"csv:///{path}") as store:
        for again in (
            app.token_of(zoho, grant_token=code),
            app.token_of(zoho, refresh_token=theirs.get_refresh_token()),
            OAuthToken(id=theirs.get_id()),
        ):
            app.start(zoho, patricia, again, store, tmp_path)
            assert app.leads() == {"first": patricia.full_name}
        zoho.expire_access_tokens()
        store.tokens.invalidate(theirs.get_id())
        assert app.leads() == {"first": patricia.full_name}
    assert (zoho.counters().exchanges, zoho.counters().refreshes) == (1, 1)


def test_what_a_newer_program_sees(
    zoho: Emulator, patricia: User, url: str, log_in: Callable[[User], Any]
) -> None:
    """A program with SDK 5 to 8 finds the login by the address and by id, with the API domain."""
    token = log_in(patricia)
    with open_newer_store(url) as store:
        query = NewerToken(user_signature=NewerUser(patricia.email))
        assert store.find_token(query) is query
        for found in (query, store.find_token_by_id(token.get_id())):
            assert (found.get_id(), found.get_api_domain()) == (token.get_id(), zoho.url)
        assert store.find_token(NewerToken(user_signature=NewerUser(patricia.user_name))) is None


def test_what_is_seen_of_a_newer_program(zoho: Emulator, patricia: User, url: str, store: Any) -> None:
    """A login under Zoho's name for the user, address and organisation, is found by its id alone."""
    refresh_token = zoho.mint_refresh_token(None, patricia)
    client = {"client_id": zoho.default_client.client_id, "client_secret": "s"}
    newer = NewerToken(
        user_signature=NewerUser(patricia.user_name),
        refresh_token=refresh_token,
        access_token="1000.access",
        **client,
    )
    with open_newer_store(url) as other:
        other.save_token(newer)
    user, mine = app.UserSignature(patricia.email), OAuthToken(refresh_token=refresh_token, **client)
    assert store.get_token(user, mine) is None
    found = store.get_token_by_id(newer.get_id(), mine)
    assert (found.get_access_token(), found.get_user_mail()) == ("1000.access", patricia.user_name)


def test_a_deleted_login_that_waits_is_not_saved(zoho: Emulator, patricia: User, john: User) -> None:
    """A login whose save failed has no id yet: it is deleted by its user, and another's is saved late."""
    backend = FlakyBackend()
    with RepositoryStore(TokenRepository(backend)) as store:
        for user in (patricia, john):
            token = app.token_of(zoho, refresh_token=f"1000.{user.email}")
            token.set_access_token(f"1000.access.{user.email}")
            backend.fail(times=1)
            with pytest.raises(BackendError):
                store.save_token(app.UserSignature(user.email), token)
        leaving = app.token_of(zoho, refresh_token=f"1000.{patricia.email}")
        leaving.set_user_mail(patricia.email)
        store.delete_token(leaving)
        store.tokens.lifecycle.renewer.pending_saves.save(at_once=True)
        assert [record.user_name for record in store.repository.scan()] == [john.email]


@pytest.mark.parametrize("is_down", [False, True], ids=["stored", "storage down"])
def test_a_row_stays_in_its_domain(zoho: Emulator, patricia: User, tmp_path: Path, is_down: bool) -> None:
    """Saving a token by its id, at work in another environment, moves no row; nor does a late save."""
    backend = FlakyBackend()
    with RepositoryStore(TokenRepository(backend), refresh=RefreshPolicy(background=False)) as store:
        row = TokenRecord(
            user_name=patricia.email, access_token="old", api_domain="https://sandbox.zohoapis.com"
        )
        token = store.family.new_token(store.repository.save(row))
        app.start(zoho, patricia, token, store, tmp_path)
        token.set_access_token("new")
        backend.fail(times=2 if is_down else 0)
        with pytest.raises(BackendError) if is_down else nullcontext():
            store.save_token(app.UserSignature(patricia.email), token)
        assert store.get_token_by_id(token.get_id(), token).get_access_token() == "new"
        saved = store.repository.get(token.get_id())
    assert saved is not None
    assert (saved.access_token, saved.api_domain) == ("new", row.api_domain)


def test_strangers_are_refused(store: Any) -> None:
    """A user or a token that is none of the SDK's is refused by its kind."""
    with pytest.raises(InvalidTokenError, match="UserSignature of zcrmsdk, not str"):
        store.get_token("patricia@zylker.example", OAuthToken(id="1"))
    with pytest.raises(SDKException, match="OAuthToken objects of the installed zcrmsdk, not NoneType"):
        store.get_token_by_id("1", None)


def test_every_error_is_the_sdks_as_well() -> None:
    """What the methods raise is one of our errors and an `SDKException`, and can be pickled."""
    check_twins(RepositoryStore, SDKException)
