"""What the tests of `ZohoAuth` share: a login, the clients it is for, and a server that refuses a token."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import httpx
import httpx2
import requests

from tests.accounts.support import Behaviour, RawServer, http
from zoho_tokenstore import Client, Code, TokenRecord, open_repository
from zoho_tokenstore.auth import ZohoAuth
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.tokens import Tokens

REFUSED = {"code": "INVALID_TOKEN", "details": {}, "message": "invalid oauth token", "status": "error"}

Call = Callable[..., Any]
"""Sends one request: `call(auth, method, url, content=, json=, files=)`."""


def by_requests(auth: ZohoAuth, method: str, url: str, **options: Any) -> Any:
    if "content" in options:
        options["data"] = options.pop("content")
    with requests.Session() as session:
        session.trust_env = False
        return session.request(method, url, auth=auth, timeout=20, **options)


def _by_client(library: Any) -> Call:
    def call(auth: ZohoAuth, method: str, url: str, **options: Any) -> Any:
        with library.Client(trust_env=False, timeout=20, follow_redirects=True) as client:
            return client.request(method, url, auth=auth, **options)

    return call


def _by_async_client(library: Any) -> Call:
    async def call(auth: ZohoAuth, method: str, url: str, **options: Any) -> Any:
        async with library.AsyncClient(trust_env=False, timeout=20, follow_redirects=True) as client:
            return await client.request(method, url, auth=auth, **options)

    return lambda *arguments, **options: asyncio.run(call(*arguments, **options))


SYNC: dict[str, Call] = {
    "httpx2": _by_client(httpx2),
    "httpx": _by_client(httpx),
    "requests": by_requests,
}
ASYNC: dict[str, Call] = {
    "httpx2-async": _by_async_client(httpx2),
    "httpx-async": _by_async_client(httpx),
}
CLIENTS = SYNC | ASYNC


@dataclass
class Site:
    """A login at the local Zoho, in a store."""

    zoho: Emulator
    tokens: Tokens
    url: str
    login: TokenRecord

    @property
    def id(self) -> str:
        assert self.login.id is not None
        return self.login.id

    @property
    def auth(self) -> ZohoAuth:
        return ZohoAuth(self.tokens, self.id)

    @property
    def renewals(self) -> int:
        """How many requests for a new token Zoho has seen, answered or not."""
        return sum(self.zoho.counters().requests.get("token:refresh_token", {}).values())

    def stored(self) -> TokenRecord:
        with open_repository(self.url) as repository:
            found = repository.get(self.id)
        assert found is not None
        return found

    def change(self, **fields: Any) -> None:
        """Store the login with other fields."""
        with open_repository(self.url) as repository:
            repository.save(self.stored().changed(**fields))

    def expire(self) -> None:
        self.change(expires_at_ms=int(time.time() * 1000) - 1000)


def log_in(zoho: Emulator, tokens: Tokens, scopes: list[str] | None = None) -> TokenRecord:
    client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
    code = Code(zoho.mint_code(scopes=scopes))
    return tokens.log_in(client, code, user_name="patricia", api_domain=zoho.url)


def closing(body: bytes | object, status: int = 200, head: str = "") -> bytes:
    """Return an answer after which the connection is closed, as that of `RawServer` is."""
    return http(body, status, head=f"Connection: close\r\n{head}")


def refusing(*refused: str) -> Behaviour:
    """Answer 401 to these tokens, or to all, and 200 to others, with the body that came."""

    def behave(connection: socket.socket, server: RawServer) -> None:
        request = server.read_request(connection)
        while b"chunked" in request and not request.endswith(b"\r\n0\r\n\r\n"):  # a token may end in 0
            received = connection.recv(65536)
            assert received, "the body has no end"
            request += received
        is_bad = not refused or any(f"Zoho-oauthtoken {token}\r\n".encode() in request for token in refused)
        connection.sendall(closing(REFUSED, 401) if is_bad else closing(request.partition(b"\r\n\r\n")[2]))

    return behave


def at_once(count: int, work: Callable[[], Any]) -> list[Any]:
    """What `work` returns in each of so many threads that begin together."""
    barrier, results = threading.Barrier(count), list[Any]()

    def run() -> None:
        barrier.wait()
        results.append(work())

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return results
