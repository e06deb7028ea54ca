"""The unmodified Office Integrator SDK with our store, before a local Zoho.

Zoho documents an API key for it, and OAuth only by the classes of the SDK: the accounts server is what the
application's own `AuthenticationSchema` names.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from officeintegrator.src.com.zoho.api.authenticator.authentication_schema import AuthenticationSchema
from officeintegrator.src.com.zoho.api.authenticator.oauth2 import OAuth2
from officeintegrator.src.com.zoho.api.authenticator.store import FileStore
from officeintegrator.src.com.zoho.officeintegrator.dc import DataCenter
from officeintegrator.src.com.zoho.officeintegrator.exception import SDKException
from officeintegrator.src.com.zoho.officeintegrator.initializer import Initializer
from officeintegrator.src.com.zoho.officeintegrator.user_signature import UserSignature
from officeintegrator.src.com.zoho.officeintegrator.v1 import V1Operations
from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken as CRMToken
from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature as CRMUser

from tests.families.twins import check_twins
from zoho_tokenstore import TokenNotFoundError
from zoho_tokenstore import open_store as open_crm_store
from zoho_tokenstore.emulator import Emulator, User
from zoho_tokenstore.sdk.office_integrator import RepositoryStore, open_store
from zoho_tokenstore.testing._subject import together


class Schema(AuthenticationSchema):  # type: ignore[misc]  # the SDK has no types
    """How the application says where its accounts server is."""

    def __init__(self, accounts_url: str) -> None:
        self._url = accounts_url

    def get_token_url(self) -> str:
        return self._url

    def get_refresh_url(self) -> str:
        return self._url

    def get_schema(self) -> str:
        return "OAuth2"


def token_of(zoho: Emulator, user: User | None = None, **fields: str) -> Any:
    """Return a token of the demo client with these fields, as an application makes it."""
    client = zoho.default_client
    return OAuth2(
        client_id=client.client_id,
        client_secret=client.client_secret,
        user_signature=None if user is None else UserSignature(user.email),
        authentication_schema=Schema(zoho.environment_args()[1]),
        **fields,
    )


def start(zoho: Emulator, token: Any, store: Any) -> Any:
    """Initialize the SDK, as a new process would; return the token."""
    forget_sdk_state()
    Initializer.initialize(DataCenter.Production(zoho.url), [token], store=store)
    return token


def plan() -> str:
    """Return the name of the plan; the only call that needs nothing but a token."""
    response = V1Operations().get_plan_details()
    assert response.get_status_code() == 200
    return str(response.get_object().get_plan_name())


def forget_sdk_state() -> None:
    Initializer.initializer = None
    Initializer.LOCAL.init = None


@pytest.fixture(autouse=True)
def _clean_sdk() -> Iterator[None]:
    yield
    forget_sdk_state()


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
def token(zoho: Emulator, patricia: User, store: RepositoryStore) -> Any:
    """A token with a code, with which the SDK has made a call."""
    token = start(zoho, token_of(zoho, patricia, grant_token=zoho.mint_code(None, patricia)), store)
    assert plan() == "Free"
    return token


def test_a_login_by_code(zoho: Emulator, patricia: User, store: Any, token: Any) -> None:
    """The first call exchanges the code, once; nobody is asked for a user."""
    (record,) = store.repository.scan()
    assert (record.id, record.user_name, record.api_domain) == (token.get_id(), patricia.email, zoho.url)
    assert token.get_access_token() == record.access_token
    assert {entry.endpoint for entry in zoho.journal()} == {"token:authorization_code", "office:plan"}
    assert zoho.counters().agents["token:authorization_code"] == {"zoho-tokenstore": 1}


def test_a_restart_needs_no_login(zoho: Emulator, patricia: User, url: str, token: Any) -> None:
    """Another process calls with a user, an id or the code, and sends no request for a token."""
    with open_store(url) as other:
        for again in (
            token_of(zoho, patricia),
            token_of(zoho, id=token.get_id()),
            token_of(zoho, grant_token=token.get_grant_token()),
        ):
            start(zoho, again, other)
            assert plan() == "Free"
    assert zoho.counters().minted == 1


def test_one_renewal_for_all(zoho: Emulator, url: str, store: Any, token: Any) -> None:
    """An expired token is renewed once, by the store, for all threads and processes that call with it."""
    zoho.expire_access_tokens()
    store.tokens.invalidate(token.get_id())
    assert together(4, lambda _: plan()) == ["Free"] * 4
    with open_store(url) as other:
        start(zoho, token_of(zoho, id=token.get_id()), other)
        assert plan() == "Free"
    assert zoho.counters().agents["token:refresh_token"] == {"zoho-tokenstore": 1}


def test_other_programs_get_the_same_login(zoho: Emulator, store: Any, token: Any) -> None:
    """`store.tokens` renews at the accounts server that the application's token names."""
    record = store.tokens.refresh(token.get_id())
    assert zoho.is_live(record.access_token)
    assert plan() == "Free"
    assert store.find_token_by_id(record.id).get_access_token() == record.access_token


