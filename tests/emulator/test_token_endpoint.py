"""`POST /oauth/v2/token`, over real HTTP."""

from __future__ import annotations

import re
from typing import Literal

import pytest

from tests.emulator.support import Caller, FakeClock
from zoho_tokenstore.emulator import Emulator

TOKEN = re.compile(r"^1000\.[0-9a-f]{32}\.[0-9a-f]{32}$")


def test_exchange_answers_with_both_tokens(caller: Caller) -> None:
    """A code brings access_token, refresh_token, api_domain, token_type Bearer, expires_in and scope."""
    body = caller.exchange().json()
    assert TOKEN.match(body["access_token"])
    assert TOKEN.match(body["refresh_token"])
    assert body["api_domain"] == caller.zoho.url
    assert (body["token_type"], body["expires_in"]) == ("Bearer", 3600)
    assert "ZohoCRM.modules.ALL" in body["scope"].split()


def test_answers_are_json_in_utf8(caller: Caller) -> None:
    """The Content-Type is one that the SDKs know."""
    assert caller.exchange().headers["content-type"] == "application/json;charset=UTF-8"


def test_online_code_brings_no_refresh_token(caller: Caller) -> None:
    """access_type online: an access token only."""
    body = caller.exchange(caller.zoho.mint_code(access_type="online")).json()
    assert "access_token" in body
    assert "refresh_token" not in body


def test_refresh_answers_without_a_refresh_token(caller: Caller) -> None:
    """Zoho does not rotate refresh tokens, and does not repeat them."""
    refresh_token = caller.log_in()["refresh_token"]
    body = caller.refresh(refresh_token).json()
    assert TOKEN.match(body["access_token"])
    assert "refresh_token" not in body
    assert caller.zoho.is_live(refresh_token)


def test_refresh_leaves_the_earlier_access_token_alive(caller: Caller) -> None:
    """Up to 15 access tokens of one refresh token live side by side."""
    tokens = caller.log_in()
    caller.refresh(tokens["refresh_token"])
    assert caller.zoho.is_live(tokens["access_token"])


def test_query_string_is_accepted(caller: Caller) -> None:
    """Zoho's pages show the parameters in the query string."""
    client = caller.zoho.default_client
    query = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "code": caller.zoho.mint_code(),
    }
    assert "access_token" in caller.http.post(caller.zoho.accounts_url, params=query).json()


def test_multipart_form_is_accepted(caller: Caller) -> None:
    """Zoho's pages speak of form-data, which some tools send as multipart."""
    client = caller.zoho.default_client
    parts = {
        "grant_type": (None, "authorization_code"),
        "client_id": (None, client.client_id),
        "client_secret": (None, client.client_secret),
        "code": (None, caller.zoho.mint_code()),
    }
    assert "access_token" in caller.http.post(caller.zoho.accounts_url, files=parts).json()


def test_code_works_once(caller: Caller) -> None:
    """A used code is invalid_code, with HTTP 200."""
    code = caller.zoho.mint_code()
    caller.exchange(code)
    again = caller.exchange(code)
    assert (again.status_code, again.json()) == (200, {"error": "invalid_code"})


def test_code_belongs_to_its_client(caller: Caller) -> None:
    """Another client cannot redeem a code."""
    other = caller.zoho.add_client()
    form = {"client_id": other.client_id, "client_secret": other.client_secret}
    assert caller.exchange(caller.zoho.mint_code(), **form).json() == {"error": "invalid_code"}


def test_refresh_token_belongs_to_its_client(caller: Caller) -> None:
    """Another client cannot use a refresh token."""
    other = caller.zoho.add_client()
    form = {"client_id": other.client_id, "client_secret": other.client_secret}
    assert caller.refresh(caller.zoho.mint_refresh_token(), **form).json() == {"error": "invalid_code"}


