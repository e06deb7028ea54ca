"""From the button to the session: what a login becomes, and each way in which it does not."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any, cast
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.accounts.support import texts_of
from tests.login.support import CALLBACK, SECURE, Browser, Site, consent, failure_of
from tests.support.leaseless import LeaselessBackend
from zoho_tokenstore import (
    BackendUnavailableError,
    Client,
    ConfigurationError,
    InvalidGrantError,
    RefreshPolicy,
    TokenRepository,
    Tokens,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.login import CRM_READ, LoginFailedError, LoginFlow
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport


class TestSuccess:
    """Somebody consents, and is logged in."""

    def test_a_login(self, browser: Browser, site: Site, patricia: str) -> None:
        """The login is stored under the name that Zoho knows, and its session lets this browser in."""
        assert browser.user is None
        done = browser.log_in(patricia, next="/courses?term=2")
        assert site.flow.identify(done.session) == done.login
        assert (done.login.user_name or "").startswith(f"{patricia}:")
        assert done.next == "/courses?term=2"
        assert [login.id for login in site.stored] == [done.login.id]
        assert site.tokens.get(done.login.id or "").access_token

    def test_where_the_browser_is_sent(self, browser: Browser, site: Site) -> None:
        """To Zoho, with a state and a PKCE challenge of its own, for a refresh token, asking each time."""
        urls = [browser.start().url for _ in range(2)]
        first, second = ({k: v[0] for k, v in parse_qs(urlsplit(url).query).items()} for url in urls)
        assert urls[0].startswith(f"{site.zoho.url}/oauth/v2/auth?")
        assert first["redirect_uri"] == CALLBACK
        assert set(CRM_READ) == set(first["scope"].split(","))
        assert (first["access_type"], first["prompt"]) == ("offline", "consent")
        assert first["code_challenge_method"] == "S256"
        assert not {first["state"], first["code_challenge"]} & {second["state"], second["code_challenge"]}

    def test_two_tabs(self, browser: Browser, patricia: str, zoho: Emulator) -> None:
        """Both logins of one browser succeed, in the other order, too."""
        one, two = browser.start(next="/one"), browser.start(next="/two")
        assert browser.come_back(consent(zoho, two, patricia)).next == "/two"
        assert browser.come_back(consent(zoho, one, patricia)).next == "/one"

    def test_the_scopes_of_the_name_are_added(self, site: Site) -> None:
        """An application that names its own scopes need not think of them."""
        flow = LoginFlow(site.tokens, site.client, CALLBACK, scopes=["ZohoBooks.fullaccess.all"])
        assert flow.scopes == ("ZohoCRM.users.READ", "ZohoCRM.org.READ", "ZohoBooks.fullaccess.all")

    def test_a_second_consent_without_asking(self, browser: Browser, site: Site, patricia: str) -> None:
        """Zoho sends no refresh token then; the stored one of the same user is kept."""
        first = browser.log_in(patricia)
        again = browser.log_in(patricia, prompt=None)
        assert again.login.id == first.login.id
        assert again.login.refresh_token == first.login.refresh_token

    def test_another_login_of_the_same_user(self, browser: Browser, site: Site, patricia: str) -> None:
        """In another browser: one login here, and both browsers are in."""
        other = Browser(site)
        assert browser.log_in(patricia).login.id == other.log_in(patricia).login.id
        assert browser.user is not None
        assert other.user is not None
        assert len(site.stored) == 1

    def test_a_relogin_of_the_expected_user(self, browser: Browser, patricia: str) -> None:
        """By the whole name, or the e-mail address."""
        name = browser.log_in(patricia).login.user_name
        assert browser.log_in(patricia, user=name).login.user_name == name
        assert browser.log_in(patricia, user=patricia.upper()).login.user_name == name


class TestFailure:
    """Nobody is logged in, and nothing is left at Zoho."""

    @pytest.fixture(autouse=True)
    def _nothing_is_left(self, site: Site, zoho: Emulator) -> Any:
        yield
        assert site.stored == []

    def test_the_user_says_no(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        answer = consent(zoho, browser.start(next="/x"), patricia, "reject")
        failed = failure_of(lambda: browser.come_back(answer))
        assert (failed.kind, failed.next) == ("denied", "/x")

    def test_a_forged_state(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        answer = consent(zoho, browser.start(), patricia)
        for forged in ("forged", "", ".", "\udce9.x", answer["state"][:-1] + "x", "x." + answer["state"]):
            changed = {**answer, "state": forged}
            assert failure_of(partial(browser.come_back, changed)).kind == "foreign"
        assert failure_of(lambda: browser.come_back({"code": answer["code"]})).kind == "foreign"

    def test_a_strangers_callback(self, browser: Browser, site: Site, zoho: Emulator, patricia: str) -> None:
        """Whoever is sent somebody's callback, code and all, is not logged in; the address is burnt.

        So nobody can log in with a consent that was given in another browser, by sending its owner a link.
        """
        answer = consent(zoho, browser.start(), patricia)
        stranger = Browser(site)
        stranger.start()
        assert failure_of(lambda: stranger.come_back(answer)).kind == "foreign"
        assert stranger.user is None
        assert failure_of(lambda: browser.come_back(answer)).kind == "foreign"
        assert zoho.journal("token:authorization_code") == []

    def test_a_code_of_another_login(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str, rajesh: str
    ) -> None:
        """A stolen code, put into the thief's own callback, fails at Zoho: it belongs to another verifier."""
        stolen = consent(zoho, browser.start(), patricia)["code"]
        thief = Browser(site)
        answer = consent(zoho, thief.start(), rajesh)
        assert failure_of(lambda: thief.come_back({**answer, "code": stolen})).kind == "expired"
        assert thief.user is None

    def test_a_login_that_takes_too_long(self, browser: Browser, site: Site, patricia: str) -> None:
        started = browser.start()
        site.clock.pass_(601)
        answer = consent(site.zoho, started, patricia)
        assert failure_of(lambda: browser.come_back(answer)).kind == "expired"

    def test_a_code_that_has_expired(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        answer = consent(zoho, browser.start(), patricia)
        zoho.advance(181)
        assert failure_of(lambda: browser.come_back(answer)).kind == "expired"

    def test_a_server_that_is_none_of_zohos(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        """The code and the client's secret are sent to nobody."""
        answer = consent(zoho, browser.start(), patricia) | {"accounts-server": "https://accounts.zoho.evil"}
        assert failure_of(lambda: browser.come_back(answer)).kind == "unknown_server"
        assert zoho.journal("token:authorization_code") == []

    def test_somebody_else_than_expected(
        self, browser: Browser, zoho: Emulator, patricia: str, rajesh: str
    ) -> None:
        """The other one's tokens are revoked again."""
        assert failure_of(lambda: browser.log_in(rajesh, user=patricia)).kind == "wrong_user"
        assert [entry.status for entry in zoho.journal("revoke")] == [200]
        assert browser.user is None

    @pytest.mark.parametrize("look_alike", ["\u212apatricia@zylker.example", "stra\u00dfe@zylker.example"])
    def test_an_expected_address_that_only_looks_alike(
        self, browser: Browser, zoho: Emulator, look_alike: str
    ) -> None:
        """The Kelvin sign is no `k`, and a sharp s not two: case folding would say they are."""
        zoho.add_user(look_alike.casefold())
        failed = failure_of(lambda: browser.log_in(look_alike.casefold(), user=look_alike))
        assert failed.kind == "wrong_user"

    def test_an_expected_address_with_a_prefix_in_common(self, browser: Browser, rajesh: str) -> None:
        assert failure_of(lambda: browser.log_in(rajesh, user=rajesh[:-1])).kind == "wrong_user"

    def test_nobody_knows_who_it_is(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        zoho.fault("users", "status", status=401)
        assert failure_of(lambda: browser.log_in(patricia)).kind == "unknown_user"
        assert len(zoho.journal("revoke")) == 1

    def test_zoho_says_why_it_sends_no_code(self, browser: Browser) -> None:
        """The operator reads it, whatever is in it."""
        state = next(iter(browser.start().kept))
        failed = failure_of(lambda: browser.come_back({"state": state, "error": "invalid_scope\n"}))
        assert failed.kind == "refused"
        assert str(failed).endswith(r"Its error: 'invalid_scope\n'.")

    def test_a_client_that_zoho_refuses(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        answer = consent(zoho, browser.start(), patricia)
        zoho.fault("token:authorization_code", "error", error="invalid_client")
        failed = failure_of(lambda: browser.come_back(answer))
        assert failed.kind == "refused"
        assert "invalid_client" in str(failed)
        assert zoho.default_client.client_secret not in " ".join(texts_of(failed))

    def test_zoho_is_down(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        answer = consent(zoho, browser.start(), patricia)
        zoho.fault("token:authorization_code", "status", status=503)
        assert failure_of(lambda: browser.come_back(answer)).kind == "unavailable"
        zoho.clear_faults()

    @pytest.mark.parametrize("status", [500, 503, 429])
    @pytest.mark.parametrize("endpoint", ["users", "org"])
    def test_the_crm_is_down(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str, endpoint: str, status: int
    ) -> None:
        """Then nobody knows who it is, and that is no matter of scopes: the user can try again."""
        answer = consent(zoho, browser.start(), patricia)
        zoho.fault(endpoint, "status", status=status)
        failed = failure_of(lambda: browser.come_back(answer))
        assert (failed.kind, site.stored, zoho.counters().live_refresh_tokens) == ("unavailable", [], 0)

    def test_zoho_is_down_when_tokens_are_given_back(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str, rajesh: str
    ) -> None:
        """Then their revocation is owed."""
        zoho.fault("revoke", "status", status=503)
        failure_of(lambda: browser.log_in(rajesh, user=patricia))
        assert len(list(site.tokens.lifecycle.ending.debts())) == 1

    def test_an_answer_without_a_refresh_token(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str
    ) -> None:
        """Somebody consented before, and the store has lost it: access would end in an hour."""
        site.flow.end(browser.log_in(patricia).login.id or "")
        failed = failure_of(lambda: browser.log_in(patricia, prompt=None))
        assert failed.kind == "no_refresh_token"

    def test_the_store_cannot_be_written(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Then the code is not spent."""
        answer = consent(zoho, browser.start(), patricia)
        with monkeypatch.context() as patch:
            patch.setattr(site.tokens.lifecycle.renewer.repository, "prove_writable", _fail)
            assert failure_of(lambda: browser.come_back(answer)).kind == "unavailable"
        assert zoho.journal("token:authorization_code") == []


def _fail(_: object) -> None:
    raise BackendUnavailableError("The disk is full.")


def test_it_can_be_pickled() -> None:
    """With its kind, its sentence, and what the session keeps."""
    error = LoginFailedError("denied", "why")
    error.next = "/x"
    copy = pickle.loads(pickle.dumps(error))
    assert (copy.kind, copy.sentence, copy.next, str(copy)) == ("denied", error.sentence, "/x", str(error))


def test_what_cannot_be_used_is_told_at_once(site: Site) -> None:
    """Not to the first user."""
    with pytest.raises(ConfigurationError, match="list of strings"):
        LoginFlow(site.tokens, site.client, CALLBACK, scopes="ZohoCRM.users.READ")
    for url in (
        "",
        "/callback",
        "portal.example/callback",
        "https://[::1/callback",
        f"{SECURE}#x",
        f" {SECURE}",
    ):
        with pytest.raises(ConfigurationError, match="redirect URL"):
            LoginFlow(site.tokens, site.client, url)
    for duration in (timedelta(0), timedelta(days=-1), 600):
        for name in ("time_limit", "session_lifetime"):
            with pytest.raises(ConfigurationError, match=f"{name} must be a timedelta above zero"):
                LoginFlow(site.tokens, site.client, CALLBACK, **{name: cast("Any", duration)})
    with pytest.raises(ConfigurationError, match="'EU' in clients"):
        LoginFlow(site.tokens, site.client, CALLBACK, clients={"EU": site.client})
    pair = cast("Any", ("1000.ID", "secret"))
    for clients in ({"client": pair}, {"client": site.client, "clients": {"eu": pair}}):
        with pytest.raises(ConfigurationError, match="must be a Client, not tuple"):
            LoginFlow(site.tokens, redirect_url=CALLBACK, **clients)
    with pytest.raises(ConfigurationError, match="LoginFlow needs Tokens, not TokenRepository"):
        LoginFlow(cast("Any", site.tokens.lifecycle.renewer.repository), site.client, CALLBACK)


def test_a_scheme_has_no_case(site: Site) -> None:
    """The site's cookie is for HTTPS alone, however its address is written."""
    assert LoginFlow(site.tokens, site.client, SECURE.replace("https", "HTTPS")).is_secure


def test_a_store_that_shares_tokens_only(zoho: Emulator) -> None:
    """A browser would be logged in at one process, and a stranger to the others."""
    repository = TokenRepository(cast("Any", LeaselessBackend()))
    tokens = Tokens(Lifecycle(Renewer(repository, RefreshPolicy())), accounts_url=zoho.accounts_url)
    with pytest.raises(ConfigurationError, match="keeps no leases"):
        LoginFlow(tokens, Client("1", "2"), CALLBACK)


@pytest.mark.parametrize("path", ["", "/oauth/v2/token"])
def test_data_centres_with_secrets_of_their_own(
    site: Site, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """The code of a user in Europe is exchanged there, by the client of Europe.

    Also if logins begin at the address that the SDK's environment has, the token endpoint.
    """
    sent: list[tuple[str, Mapping[str, str]]] = []

    def post(_: object, url: str, form: Mapping[str, str], headers: object = None) -> HTTPAnswer:
        sent.append((url, form))
        return HTTPAnswer(200, b'{"error": "invalid_code"}')

    monkeypatch.setattr(Transport, "post", post)
    home = f"https://accounts.zoho.com{path}"
    clients = {"eu": Client("1000.EU", "secret-of-eu")}
    flow = LoginFlow(site.tokens, site.client, CALLBACK, clients=clients, accounts_url=home)
    for location, client in (("eu", clients["eu"]), ("in", site.client)):
        kept = flow.start().kept
        answer = {"state": next(iter(kept)), "code": "1000.x", "location": location}
        failure_of(partial(flow.finish, answer, kept))
        url, form = sent.pop()
        assert url == f"https://accounts.zoho.{location}/oauth/v2/token"
        assert (form["client_id"], form["client_secret"]) == (client.id, client.secret)


def test_no_secret_is_shown(browser: Browser, site: Site, patricia: str, zoho: Emulator) -> None:
    """Not in a repr, nor in an error."""
    started = browser.start()
    done = browser.come_back(consent(zoho, started, patricia))
    verifier = next(iter(started.kept.values()))[1]
    shown = f"{started!r} {done!r} {site.flow!r}"
    for secret in (verifier, done.session, done.login.refresh_token, done.login.access_token):
        assert secret
        assert secret not in shown
    answer = consent(zoho, browser.start(), patricia)
    zoho.fault("token:authorization_code", "error", error="invalid_code")
    failed = failure_of(lambda: browser.come_back(answer))
    assert isinstance(failed.__cause__, InvalidGrantError)
    assert answer["code"] not in f"{failed!r} {failed.__cause__!r}"


def test_a_stored_refresh_token_that_nobody_vouches_for(
    browser: Browser, site: Site, zoho: Emulator, patricia: str
) -> None:
    """Another program stored it under her name: it is not taken for hers, and is left as it is."""
    login = browser.log_in(patricia).login
    repository = site.tokens.lifecycle.renewer.repository
    site.flow.end(login.id or "")
    stored = repository.save(login.changed(id=None, refresh_token=zoho.mint_refresh_token()))
    failed = failure_of(lambda: browser.log_in(patricia, prompt=None))
    assert failed.kind == "no_refresh_token"
    assert repository.get(stored.id or "") == stored
