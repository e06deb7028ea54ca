"""A token goes where it belongs, and nowhere else."""

from __future__ import annotations

import pickle
import socket
from collections.abc import Callable
from typing import Any

import httpx
import httpx2
import pytest
import requests

from tests.accounts.support import RawServer
from tests.auth.support import CLIENTS, REFUSED, SYNC, Call, Site, closing, refusing
from zoho_tokenstore import ConfigurationError, RefreshPolicy, TokenRecord
from zoho_tokenstore.auth import ZohoAuth
from zoho_tokenstore.registry import open_tokens
from zoho_tokenstore.tokens import Tokens

EU = "https://www.zohoapis.eu"

GOES = [
    (EU, "https://www.zohoapis.eu/crm/v8/Leads"),
    (EU, "https://www.zohoapis.eu:443/books/v3/invoices"),
    (EU, "https://services.zoho.eu/api/v1/tickets"),
    (EU, "https://WWW.ZohoAPIs.EU/crm/v8/Leads"),
    ("https://sandbox.zohoapis.eu", "https://sandbox.zohoapis.eu/crm/v8/Leads"),
    ("https://www.zohoapis.ca", "https://services.zohocloud.ca/api/v1/tickets"),
    ("https://www.zohoapis.com.au", "https://services.zoho.com.au/api/v1/tickets"),
    ("eu", "https://people.zoho.eu/api"),
    (None, "https://www.zohoapis.in/crm/v8/Leads"),
    (EU, "http://127.0.0.1:8085/crm/v8/Leads"),
    (EU, "http://localhost/crm/v8/Leads"),
    (EU, "http://[::1]:8085/crm/v8/Leads"),
    ("http://zoho:8085", "http://zoho:8085/crm/v8/Leads"),
    ("https://zoho.example:8443", "https://zoho.example:8443/crm"),
    (EU, "https://sdpondemand.manageengine.eu/api/v3/requests"),
]
STAYS = [
    (EU, "https://www.zohoapis.com/crm/v8/Leads"),
    (EU, "http://www.zohoapis.eu/crm/v8/Leads"),
    (EU, "https://www.zohoapis.eu.example/crm"),
    (EU, "https://zohoapis.example/crm"),
    (EU, "https://notzohoapis.eu/crm"),
    (EU, "https://www.zohoapis.eu@zohoapis.example/crm"),
    (EU, "https://zohoapis.example/www.zohoapis.eu"),
    (EU, "https://zohoapis.example/?www.zohoapis.eu"),
    (EU, "https://zohoapis.example#@www.zohoapis.eu/"),
    (EU, "https://www.zohoap\u0131s.eu/crm"),
    (EU, "https://127.0.0.1.example/crm"),
    (EU, "https://localhost.example/crm"),
    (EU, "http://sdpondemand.manageengine.eu/api/v3/requests"),
    (EU, "https://x.sdpondemand.manageengine.eu/api/v3/requests"),
    (None, "https://zohoapis.example/crm"),
    ("http://zoho:8085", "http://zoho:8086/crm/v8/Leads"),
    ("http://zoho.example", "http://zoho.example/crm"),
    ("https://zoho.example:8443", "https://zoho.example/crm"),
    ("https://zoho.example:8443", "https://www.zohoapis.com/crm"),
]


def _by_httpx(library: Any) -> Callable[[ZohoAuth, str], str | None]:
    def sent(auth: ZohoAuth, url: str) -> str | None:
        heard: list[str | None] = []

        def answer(request: Any) -> Any:
            heard.append(request.headers.get("Authorization"))
            return library.Response(200)

        with library.Client(transport=library.MockTransport(answer)) as client:
            client.get(url, auth=auth)
        return heard[0]

    return sent


def _by_requests(auth: ZohoAuth, url: str) -> str | None:
    return requests.Request("GET", url, auth=auth).prepare().headers.get("Authorization")


SENT = {"httpx2": _by_httpx(httpx2), "httpx": _by_httpx(httpx), "requests": _by_requests}
EVERY_CLIENT = pytest.mark.parametrize("sent", SENT.values(), ids=SENT)


@pytest.fixture(scope="module")
def tokens() -> Any:
    with open_tokens("list://", refresh=RefreshPolicy()) as opened:
        yield opened


def _auth(tokens: Tokens, api_domain: str | None) -> ZohoAuth:
    record = TokenRecord(
        user_name=str(api_domain), client_id="c", access_token="1000.secret", api_domain=api_domain
    )
    saved = tokens._renewer.repository.save(record)
    return ZohoAuth(tokens, saved.id or "", hosts=["sdpondemand.manageengine.eu"])


@EVERY_CLIENT
@pytest.mark.parametrize(("api_domain", "url"), GOES)
def test_a_token_goes_to_its_own_servers(
    tokens: Tokens, sent: Callable[[ZohoAuth, str], str | None], api_domain: str | None, url: str
) -> None:
    """By https to its data centre; to its API domain; to this host; to the named hosts."""
    assert sent(_auth(tokens, api_domain), url) == "Zoho-oauthtoken 1000.secret"


