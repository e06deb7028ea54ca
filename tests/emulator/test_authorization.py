"""The authorization page, and the redirect back."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from tests.emulator.support import CHECKED_ORIGIN, Caller, FakeClock, authorization_query
from zoho_tokenstore.emulator import Emulator

VERIFIER = "v" * 64


@pytest.fixture
def quick(clock: FakeClock) -> Iterator[Caller]:
    """A caller of an emulator that accepts without a page."""
    with Emulator(clock=clock, auto_consent="rajesh@zylker.example") as zoho:
        caller = Caller(zoho)
        with caller.http:
            yield caller


def ask(caller: Caller, **changes: str) -> httpx2.Response:
    query = authorization_query(caller.zoho.default_client, **changes)
    return caller.http.get(f"{caller.zoho.url}/oauth/v2/auth", params=query)


def found(answer: httpx2.Response) -> dict[str, str]:
    """Return the parameters of the redirect."""
    assert answer.status_code == 302
    location = answer.headers["location"]
    assert location.startswith(f"{CHECKED_ORIGIN}?")
    return {name: values[0] for name, values in parse_qs(urlsplit(location).query).items()}


def decide(caller: Caller, page: httpx2.Response, decision: str, user: str) -> httpx2.Response:
    ticket = re.search(r'name="ticket" value="([0-9a-f]+)"', page.text)
    assert ticket is not None
    form = {"ticket": ticket[1], "user": user, "decision": decision}
    return caller.http.post(f"{caller.zoho.url}/oauth/v2/auth", data=form)


def redeem(caller: Caller, code: str, **form: str) -> dict[str, str]:
    body: dict[str, str] = caller.exchange(code, **{"redirect_uri": CHECKED_ORIGIN, **form}).json()
    return body


def test_page_flow_from_question_to_tokens(caller: Caller) -> None:
    """The user is picked and accepts; the redirect has code, location, accounts-server and state."""
    page = ask(caller, state="a b&c")
    user = caller.zoho.default_users[1]
    back = found(decide(caller, page, "accept", user.email))
    assert (back["location"], back["accounts-server"], back["state"]) == ("us", caller.zoho.url, "a b&c")
    access = redeem(caller, back["code"])["access_token"]
    me = caller.crm("v8/users?type=CurrentUser", access).json()["users"][0]
    assert me["email"] == user.email


def test_reset_closes_open_pages(caller: Caller) -> None:
    """A page from before a reset decides nothing after it."""
    page = ask(caller)
    caller.zoho.reset()
    answer = decide(caller, page, "accept", caller.zoho.default_users[0].email)
    assert (answer.status_code, caller.zoho.counters().count("auth", "invalid_ticket")) == (400, 1)


def test_page_lists_users_and_scopes_accessibly(caller: Caller) -> None:
    """The page has a language, a title, a legend, and a label for every choice."""
    page = ask(caller).text
    assert '<html lang="en">' in page
    assert "<legend>" in page
    assert page.count("<label>") == len(caller.zoho.default_users)
    assert "ZohoCRM.modules.ALL" in page


def test_rejection_is_access_denied(caller: Caller) -> None:
    """The user says no: error=access_denied, and the state."""
    back = found(decide(caller, ask(caller, state="s"), "reject", caller.zoho.default_users[0].email))
    assert back == {"error": "access_denied", "state": "s"}


def test_decision_is_made_once(caller: Caller) -> None:
    """The form cannot be sent twice, and not without a question."""
    page, user = ask(caller), caller.zoho.default_users[0].email
    decide(caller, page, "accept", user)
    assert decide(caller, page, "accept", user).status_code == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"client_id": "1000.UNKNOWN"},
        {"redirect_uri": "https://evil.example/callback"},
        {"redirect_uri": f"{CHECKED_ORIGIN}/more"},
        {"redirect_uri": ""},
        {"response_type": "token"},
        {"scope": ""},
        {"scope": "not a <scope>"},
        {"access_type": "sometimes"},
        {"code_challenge": "short"},
        {"code_challenge": "c" * 43, "code_challenge_method": "S512"},
    ],
)
def test_wrong_question_is_a_page_and_no_redirect(caller: Caller, changes: dict[str, str]) -> None:
    """Nothing is redirected that was not checked."""
    answer = ask(caller, **changes)
    assert answer.status_code == 400
    assert "location" not in answer.headers


def test_page_escapes_what_it_shows(clock: FakeClock) -> None:
    """A name with markup stays text."""
    with Emulator(clock=clock) as zoho:
        caller = Caller(zoho)
        with caller.http:
            zoho.add_user('"><script>x</script>@a.example', full_name="<b>Bold</b>")
            page = ask(caller).text
    assert "<script>" not in page
    assert "<b>" not in page


def test_page_forbids_scripts_and_frames(caller: Caller) -> None:
    """The page's headers forbid scripts, frames and referrers."""
    headers = ask(caller).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("uri", "targets"),
    [
        (CHECKED_ORIGIN, "'self' http://localhost:8000"),
        ("https://portal.example/cb?tenant=7", "'self' https://portal.example"),
        ("http://[::1]:9000/cb", "'self' http://[::1]:9000"),
        ("com.example.app:/callback", "'self' com.example.app:"),
        ("https://portal.example;script-src *//cb", "'self' https:"),
    ],
)
def test_form_of_the_page_leads_to_the_client_alone(caller: Caller, uri: str, targets: str) -> None:
    """The page's policy names where its form may lead, and nothing can be smuggled into it."""
    client = caller.zoho.add_client(redirect_uris=[uri])
    page = ask(caller, client_id=client.client_id, redirect_uri=uri).text
    assert f'http-equiv="Content-Security-Policy" content="form-action {targets}">' in page


