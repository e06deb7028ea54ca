"""How `ZohoAuth` is taken by each client, and what it leaves alone."""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import time
from typing import Any

import httpx
import httpx2
import pytest

from tests.auth.support import Site
from tests.unit.test_imports import BLOCK
from zoho_tokenstore.auth import ZohoAuth
from zoho_tokenstore.registry import open_tokens
from zoho_tokenstore.tokens import AsyncTokens

_BEAT = 0.005
_MISSED = 0.05


class Tenant(ZohoAuth):
    """A class of an application's own."""


def test_both_clients_know_it_as_theirs() -> None:
    """They ask for their own base class; a subclass is known as well."""
    with open_tokens("list://") as tokens:
        for kind in (ZohoAuth, Tenant):
            auth = kind(tokens, "1")
            assert {kind, httpx.Auth, httpx2.Auth} <= set(type(auth).__mro__)
            assert type(auth).__name__ == kind.__name__


def test_it_shows_no_secret(site: Site) -> None:
    """Its representation says which login of which store it is."""
    assert repr(site.auth) == f"ZohoAuth({site.tokens!r}, {site.id!r})"


@pytest.mark.parametrize("missing", [["httpx"], ["httpx2"], ["httpx", "httpx2"]], ids=str)
def test_a_client_that_is_not_installed_is_not_needed(missing: list[str]) -> None:
    """Neither by the import nor by use with another one; and the import loads none of them."""
    code = "".join(BLOCK.format(name=name) for name in missing) + (
        "from zoho_tokenstore.auth import ZohoAuth\n"
        "from zoho_tokenstore.registry import open_tokens\n"
        "assert not {'httpx', 'httpx2', 'requests'} & set(sys.modules)\n"
        "with open_tokens('list://') as tokens:\n"
        "    auth = ZohoAuth(tokens, '1')\n"
        f"assert not set({missing!r}) & set(sys.modules)\n"
        "print(*sorted(base.__module__ for base in type(auth).__mro__ if base.__name__ == 'Auth'))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert len(done.stdout.split()) == 2 - len(missing)


@pytest.mark.parametrize("kind", ["Tokens", "AsyncTokens"])
@pytest.mark.parametrize("library", [httpx2, httpx], ids=["httpx2", "httpx"])
def test_an_event_loop_goes_on_while_a_token_is_renewed(site: Site, library: Any, kind: str) -> None:
    """A beat of 5 ms is never late by more than 50 ms while Zoho takes a second."""
    site.zoho.fault("token", "slow", seconds=1.0)
    tokens = site.tokens if kind == "Tokens" else AsyncTokens(site.tokens)
    auth = ZohoAuth(tokens, site.id)
    late = []
    for _ in range(3):  # this host has other work, which may stop any process for a moment
        site.expire()
        late.append(asyncio.run(_latest_beat(library, auth, site.zoho.url)))
        if late[-1] < _MISSED:
            break
    assert min(late) < _MISSED, late
    assert site.renewals == len(late)


async def _latest_beat(library: Any, auth: ZohoAuth, url: str) -> float:
    """Return by how many seconds the latest beat was late during a call that takes a second."""
    beats = []

    async def beat() -> None:
        while True:
            beats.append(time.monotonic())
            await asyncio.sleep(_BEAT)

    async with library.AsyncClient(trust_env=False, timeout=20) as client:
        await client.get(f"{url}/crm/v8/x")  # connected, and everything imported
        heart = asyncio.create_task(beat())
        began = time.monotonic()
        answer = await client.get(f"{url}/crm/v8/org", auth=auth)
        took = time.monotonic() - began
        heart.cancel()
    assert answer.status_code == 200
    assert took > 1.0
    return max(after - before for before, after in itertools.pairwise(beats)) - _BEAT