@EVERY_CLIENT
@pytest.mark.parametrize(("api_domain", "url"), STAYS)
def test_a_token_goes_nowhere_else(
    tokens: Tokens, sent: Callable[[ZohoAuth, str], str | None], api_domain: str | None, url: str
) -> None:
    """Neither in clear, nor to a look-alike, nor to a data centre that does not know it."""
    with pytest.raises(ConfigurationError, match="was not sent") as caught:
        sent(_auth(tokens, api_domain), url)
    assert "1000.secret" not in str(caught.value)


def test_the_host_is_the_one_that_requests_connects_to(tokens: Tokens) -> None:
    """A backslash ends the host there; for httpx it does not, and the host is another one, really."""
    url = "https://zohoapis.example\\@www.zohoapis.eu/"
    with pytest.raises(ConfigurationError, match=r"was not sent to https://zohoapis\.example\."):
        _by_requests(_auth(tokens, EU), url)
    assert httpx2.URL(url).host == httpx.URL(url).host == "www.zohoapis.eu"


def test_the_refusal_says_what_to_do(tokens: Tokens) -> None:
    """The host, and whose token it is; a password in the URL is not shown."""
    with pytest.raises(ConfigurationError) as caught:
        _by_requests(_auth(tokens, EU), "https://me:password@www.zohoapis.com/crm/v8/Leads?key=1000.x")
    told = str(caught.value)
    assert told.endswith(
        f"is for Zoho's {EU}, and was not sent to https://www.zohoapis.com. Call its own data centre by "
        "https, or name the host in hosts=."
    )


@pytest.mark.parametrize("hosts", ["www.zohoapis.eu", [""], ["https://x.example"], ["*.example"], [1], 5])
def test_hosts_that_are_none_are_refused(tokens: Tokens, hosts: Any) -> None:
    """A URL or a pattern would silently match nothing, and a text is no list."""
    with pytest.raises(ConfigurationError, match="hosts"):
        ZohoAuth(tokens, "1", hosts=hosts)


def test_it_is_not_pickled(tokens: Tokens) -> None:
    """For another process, one is made there: the error says so."""
    with pytest.raises(ConfigurationError, match="cannot be pickled"):
        pickle.dumps(ZohoAuth(tokens, "1"))


def test_tokens_must_be_tokens() -> None:
    """A store or a URL is told apart at once."""
    with pytest.raises(ConfigurationError, match="must be Tokens, not str"):
        ZohoAuth("sqlite:///zohooauth.db", "1")  # type: ignore[arg-type]


def _redirecting(to: str, status: int = 307) -> Callable[[socket.socket, RawServer], None]:
    def behave(connection: socket.socket, server: RawServer) -> None:
        server.read_request(connection)
        connection.sendall(closing(b"", status, f"Location: {to}\r\n"))

    return behave


def test_a_redirect_to_another_host_goes_without_the_token(site: Site, call: Call) -> None:
    """And the 401 of that host renews nothing: it has seen no token."""
    with (
        RawServer(lambda connection, server: connection.sendall(_refused(connection, server))) as other,
        RawServer(_redirecting(f"{other.url}/elsewhere")) as server,
    ):
        assert call(site.auth, "GET", server.url).status_code == 401
    assert b"authorization" not in other.requests[0].lower()
    assert b"authorization: zoho-oauthtoken" in server.requests[0].lower()
    assert (len(server.requests), len(other.requests), site.renewals) == (1, 1, 0)


def _refused(connection: socket.socket, server: RawServer) -> bytes:
    server.read_request(connection)
    return closing(REFUSED, 401)


@pytest.mark.parametrize("name", CLIENTS)
def test_a_redirect_on_the_same_host_takes_the_new_token_along(site: Site, name: str) -> None:
    """After a renewal it is the new one, also for requests, which copies the first request."""
    refuse = refusing(site.login.access_token or "")

    def behave(connection: socket.socket, server: RawServer) -> None:
        if not server.requests or b" /there" in _peek(connection):
            refuse(connection, server)
        else:
            _redirecting("/there")(connection, server)

    with RawServer(behave) as server:
        assert CLIENTS[name](site.auth, "GET", f"{server.url}/here").status_code == 200
    new = f"Zoho-oauthtoken {site.stored().access_token}".encode()
    assert [new in request for request in server.requests] == [False, True, True]
    assert site.renewals == 1


def _peek(connection: socket.socket) -> bytes:
    return connection.recv(65536, socket.MSG_PEEK)


@pytest.mark.parametrize("name", ["httpx2", "httpx"])
def test_a_refusal_after_a_redirect_sends_nothing_twice(site: Site, name: str) -> None:
    """The first host has done what was asked: a POST is not repeated because what it led to was refused."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        if b"POST /" in _peek(connection):
            _redirecting("/there", 303)(connection, server)
        else:
            connection.sendall(_refused(connection, server))

    with RawServer(behave) as server:
        assert SYNC[name](site.auth, "POST", server.url, content=b"a lead").status_code == 401
    assert len(server.requests) == 2
    assert site.renewals == 0