@pytest.mark.parametrize(
    ("scope", "words"),
    [
        ("ZohoCRM.modules.ALL", "CRM: see, add, change and delete records of all modules"),
        ("ZohoCRM.modules.Leads.READ", "CRM: see records of Leads"),
        ("ZohoCRM.settings.fields.READ", "CRM: see fields in the settings"),
        ("ZohoCRM.users.READ", "CRM: see users"),
        ("ZohoBooks.fullaccess.all", "Books: everything"),
        ("Desk.tickets.UPDATE", "Desk: change tickets"),
        ("email", "See your e-mail address"),
        ("ZohoProjects.portals.READ", ""),
        ("ZohoCRM.coql.READ", ""),
    ],
)
def test_page_says_in_words_what_is_asked_for(caller: Caller, scope: str, words: str) -> None:
    """The usual scopes have a sentence; every scope is shown as it is."""
    assert f"<li>{words}<code>{scope}</code></li>" in ask(caller, scope=scope).text


@pytest.mark.parametrize("uri", ["javascript:alert(1)", "data:text/html,x"])
def test_script_uris_are_never_redirected_to(caller: Caller, uri: str) -> None:
    """Not even when somebody registered one."""
    client = caller.zoho.add_client(redirect_uris=[uri])
    assert ask(caller, client_id=client.client_id, redirect_uri=uri).status_code == 400


def test_auto_consent_redirects_at_once(quick: Caller) -> None:
    """With auto_consent the named user accepts without a page."""
    access = redeem(quick, found(ask(quick))["code"])["access_token"]
    me = quick.crm("v8/users?type=CurrentUser", access).json()["users"][0]
    assert me["email"] == "rajesh@zylker.example"


def test_query_of_the_redirect_uri_is_kept(quick: Caller) -> None:
    """A registered URI may have a query of its own."""
    uri = "https://portal.example/cb?tenant=7"
    client = quick.zoho.add_client(redirect_uris=[uri])
    location = ask(quick, client_id=client.client_id, redirect_uri=uri).headers["location"]
    assert location.startswith(f"{uri}&code=1000.")


def test_online_is_the_default(quick: Caller) -> None:
    """access_type is online by default: no refresh token."""
    assert "refresh_token" not in redeem(quick, found(ask(quick, access_type="online"))["code"])


def test_refresh_token_comes_with_the_first_consent_or_a_prompt(quick: Caller) -> None:
    """Without prompt=consent, a refresh token comes only with the first consent."""
    bodies = [redeem(quick, found(ask(quick, **extra))["code"]) for extra in ({}, {}, {"prompt": "consent"})]
    assert ["refresh_token" in body for body in bodies] == [True, False, True]


def test_redirect_uri_must_be_repeated(quick: Caller) -> None:
    """A code from a redirect is redeemed with the same redirect_uri; else invalid_redirect_uri."""
    code = found(ask(quick))["code"]
    assert quick.exchange(code).json() == {"error": "invalid_redirect_uri"}
    assert "access_token" in redeem(quick, code)


def test_pkce_s256(quick: Caller) -> None:
    """With a S256 challenge the token call needs the verifier."""
    challenge = base64.urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).rstrip(b"=").decode()
    code = found(ask(quick, code_challenge=challenge, code_challenge_method="S256"))["code"]
    assert redeem(quick, code) == {"error": "invalid_code"}
    assert redeem(quick, code, code_verifier="w" * 64) == {"error": "invalid_code"}
    assert "access_token" in redeem(quick, code, code_verifier=VERIFIER)


def test_pkce_is_plain_by_default(quick: Caller) -> None:
    """Without a method the challenge is the verifier itself."""
    code = found(ask(quick, code_challenge=VERIFIER))["code"]
    assert "access_token" in redeem(quick, code, code_verifier=VERIFIER)


def test_eleventh_code_is_access_denied(quick: Caller) -> None:
    """More than 10 codes in 10 minutes: the redirect says access_denied."""
    backs = [found(ask(quick)) for _ in range(11)]
    assert all("code" in back for back in backs[:10])
    assert backs[10] == {"error": "access_denied"}
    assert quick.zoho.counters().denied == 1
