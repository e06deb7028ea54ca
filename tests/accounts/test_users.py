"""Who has logged in, as the SDK would name him."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import ClassVar

import pytest

from tests.accounts.conftest import Serve
from tests.accounts.support import RawServer, http, taking_at_most
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.renewal._accounts import Accounts
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport
from zoho_tokenstore.renewal._users import current_user

QUICK = Transport(timeout=timedelta(seconds=5))
USERS = {"users": [{"id": "1", "email": "patricia@zylker.example"}]}
ORG = {"org": [{"id": "2", "zgid": "777"}]}


@pytest.mark.parametrize("version", [6, 7, 8])
def test_the_user_of_a_token(version: int) -> None:
    """E-mail and organisation, by the two requests of that SDK's version."""
    with Emulator() as zoho:
        client, user = zoho.default_client, zoho.default_users[1]
        accounts = Accounts(zoho.url, transport=QUICK)
        grant = accounts.exchange(client.client_id, client.client_secret, zoho.mint_code(user=user))
        found = current_user(grant.api_domain or "", grant.access_token, version=version, transport=QUICK)
        assert found == f"{user.email}:{user.organization.zgid}"
        assert [entry.endpoint for entry in zoho.journal()][-2:] == ["users", "org"]


class Asked(Transport):
    """Notes the addresses that are asked, and answers nothing."""

    urls: ClassVar[list[str]] = []

    def get(self, url: str, headers: Mapping[str, str]) -> HTTPAnswer:
        del headers
        self.urls.append(url)
        return HTTPAnswer(204, b"")


@pytest.mark.parametrize("api_domain", ["eu", "www.zohoapis.eu", "https://www.zohoapis.eu"])
def test_a_domain_of_zohos_is_asked_in_any_spelling(api_domain: str) -> None:
    """A short code, say, as Zoho's SDKs take it: the login would have no name."""
    Asked.urls.clear()
    assert current_user(api_domain, "t", version=8, transport=Asked()) is None
    assert Asked.urls == ["https://www.zohoapis.eu/crm/v8/users?type=CurrentUser"]


def test_a_token_without_the_scopes() -> None:
    """Who may not ask has no name, and no error."""
    with Emulator() as zoho:
        client = zoho.default_client
        code = zoho.mint_code(scopes=["ZohoCRM.modules.ALL"])
        grant = Accounts(zoho.url).exchange(client.client_id, client.client_secret, code)
        assert current_user(zoho.url, grant.access_token, version=8, transport=QUICK) is None


def crm(users: bytes, org: bytes) -> Callable[[socket.socket, RawServer], None]:
    """HTTPAnswer the two requests."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        request = server.read_request(connection)
        connection.sendall(users if b"/users?" in request else org)

    return behave


def test_what_is_sent(serve: Serve) -> None:
    """The token goes in the header that the SDK sends, to the version that is asked for."""
    server = serve(crm(http(USERS), http(ORG)))
    assert current_user(server.url + "/", "t", version=7, transport=QUICK) == "patricia@zylker.example:777"
    assert server.requests[0].startswith(b"GET /crm/v7/users?type=CurrentUser HTTP/1.1\r\n")
    assert server.requests[1].startswith(b"GET /crm/v7/org HTTP/1.1\r\n")
    assert all(b"\r\nAuthorization: Zoho-oauthtoken t\r\n" in request for request in server.requests)


ODD: list[bytes] = [
    b"",
    http(b"", 204),
    http(b"<html>", 200, "text/html"),
    http({}),
    http([]),
    http({"users": [], "org": []}),
    http({"users": {}, "org": {}}),
    http({"users": ["x"], "org": ["x"]}),
    http({"users": [{"email": None}], "org": [{"zgid": None}]}),
    http({"users": [{"email": ""}], "org": [{"zgid": ""}]}),
    http({"users": [{"email": 7}], "org": [{"zgid": 7}]}),
    http({"users": [{"email": "a\nb"}], "org": [{"zgid": "a\nb"}]}),
    http({"users": [{"email": "x" * 300}], "org": [{"zgid": "x" * 300}]}),
    http({"code": "OAUTH_SCOPE_MISMATCH", "details": {}, "message": "m", "status": "error"}, 401),
    http({**USERS, **ORG}, 500),
    http({**USERS, **ORG}, 302),
]


@pytest.mark.parametrize("odd", ODD, ids=lambda odd: repr(odd[-40:]))
def test_an_answer_without_a_name(serve: Serve, odd: bytes) -> None:
    """A missing or unusable answer to either request means no name, and no error."""
    for server in (serve(crm(odd, http(ORG))), serve(crm(http(USERS), odd))):
        assert current_user(server.url, "t", version=8, transport=QUICK) is None


@pytest.mark.parametrize("hangs_at", [b"/users", b"/org"])
def test_both_requests_share_one_limit(serve: Serve, hangs_at: bytes) -> None:
    """A CRM that hangs holds nobody longer than the one limit, wherever it hangs."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        request = server.read_request(connection)
        if hangs_at in request:
            server.ended.wait()
        connection.sendall(http(USERS))

    server = serve(behave)
    with taking_at_most(0.3 + 0.5):
        short = Transport(timeout=timedelta(seconds=0.3))
        assert current_user(server.url, "t", version=8, transport=short) is None


@pytest.mark.parametrize(
    "api_domain", ["", "http://www.zohoapis.eu", "www.zoho.example", "file:///etc", "https://a@b.example"]
)
def test_a_token_goes_nowhere_in_clear(api_domain: str) -> None:
    """An API domain without TLS gets no token."""

    class Nowhere(Transport):
        def get(self, url: str, headers: object) -> None:  # type: ignore[override]
            raise AssertionError(url)

    assert current_user(api_domain, "t", version=8, transport=Nowhere()) is None
