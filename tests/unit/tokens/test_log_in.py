"""The four ways to log in, against the local Zoho."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from tests.unit.renewal.support import Fleet
from tests.unit.tokens.support import let_expire
from zoho_tokenstore import (
    Client,
    ClientCredentials,
    Code,
    ConfigurationError,
    Device,
    Event,
    EventKind,
    RefreshToken,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    BackendUnavailableError,
    InvalidClientError,
    InvalidGrantError,
)
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.renewal._device import DeviceCode
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.tokens import Tokens

SCOPES = ("ZohoCRM.users.READ", "ZohoCRM.org.READ")


class Pauses:
    """The pauses between polls, which pass on Zoho's clock only; `at` says what happens in which."""

    def __init__(self, zoho: Emulator) -> None:
        self._zoho = zoho
        self.seconds: list[float] = []
        self.at: dict[int, Callable[[], None]] = {}

    def sleep(self, seconds: float) -> None:
        self.seconds.append(seconds)
        self._zoho.advance(seconds)
        self.at.get(len(self.seconds), lambda: None)()

    def monotonic(self) -> float:
        return time.monotonic() + sum(self.seconds)


@pytest.fixture
def pauses(zoho: Emulator, monkeypatch: pytest.MonkeyPatch) -> Pauses:
    made = Pauses(zoho)
    monkeypatch.setattr("zoho_tokenstore._device_login.time", made)
    monkeypatch.setattr(Renewer, "sleep", lambda _, seconds: made.sleep(seconds))
    return made


