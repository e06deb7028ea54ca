"""One caller of a mixed storm: `python -m tests.refresh.mixed KIND STORE ZOHO ID NUMBER`, begun by a word."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable
from tempfile import gettempdir
from typing import Any

from tests.support.processes import ready
from zoho_tokenstore import AsyncTokens, Tokens, open_async_tokens, open_store, open_tokens
from zoho_tokenstore.auth import ZohoAuth

ORGANIZATIONS = "/books/v3/organizations"


def _sdk(store: str, zoho: str, token_id: str) -> Callable[[], str]:
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.crm.api.initializer import Initializer
    from zohocrmsdk.src.com.zoho.crm.api.sdk_config import SDKConfig

    from tests.sdk.app import environment

    initializer = Initializer.initializer = Initializer()
    initializer.environment = environment((zoho, f"{zoho}/oauth/v2/token", zoho))
    initializer.store = open_store(store)
    initializer.sdk_config = SDKConfig()
    initializer.resource_path = gettempdir()
    return lambda: str(OAuthToken(id=token_id).get_token())


def _asked(tokens: Tokens, token_id: str) -> Callable[[], str]:
    return lambda: tokens.access_token(token_id)


def _sent(answer: Any) -> str:
    """Return the access token that a request went out with, if it was the right one."""
    assert answer.status_code == 200, answer.status_code
    return str(answer.request.headers["Authorization"]).removeprefix("Zoho-oauthtoken ")


def _by_client(module: Any, auth: ZohoAuth, zoho: str) -> Callable[[], str]:
    return lambda: _sent(module.get(zoho + ORGANIZATIONS, auth=auth))


async def _awaited(module: Any, tokens: AsyncTokens, token_id: str, zoho: str) -> str:
    async with module.AsyncClient() as client:
        return _sent(await client.get(zoho + ORGANIZATIONS, auth=ZohoAuth(tokens, token_id)))


def caller(kind: str, store: str, zoho: str, token_id: str) -> Callable[[], str]:
    """Return what makes the one call."""
    import httpx
    import httpx2
    import requests

    modules: dict[str, Any] = {"httpx": httpx, "httpx2": httpx2, "requests": requests}
    if kind == "sdk":
        return _sdk(store, zoho, token_id)
    if kind == "async tokens":
        awaited = open_async_tokens(store, accounts_url=zoho)
        return lambda: asyncio.run(awaited.access_token(token_id))
    if kind.startswith("async "):
        module = modules[kind.removeprefix("async ")]
        return lambda: asyncio.run(
            _awaited(module, open_async_tokens(store, accounts_url=zoho), token_id, zoho)
        )
    tokens = open_tokens(store, accounts_url=zoho)
    if kind == "tokens":
        return _asked(tokens, token_id)
    return _by_client(modules[kind], ZohoAuth(tokens, token_id), zoho)


KINDS = ("sdk", "tokens", "async tokens", "httpx2", "async httpx2", "httpx", "async httpx", "requests")


def main(store: str, zoho: str, token_id: str, number: str) -> None:
    call = caller(KINDS[int(number) % len(KINDS)], store, zoho, token_id)
    ready()
    began = time.monotonic()
    access_token = call()
    print(json.dumps({"access": access_token, "took": time.monotonic() - began}))


if __name__ == "__main__":
    main(*sys.argv[1:])
