"""The OAuth endpoints, at the local Zoho where it plays the part, else at a server made for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from urllib.parse import parse_qsl

import pytest

from tests.accounts.conftest import Serve
from tests.accounts.support import answering, http
from tests.emulator.support import FakeClock
from tests.support.network import HERE
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    ConfigurationError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitedError,
)
from zoho_tokenstore.renewal._accounts import Accounts
from zoho_tokenstore.renewal._answers import TokenResponse
from zoho_tokenstore.renewal._authorization import pkce_pair
from zoho_tokenstore.renewal._datacenters import of_location
from zoho_tokenstore.renewal._device import Pending
from zoho_tokenstore.renewal._transport import Transport

QUICK = Transport(timeout=timedelta(seconds=5))
SHORT = Transport(timeout=timedelta(seconds=0.3))


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def zoho(clock: FakeClock) -> Iterator[Emulator]:
    with Emulator(clock=clock) as running:
        yield running


@pytest.fixture
def accounts(zoho: Emulator) -> Accounts:
    return Accounts(zoho.accounts_url, transport=QUICK)


@pytest.fixture
def client(zoho: Emulator) -> tuple[str, str]:
    return zoho.default_client.client_id, zoho.default_client.client_secret


class TestAtTheLocalZoho:
    """What works, and what Zoho refuses."""

    def test_a_code_and_a_refresh(
        self, zoho: Emulator, clock: FakeClock, accounts: Accounts, client: tuple[str, str]
    ) -> None:
        """A code brings both tokens; a refresh another access token, that ends by Zoho's clock."""
        login = accounts.exchange(*client, zoho.mint_code())
        assert login.refresh_token is not None
        assert login.api_domain == zoho.url
        assert "ZohoCRM.modules.ALL" in login.scopes
        clock.seconds += 100
        again = accounts.refresh(*client, login.refresh_token)
        assert again.refresh_token is None
        assert zoho.is_live(again.access_token)
        assert again.date_ms == int(clock.seconds * 1000)
        assert again.expires_at_ms == again.date_ms + 3_600_000

    def test_a_code_of_a_browser_with_pkce(
        self, zoho: Emulator, accounts: Accounts, client: tuple[str, str]
    ) -> None:
        """Redirect URL and verifier are sent along: a wrong one of either is refused."""
        redirect_url = zoho.default_client.redirect_uris[0]
        pair = pkce_pair()

        def code() -> str:
            import httpx2

            query = {
                "client_id": client[0],
                "response_type": "code",
                "redirect_uri": redirect_url,
                "scope": "ZohoCRM.users.READ",
                "access_type": "offline",
                "code_challenge": pair.challenge,
                "code_challenge_method": "S256",
            }
            with httpx2.Client(**HERE) as browser:
                page = browser.get(f"{zoho.url}/oauth/v2/auth", params=query)
                ticket = page.text.partition('name="ticket" value="')[2].partition('"')[0]
                form = {"ticket": ticket, "user": zoho.default_users[0].email, "decision": "accept"}
                location = browser.post(f"{zoho.url}/oauth/v2/auth", data=form).headers["location"]
            return dict(parse_qsl(location.partition("?")[2]))["code"]

        right = {"redirect_url": redirect_url, "code_verifier": pair.verifier}
        assert accounts.exchange(*client, code(), **right).refresh_token
        for wrong in ({"redirect_url": "https://elsewhere.example"}, {"code_verifier": "x" * 43}):
            with pytest.raises(InvalidGrantError):
                accounts.exchange(*client, code(), **{**right, **wrong})

    def test_client_credentials(self, zoho: Emulator, accounts: Accounts, client: tuple[str, str]) -> None:
        """A self client gets an access token for its organisation, and no login."""
        soid = f"ZohoCRM.{zoho.default_users[0].organization.zgid}"
        grant = accounts.client_credentials(*client, ["ZohoCRM.users.READ", "ZohoCRM.org.READ"], soid=soid)
        assert grant.refresh_token is None
        assert grant.scopes == ("ZohoCRM.users.READ", "ZohoCRM.org.READ")
        with pytest.raises(InvalidGrantError) as caught:
            accounts.client_credentials(*client, ["ZohoCRM.users.READ"], soid="")
        assert caught.value.error_code == "missing_org_info"

    def test_revocation(self, zoho: Emulator, accounts: Accounts) -> None:
        """It ends a login; what is not there any more is refused."""
        token = zoho.mint_refresh_token()
        accounts.revoke(token)
        assert not zoho.is_live(token)
        with pytest.raises(InvalidGrantError):
            accounts.revoke(token)

    def test_revocation_of_an_access_token(
        self, zoho: Emulator, accounts: Accounts, client: tuple[str, str]
    ) -> None:
        """The login lives on."""
        login = accounts.exchange(*client, zoho.mint_code())
        accounts.revoke(login.access_token)
        assert not zoho.is_live(login.access_token)
        assert zoho.is_live(login.refresh_token or "")

    def test_refusals(self, zoho: Emulator, accounts: Accounts, client: tuple[str, str]) -> None:
        """A wrong token, code, secret or client is told as what it is."""
        client_id, secret = client
        token, code = zoho.mint_refresh_token(), zoho.mint_code()
        accounts.exchange(client_id, secret, code)
        wrong: list[tuple[type[AccountsError], str, Callable[[], object]]] = [
            (InvalidGrantError, "invalid_code", lambda: accounts.refresh(client_id, secret, "1000.no")),
            (InvalidGrantError, "invalid_code", lambda: accounts.exchange(client_id, secret, code)),
            (InvalidClientError, "invalid_client", lambda: accounts.refresh("1000.NO", secret, token)),
            (InvalidClientError, "invalid_client_secret", lambda: accounts.refresh(client_id, "no", token)),
        ]
        for kind, name, act in wrong:
            with pytest.raises(kind) as caught:
                act()
            assert (caught.value.kind, caught.value.error_code) == ("rejected", name)

    def test_the_limit_on_refreshes(
        self, zoho: Emulator, accounts: Accounts, client: tuple[str, str]
    ) -> None:
        """The eleventh refresh in ten minutes is refused as too many."""
        token = zoho.mint_refresh_token()
        for _ in range(10):
            accounts.refresh(*client, token)
        with pytest.raises(RateLimitedError) as caught:
            accounts.refresh(*client, token)
        assert caught.value.kind == "throttled"

    @pytest.mark.parametrize("fault", ["html", "status", "drop", "refuse", "hang"])
    def test_an_outage(self, zoho: Emulator, client: tuple[str, str], fault: str) -> None:
        """An answer says that it failed; none leaves it open. A code's outcome is open in both cases."""
        accounts = Accounts(zoho.url, transport=SHORT)
        zoho.fault("token", fault)
        answered = fault in ("html", "status")
        with pytest.raises(AccountsUnavailableError) as refreshed:
            accounts.refresh(*client, zoho.mint_refresh_token())
        assert refreshed.value.kind == ("transient" if answered else "uncertain")
        with pytest.raises(AccountsUnavailableError) as exchanged:
            accounts.exchange(*client, zoho.mint_code())
        assert exchanged.value.kind == "uncertain"
        assert len(zoho.journal("token:authorization_code")) == 1

    @pytest.mark.parametrize("unit", ["ms", "s"])
    def test_a_device(self, clock: FakeClock, unit: str) -> None:
        """A device waits for its user, polls in time and too early, and gets its tokens."""
        with Emulator(clock=clock, device_unit="ms" if unit == "ms" else "s") as zoho:
            accounts = Accounts(zoho.url, transport=QUICK)
            client = zoho.default_client
            device = accounts.start_device(client.client_id, ["ZohoCRM.users.READ"])
            assert device.interval == timedelta(seconds=30)
            assert device.expires_in == timedelta(minutes=5)
            assert device.verification_url.startswith(zoho.url)
            assert device.user_code in (device.verification_url_complete or "")
            assert device.device_code not in repr(device)

            def poll() -> TokenResponse | Pending:
                return accounts.poll_device(client.client_id, client.client_secret, device.device_code)

            assert poll() == Pending()
            assert poll() == Pending(slow_down=True)
            zoho.approve_device(device.user_code)
            clock.seconds += 30
            grant = poll()
            assert isinstance(grant, TokenResponse)
            assert grant.refresh_token is not None

    def test_a_device_that_is_refused_or_late(
        self, zoho: Emulator, clock: FakeClock, accounts: Accounts, client: tuple[str, str]
    ) -> None:
        """A user's no, and the end of the time, end the login."""
        refused = accounts.start_device(client[0], ["ZohoCRM.users.READ"])
        late = accounts.start_device(client[0], ["ZohoCRM.users.READ"])
        zoho.deny_device(refused.user_code)
        with pytest.raises(InvalidGrantError) as caught:
            accounts.poll_device(*client, refused.device_code)
        assert caught.value.error_code == "access_denied"
        clock.seconds += 301
        with pytest.raises(InvalidGrantError) as caught:
            accounts.poll_device(*client, late.device_code)
        assert caught.value.error_code == "expired"

    def test_a_device_whose_user_is_elsewhere(
        self, zoho: Emulator, clock: FakeClock, accounts: Accounts, client: tuple[str, str]
    ) -> None:
        """The poll names the data centre to go on at."""
        device = accounts.start_device(client[0], ["ZohoCRM.users.READ"])
        with Emulator(clock=clock, location="eu") as home:
            home.add_client(*client)
            zoho.approve_device(device.user_code, at=home)
            assert accounts.poll_device(*client, device.device_code) == Pending(data_center=of_location("eu"))