def test_users_are_switched(zoho: Emulator, patricia: User, store: Any, token: Any) -> None:
    """Each user of a thread calls with their own login."""
    john = zoho.default_users[1]
    johns = token_of(zoho, john, grant_token=zoho.mint_code(None, john))
    for mine in (johns, token):
        Initializer.switch_user(tokens=[mine])
        assert plan() == "Free"
    users = [entry.user for entry in zoho.journal("office:plan")]
    assert users == [patricia.email, john.email, patricia.email]
    assert {record.id for record in store.repository.scan()} == {token.get_id(), johns.get_id()}


def test_the_sdk_may_refresh_by_itself(zoho: Emulator, patricia: User, url: str) -> None:
    """With `refresh=None` it logs in, refreshes and saves; the row stays in its environment."""
    with open_store(url, refresh=None) as store:
        token = start(zoho, token_of(zoho, patricia, grant_token=zoho.mint_code(None, patricia)), store)
        assert plan() == "Free"
        (record,) = store.repository.scan()
        store.repository.save(record.changed(expires_at_ms=1))
        start(zoho, token_of(zoho, id=token.get_id()), store)
        assert plan() == "Free"
        (saved,) = store.repository.scan()
    assert saved.access_token != record.access_token
    assert (saved.id, saved.api_domain) == (record.id, zoho.url)
    assert zoho.counters().agents["token:refresh_token"] == {"python-requests": 1}


def test_remove_deletes_the_row(store: Any, token: Any) -> None:
    """The SDK's `remove` deletes the login; its next call fails, as an error of both."""
    assert token.remove()
    assert store.get_tokens() == []
    with pytest.raises(SDKException) as caught:
        plan()
    assert isinstance(caught.value, TokenNotFoundError)


@pytest.mark.clear
def test_a_file_of_the_sdks_own_store(zoho: Emulator, patricia: User, tmp_path: Path) -> None:
    """The file that its `FileStore` wrote is taken over: no new login by user, id or code."""
    path = tmp_path / "sdk_tokens.txt"
    code = zoho.mint_code(None, patricia)
    theirs = start(zoho, token_of(zoho, patricia, grant_token=code), FileStore(str(path)))
    assert plan() == "Free"
    with open_store(f"csv:///{path}") as store:
        for again in (
            token_of(zoho, patricia),
            token_of(zoho, id=theirs.get_id()),
            token_of(zoho, grant_token=code),
        ):
            start(zoho, again, store)
            assert plan() == "Free"
    assert zoho.counters().minted == 1


def test_a_crm_login_of_the_same_user_is_another(
    zoho: Emulator, patricia: User, url: str, store: Any, token: Any
) -> None:
    """One user and client in one store with both SDKs: neither save touches the other's row."""
    crm = CRMToken(
        user_signature=CRMUser(patricia.email),
        client_id=zoho.default_client.client_id,
        client_secret=zoho.default_client.client_secret,
        refresh_token="1000.crm",
        access_token="1000.access.crm",
        api_domain="https://www.zohoapis.com",
    )
    with open_crm_store(url) as other:
        other.save_token(crm)
    assert crm.get_id() != token.get_id()
    again = start(zoho, token_of(zoho, patricia), store)
    assert plan() == "Free"
    assert again.get_id() == token.get_id()


def test_every_error_is_the_sdks_as_well() -> None:
    """What the methods raise is one of our errors and an `SDKException`, and can be pickled."""
    check_twins(RepositoryStore, SDKException)