def test_self_client_code_needs_no_redirect_uri(caller: Caller) -> None:
    """Self client: no redirect_uri; one that is sent all the same does no harm."""
    assert "access_token" in caller.exchange(redirect_uri="https://portal.example/cb").json()


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({"client_id": "1000.UNKNOWN"}, "invalid_client"),
        ({"client_id": ""}, "invalid_client"),
        ({"client_secret": "wrong"}, "invalid_client_secret"),
        ({"code": "1000.unknown"}, "invalid_code"),
        ({"grant_type": "refresh_token", "refresh_token": "1000.unknown"}, "invalid_code"),
        ({"grant_type": "refresh_token"}, "invalid_code"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
    ],
)
def test_errors_come_with_status_200(caller: Caller, form: dict[str, str], error: str) -> None:
    """Errors of the token endpoint are told in the body; the status is 200."""
    answer = caller.token(**{"grant_type": "authorization_code", "code": "x", **form})
    assert (answer.status_code, answer.json()) == (200, {"error": error})


def test_request_with_nothing_but_a_grant_type_is_invalid_client(caller: Caller) -> None:
    """What SDK 8.0 sends when a token id is not in the store."""
    answer = caller.http.post(caller.zoho.accounts_url, data={"grant_type": "authorization_code"})
    assert answer.json() == {"error": "invalid_client"}


def test_throttled_answer_has_description_and_status_failure(caller: Caller) -> None:
    """Too many refreshes: HTTP 400, `Access Denied`, a description, and status failure."""
    refresh_token = caller.zoho.mint_refresh_token()
    for _ in range(10):
        caller.refresh(refresh_token)
    answer = caller.refresh(refresh_token)
    assert answer.status_code == 400
    assert answer.json()["error"] == "Access Denied"
    assert answer.json()["error_description"].startswith("You have made too many requests continuously.")
    assert answer.json()["status"] == "failure"


def test_statuses_can_be_chosen(clock: FakeClock) -> None:
    """Sources disagree on the throttle's status (400, 200), so that it is an option; the others' too."""
    with Emulator(clock=clock, throttle_status=200, error_status=400, refresh_limit=1) as zoho:
        caller = Caller(zoho)
        with caller.http:
            refresh_token = zoho.mint_refresh_token()
            caller.refresh(refresh_token)
            throttled, refused = caller.refresh(refresh_token), caller.refresh("unknown")
    assert (throttled.status_code, throttled.json()["error"]) == (200, "Access Denied")
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_code")


def test_client_credentials_bring_an_access_token_for_the_organisation(caller: Caller) -> None:
    """Self client: soid names the organisation; there is no refresh token."""
    zgid = caller.zoho.default_users[0].zgid
    scope = "ZohoCRM.users.READ,ZohoCRM.org.READ"
    body = caller.token(grant_type="client_credentials", scope=scope, soid=f"ZohoCRM.{zgid}").json()
    assert "refresh_token" not in body
    organization = caller.crm("v8/org", body["access_token"]).json()["org"][0]
    assert organization["zgid"] == zgid


def test_client_credentials_for_another_service(caller: Caller) -> None:
    """The soid names any service."""
    soid = f"ZohoBooks.{caller.zoho.default_users[0].zgid}"
    answer = caller.token(grant_type="client_credentials", scope="ZohoBooks.settings.READ", soid=soid)
    assert answer.json()["scope"] == "ZohoBooks.settings.READ"


@pytest.mark.parametrize("scope", ["", "everything!"])
def test_client_credentials_need_a_scope(caller: Caller, scope: str) -> None:
    """None, or a misspelt one: invalid_scope."""
    soid = f"ZohoCRM.{caller.zoho.default_users[0].zgid}"
    answer = caller.token(grant_type="client_credentials", scope=scope, soid=soid)
    assert answer.json() == {"error": "invalid_scope"}