@pytest.mark.parametrize(
    ("url", "base"),
    [
        ("https://accounts.zoho.eu", "https://accounts.zoho.eu"),
        ("https://accounts.zoho.eu/", "https://accounts.zoho.eu"),
        ("https://accounts.zoho.eu/oauth/v2/token", "https://accounts.zoho.eu"),
        ("https://accounts.zoho.eu/oauth/v2/token/", "https://accounts.zoho.eu"),
        ("HTTPS://Accounts.Zoho.EU", "https://accounts.zoho.eu"),
        ("https://accounts.zoho.eu:8443", "https://accounts.zoho.eu:8443"),
        ("http://localhost:8085", "http://localhost:8085"),
        ("http://127.0.0.1:8085/oauth/v2/token", "http://127.0.0.1:8085"),
        ("http://127.1.2.3", "http://127.1.2.3"),
        ("http://[::1]:8085", "http://[::1]:8085"),
        ("http://zoho:8085", "http://zoho:8085"),
        ("http://10.0.0.1", "http://10.0.0.1"),
        ("http://[::ffff:10.0.0.1]", "http://[::ffff:10.0.0.1]"),
    ],
)
def test_the_accounts_url(url: str, base: str) -> None:
    """A base URL and the SDK's token URL are both taken; plain HTTP for what is near."""
    assert Accounts(url).url == base
    assert repr(Accounts(url)) == f"Accounts({base!r})"