def test_by_a_code(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """The code is exchanged, Zoho is asked who it is, and the login is stored whole."""
    record = tokens.log_in(client, Code(zoho.mint_code()))
    assert record.user_name == zoho.default_users[0].user_name
    assert record.identified_at_ms is not None
    assert zoho.is_live(record.access_token or "")
    assert zoho.is_live(record.refresh_token or "")
    assert (record.api_domain, record.client_id) == (zoho.url, client.id)
    assert tokens.get(record.id or "") == record
    assert [entry.endpoint for entry in zoho.journal()] == ["token:authorization_code", "users", "org"]


def test_by_a_code_under_a_name(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A name of the application's own is not asked for, and is not Zoho's."""
    code = Code(zoho.mint_code(), redirect_url="https://portal.example/back")
    record = tokens.log_in(client, code, user_name="tenant-7")
    assert (record.user_name, record.identified_at_ms) == ("tenant-7", None)
    assert (record.redirect_url, record.grant_token) == ("https://portal.example/back", None)
    assert [entry.endpoint for entry in zoho.journal()] == ["token:authorization_code"]


def test_a_code_twice(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A script of a self client that is started again with its code is logged in; nothing is sent again."""
    code = Code(zoho.mint_code())
    assert tokens.log_in(client, code) == tokens.log_in(client, code)
    assert zoho.counters().count("token") == 1


def test_a_code_that_zoho_refuses(tokens: Tokens, client: Client, zoho: Emulator) -> None:
    """It is not sent a second time, and nobody is stored."""
    for _ in range(2):
        with pytest.raises(InvalidGrantError, match="invalid_code") as caught:
            tokens.log_in(client, Code("1000.wrong"))
        assert "1000.wrong" not in str(caught.value)
    assert zoho.counters().count("token") == 1
    assert list(tokens.scan()) == []


def test_a_wrong_client(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """The error is about the client, not about the login."""
    with pytest.raises(InvalidClientError, match="invalid_client"):
        tokens.log_in(Client("1000.NOBODY", "x"), Code(zoho.mint_code()))


def test_by_a_refresh_token(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """One from elsewhere is refreshed once; a second time it is found."""
    credentials = RefreshToken(zoho.mint_refresh_token())
    record = tokens.log_in(client, credentials)
    assert record.refresh_token == credentials.token
    assert record.user_name == zoho.default_users[0].user_name
    assert tokens.log_in(client, credentials) == record
    assert zoho.counters().refreshes == 1


def test_a_new_login_of_a_known_user(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """It takes the place of the old one, under the same id."""
    first = tokens.log_in(client, Code(zoho.mint_code()))
    again = tokens.log_in(client, Code(zoho.mint_code()))
    assert again.id == first.id
    assert again.refresh_token != first.refresh_token
    assert list(tokens.scan()) == [again]


def test_by_a_device(tokens: Tokens, zoho: Emulator, client: Client, pauses: Pauses) -> None:
    """The user is shown a code and a URL, decides elsewhere, and is logged in."""
    shown: list[DeviceCode] = []
    pauses.at[3] = lambda: zoho.approve_device(shown[0].user_code, zoho.default_users[1])
    record = tokens.log_in(client, Device(SCOPES, shown.append))
    assert record.user_name == zoho.default_users[1].user_name
    assert zoho.is_live(record.refresh_token or "")
    assert shown[0].verification_url == f"{zoho.url}/oauth/v3/device"
    assert pauses.seconds == [1.0, 1.0, 1.0]
    assert zoho.counters().count("token:device_token", "authorization_pending") == 2
    renewed = tokens.refresh(record.id or "")
    assert renewed.access_token != record.access_token


def test_a_device_that_asks_too_often(tokens: Tokens, zoho: Emulator, client: Client, pauses: Pauses) -> None:
    """Zoho's refusal of too many requests ends nothing: the pauses become longer, as by `slow_down`."""
    shown: list[DeviceCode] = []
    zoho.fault("token:device_token", "status", times=2, status=429)
    pauses.at[3] = lambda: zoho.approve_device(shown[0].user_code, zoho.default_users[1])
    assert tokens.log_in(client, Device(SCOPES, shown.append)).user_name == zoho.default_users[1].user_name
    assert pauses.seconds == [1.0, 6.0, 11.0]


@pytest.mark.parametrize("kind", ["client credentials", "device"])
def test_a_store_that_cannot_keep_it(
    tokens: Tokens, zoho: Emulator, client: Client, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    """Then neither the user nor Zoho is asked."""

    def fail(*_: object, **__: object) -> None:
        raise BackendUnavailableError("read-only")

    monkeypatch.setattr(tokens.lifecycle.renewer.repository._backend, "rehearse", fail)
    shown: list[DeviceCode] = []
    credentials = Device(SCOPES, shown.append) if kind == "device" else ClientCredentials(SCOPES, "ZohoCRM.1")
    with pytest.raises(BackendUnavailableError, match="read-only"):
        tokens.log_in(client, credentials)
    assert shown == []
    assert zoho.journal() == []


def test_a_device_that_is_refused(tokens: Tokens, zoho: Emulator, client: Client, pauses: Pauses) -> None:
    """The user says no: nobody is stored."""
    with pytest.raises(InvalidGrantError, match="access_denied"):
        tokens.log_in(client, Device(SCOPES, lambda code: zoho.deny_device(code.user_code)))
    assert list(tokens.scan()) == []


def test_a_device_that_nobody_lets_in(tokens: Tokens, zoho: Emulator, client: Client, pauses: Pauses) -> None:
    """When the time is over, which Zoho says, it is an error that says to begin again."""
    began = pauses.monotonic()
    with pytest.raises(InvalidGrantError):
        tokens.log_in(client, Device(SCOPES, lambda _: None))
    assert sum(pauses.seconds) <= 300
    assert pauses.monotonic() - began >= 295  # the polls take time, too


def test_by_client_credentials(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """A self client itself: for an hour, without a refresh token; then it has to be made anew."""
    soid = f"ZohoCRM.{zoho.default_users[0].organization.zgid}"
    record = tokens.log_in(client, ClientCredentials(("ZohoCRM.modules.ALL",), soid))
    assert (record.user_name, record.refresh_token) == (soid, None)
    assert zoho.is_live(tokens.access_token(record.id or ""))
    let_expire(tokens, zoho, record)
    with pytest.raises(InvalidGrantError, match="Log in again"):
        tokens.access_token(record.id or "")
    again = tokens.log_in(client, ClientCredentials(("ZohoCRM.modules.ALL",), soid))
    assert again.id == record.id
    assert tokens.access_token(record.id or "") == again.access_token
    assert zoho.counters().client_credentials == 2


@pytest.mark.parametrize("kind", ["client credentials", "device"])
def test_nothing_is_left_of_the_login_before(
    tokens: Tokens, zoho: Emulator, client: Client, events: list[Event], pauses: Pauses, kind: str
) -> None:
    """A login without a refresh token, under the name of another one, is never renewed as that one."""
    first = tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="tenant-7")
    credentials: ClientCredentials | Device = ClientCredentials(
        SCOPES, f"ZohoCRM.{zoho.default_users[1].zgid}"
    )
    if kind == "device":
        zoho.fault("token:device_token", "body", body='{"access_token": "1000.another"}')
        credentials = Device(SCOPES, lambda _: None)
    events.clear()
    second = tokens.log_in(client, credentials, user_name="tenant-7")
    assert (second.id, second.refresh_token) == (first.id, None)
    assert [event.kind for event in events].count(EventKind.REPLACED) == 1
    let_expire(tokens, zoho, second)
    with pytest.raises(InvalidGrantError, match="Log in again"):
        tokens.access_token(second.id or "")
    tokens.revoke(second.id or "")
    assert not zoho.is_live(first.refresh_token or "")


def test_zoho_that_cannot_answer(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """Nobody is stored, and the refresh token can be tried again."""
    zoho.fault("token", "status", times=1, status=503)
    credentials = RefreshToken(zoho.mint_refresh_token())
    with pytest.raises(AccountsUnavailableError) as caught:
        tokens.log_in(client, credentials)
    assert list(tokens.scan()) == []
    time.sleep(caught.value.retry_after or 0)
    assert tokens.log_in(client, credentials).id


@pytest.mark.parametrize(
    ("options", "server"),
    [
        ({}, "https://accounts.zoho.com"),
        ({"api_domain": "https://www.zohoapis.in"}, "https://accounts.zoho.in"),
        ({"api_domain": "https://sandbox.zohoapis.com.au"}, "https://accounts.zoho.com.au"),
        ({"accounts_url": "https://accounts.zoho.eu"}, "https://accounts.zoho.eu"),
        (
            {"api_domain": "https://x.example", "accounts_url": "https://accounts.zoho.jp"},
            "https://accounts.zoho.jp",
        ),
    ],
)
def test_which_server_is_asked(options: dict[str, Any], server: str) -> None:
    """That of the API domain, the one that is named, or the first of all data centres."""
    fleet = Fleet()
    record = Tokens(Lifecycle(fleet.first)).log_in(
        Client("1000.C", "s"), Code("1000.code", code_verifier="v"), user_name="patricia", **options
    )
    ((url, form),) = fleet.zoho.requests
    assert url == f"{server}/oauth/v2/token"
    assert form["code_verifier"] == "v"
    assert record.api_domain == options.get("api_domain")


@pytest.mark.parametrize(
    "spelling", ["eu", "www.zohoapis.eu", "https://www.zohoapis.eu/", "HTTPS://WWW.ZOHOAPIS.EU"]
)
def test_an_api_domain_is_stored_as_zoho_spells_it(spelling: str) -> None:
    """However it is spelled, a user and client are one login."""
    fleet = Fleet()
    tokens = Tokens(Lifecycle(fleet.first))
    for code, api_domain in (("1000.one", "https://www.zohoapis.eu"), ("1000.two", spelling)):
        tokens.log_in(Client("1000.C", "s"), Code(code), user_name="patricia", api_domain=api_domain)
    assert fleet.stored().api_domain == "https://www.zohoapis.eu"


def test_a_server_that_is_not_that_of_the_domain_is_refused() -> None:
    """Renewals would go elsewhere than the code; nothing is sent to either."""
    fleet = Fleet()
    tokens, client = Tokens(Lifecycle(fleet.first)), Client("1000.C", "s")
    with pytest.raises(ConfigurationError, match="accounts_url names another"):
        tokens.log_in(
            client,
            Code("1000.code"),
            api_domain="https://www.zohoapis.eu",
            accounts_url="http://localhost:8000",
        )
    assert fleet.zoho.requests == []
    same = "https://accounts.zoho.eu/oauth/v2/token"
    assert tokens.log_in(client, Code("1000.code"), user_name="p", api_domain="eu", accounts_url=same).id


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: Client("", "s"), "Client: id must be a non-empty string"),
        (lambda: Client("1000.C", None), "Client: secret must be"),  # type: ignore[arg-type]
        (lambda: Code(""), "Code: code must be"),
        (lambda: Code(None), "Code: code must be"),  # type: ignore[arg-type]
        (lambda: RefreshToken(b"1000.r"), "RefreshToken: token must be"),  # type: ignore[arg-type]
        (lambda: ClientCredentials(SCOPES, ""), "ClientCredentials: soid must be"),
        (lambda: Device(SCOPES, None), "Device: show must be a function"),  # type: ignore[arg-type]
    ],
)
def test_what_is_missing_is_named(make: Callable[[], object], says: str) -> None:
    """An unset environment variable, say, is not sent to Zoho."""
    with pytest.raises(ConfigurationError, match=says):
        make()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"client": "1000.C"}, "a Client, and a Code"),
        ({"credentials": "1000.code"}, "a Client, and a Code"),
        ({"credentials": None}, "a Client, and a Code"),
        ({"accounts_url": 5}, "accounts URL cannot be used"),
        ({"credentials": ClientCredentials((None,), "ZohoCRM.1")}, "scopes as a list of strings"),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_cannot_be_used(tokens: Tokens, client: Client, options: Any, says: str) -> None:
    """They are refused in a sentence."""
    with pytest.raises(ConfigurationError, match=says):
        tokens.log_in(**{"client": client, "credentials": RefreshToken("1000.r"), **options})


def test_empty_options_are_missing_ones(tokens: Tokens, zoho: Emulator, client: Client) -> None:
    """As everywhere: Zoho is asked who it is, and its answer says where the data is."""
    credentials = RefreshToken(zoho.mint_refresh_token())
    record = tokens.log_in(client, credentials, user_name="", api_domain="", accounts_url="")
    assert (record.user_name, record.api_domain) == (zoho.default_users[0].user_name, zoho.url)


def test_nothing_secret_is_shown() -> None:
    """What a login is made with hides its secrets."""
    made = [
        Client("1000.ID", "hidden"),
        Code("hidden", "https://portal.example", "hidden"),
        RefreshToken("hidden"),
    ]
    assert "hidden" not in repr(made)
    assert "1000.ID" in repr(made)