@pytest.mark.parametrize(
    ("form", "told"), [("spaces", "A.b.READ C.d.ALL"), ("commas", "A.b.READ,C.d.ALL"), ("omit", None)]
)
def test_scopes_in_answers_can_be_written_in_either_way(
    clock: FakeClock, form: Literal["spaces", "commas", "omit"], told: str | None
) -> None:
    """With spaces, with commas, or not at all as in older documentation; a refresh tells them too."""
    with Emulator(clock=clock, scope_format=form) as zoho:
        caller = Caller(zoho)
        with caller.http:
            tokens = caller.log_in(scopes=["A.b.READ", "C.d.ALL"])
            refreshed = caller.refresh(tokens["refresh_token"]).json()
    assert (tokens.get("scope"), refreshed.get("scope")) == (told, told)


@pytest.mark.parametrize("soid", ["", "ZohoCRM.1", "20000000001", ".20000000001"])
def test_client_credentials_without_organisation_are_missing_org_info(caller: Caller, soid: str) -> None:
    """Without a soid of a known organisation: missing_org_info."""
    answer = caller.token(grant_type="client_credentials", scope="ZohoCRM.users.READ", soid=soid)
    assert answer.json() == {"error": "missing_org_info"}


@pytest.mark.parametrize(
    ("api_domain", "told"),
    [("omit", None), ("https://www.zohoapis.eu", "https://www.zohoapis.eu")],
)
def test_api_domain_can_be_left_out_or_another(clock: FakeClock, api_domain: str, told: str | None) -> None:
    """A foreign api_domain moves an SDK session elsewhere, so that tests may want to send one."""
    with Emulator(clock=clock, api_domain=api_domain) as zoho:
        caller = Caller(zoho)
        with caller.http:
            assert caller.log_in().get("api_domain") == told


def test_api_domain_follows_the_name_the_client_used(caller: Caller) -> None:
    """The emulator answers with its own base URL, as the client knows it."""
    port = caller.zoho.url.rpartition(":")[2]
    client = caller.zoho.default_client
    form = {
        "grant_type": "authorization_code",
        "client_id": client.client_id,
        "client_secret": client.client_secret,
        "code": caller.zoho.mint_code(),
    }
    answer = caller.http.post(f"http://localhost:{port}/oauth/v2/token", data=form)
    assert answer.json()["api_domain"] == f"http://localhost:{port}"


def test_malformed_host_is_not_repeated(caller: Caller) -> None:
    """A Host header that is no host does not reach an answer."""
    answer = caller.http.get(f"{caller.zoho.url}/oauth/serverinfo", headers={"Host": "a<b>"})
    assert "<b>" not in answer.text


def test_public_url_wins_over_the_host(clock: FakeClock) -> None:
    """Behind a proxy, the base URL is an option."""
    with Emulator(clock=clock, public_url="https://zoho.test/") as zoho:
        assert zoho.accounts_url == "https://zoho.test/oauth/v2/token"
        assert zoho.environment_args()[0] == "https://zoho.test"


def test_server_info_and_discovery(caller: Caller) -> None:
    """`/oauth/serverinfo` maps the data centre to this server; discovery names the endpoints."""
    url = caller.zoho.url
    info = caller.http.get(f"{url}/oauth/serverinfo").json()
    assert info == {"result": "success", "locations": {"us": url}}
    found = caller.http.get(f"{url}/.well-known/openid-configuration").json()
    assert found["token_endpoint"] == caller.zoho.accounts_url
    assert found["revocation_endpoint"] == f"{caller.zoho.accounts_url}/revoke"


@pytest.mark.parametrize("path", ["/oauth/v2/token", "/_emulator/users"])
@pytest.mark.parametrize("body", [b"x" * 5_000_001, [b"x" * 1_000_001] * 5], ids=["declared", "chunked"])
def test_huge_body_is_refused(caller: Caller, path: str, body: bytes | list[bytes]) -> None:
    """A body of more than 5 MB is not read, whether its length is declared or not."""
    headers = {"Content-Type": "application/json"}
    content = body if isinstance(body, bytes) else iter(body)
    answer = caller.http.post(f"{caller.zoho.url}{path}", content=content, headers=headers)
    assert answer.status_code == 413