@pytest.mark.parametrize(
    "url",
    [
        "",
        "accounts.zoho.eu",
        "ftp://accounts.zoho.eu",
        "http://accounts.zoho.eu",
        "http://8.8.8.8",
        "http://localhost.evil.example",
        "http://127.0.0.1.evil.example",
        "http://127.0.0.1@evil.example",
        "http://[::ffff:8.8.8.8]",
        "https://user:very-secret@accounts.zoho.eu",
        "https://accounts.zoho.eu/oauth/v2/auth",
        "https://accounts.zoho.eu?very-secret",
        "https://accounts.zoho.eu#x",
        "https://accounts.zoho.eu\n",
        "https://accounts.zoho.eu /",
        "https://аccounts.zoho.eu",
    ],
)
def test_an_accounts_url_that_cannot_be_used(url: str) -> None:
    """Credentials go out over TLS or not at all; the message does not show what was in the URL."""
    with pytest.raises(ConfigurationError) as caught:
        Accounts(url)
    assert "very-secret" not in str(caught.value)


@pytest.mark.parametrize("scopes", [[], (), "ZohoCRM.users.READ", ""])
def test_scopes_are_a_list(scopes: list[str]) -> None:
    """One string is no list of scopes, though Python takes it for one."""
    accounts = Accounts("http://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="list of strings"):
        accounts.start_device("c", scopes)
    with pytest.raises(ConfigurationError, match="list of strings"):
        accounts.client_credentials("c", "s", scopes, soid="ZohoCRM.1")


@pytest.mark.parametrize("answer", [{}, {"status": "failure"}, {"status": "Success"}, {"error": ""}, []])
def test_a_revocation_that_is_not_confirmed(serve: Serve, answer: object) -> None:
    """Only Zoho's `success` counts as revoked."""
    accounts = Accounts(serve(answering(http(answer))).url, transport=QUICK)
    with pytest.raises(AccountsUnavailableError):
        accounts.revoke("t")


def test_a_token_to_revoke_that_zoho_does_not_know(serve: Serve) -> None:
    """By Zoho's pages that is a status of 400, with no word for it: the login is dead, and no debt."""
    unknown = {"status": "failure"}
    with pytest.raises(InvalidGrantError):
        Accounts(serve(answering(http(unknown, status=400))).url, transport=QUICK).revoke("t")
    throttled = unknown | {"error": "Access Denied", "error_description": "too many"}
    with pytest.raises(RateLimitedError):
        Accounts(serve(answering(http(throttled, status=400))).url, transport=QUICK).revoke("t")


@pytest.mark.parametrize("word", ["invalid_code", "invalid_grant", "invalid_token"])
def test_a_token_to_revoke_that_is_called_dead(serve: Serve, word: str) -> None:
    """Zoho's words for a token that it does not know."""
    with pytest.raises(InvalidGrantError):
        Accounts(serve(answering(http({"error": word}))).url, transport=QUICK).revoke("t")


@pytest.mark.parametrize(
    ("word", "status"),
    [
        ("general_error", 200),
        ("internal_error", 200),
        ("access_denied", 200),
        ("something_new", 200),
        ("invalid_request", 400),
        ("unauthorized", 401),
    ],
)
def test_a_refused_revocation_that_says_nothing_of_the_token(serve: Serve, word: str, status: int) -> None:
    """The token may be alive: it is not taken for dead."""
    accounts = Accounts(serve(answering(http({"error": word}, status=status))).url, transport=QUICK)
    with pytest.raises(AccountsUnavailableError) as caught:
        accounts.revoke("t")
    assert (caught.value.kind, caught.value.error_code) == ("transient", word)


DEVICE = {"device_code": "d", "user_code": "u", "verification_url": "https://accounts.zoho.eu/device"}


@pytest.mark.parametrize(
    "changes",
    [
        {"device_code": None},
        {"user_code": 7},
        {"verification_url": "javascript:alert(1)"},
        {"verification_url": ""},
    ],
)
def test_a_device_without_codes(serve: Serve, changes: dict[str, object]) -> None:
    """A device that has nothing to show or to poll with cannot go on."""
    accounts = Accounts(serve(answering(http({**DEVICE, **changes}))).url, transport=QUICK)
    with pytest.raises(AccountsUnavailableError):
        accounts.start_device("c", ["A.b.READ"])


def test_a_device_with_the_least(serve: Serve) -> None:
    """Without times it is polled as seldom as Zoho wants, for as long as its page says."""
    accounts = Accounts(serve(answering(http(DEVICE))).url, transport=QUICK)
    device = accounts.start_device("c", ["A.b.READ"])
    assert (device.interval, device.expires_in) == (timedelta(seconds=30), timedelta(minutes=5))
    assert device.verification_url_complete is None
