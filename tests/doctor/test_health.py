"""`tokens.check()`: whether a store works, within a second."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.doctor.conftest import own_redis
from tests.doctor.support import KEY, csv, fill, login, sqlite
from tests.support.servers import postgresql
from zoho_tokenstore import ConfigurationError, Health, Keyset, open_async_tokens, open_tokens
from zoho_tokenstore._util.clock import now_ms
from zoho_tokenstore.emulator import Emulator

PARTS = ["open", "read", "lease", "clock"]


def states(health: Health) -> dict[str, bool]:
    assert [part.name for part in health.parts] == PARTS
    for part in health.parts:
        assert (part.problem is None) is part.is_healthy
    return {part.name: part.is_healthy for part in health.parts}


def sick(health: Health) -> list[str]:
    return [name for name, is_healthy in states(health).items() if not is_healthy]


@pytest.mark.parametrize("make", [sqlite, csv, lambda _: "memory://", lambda _: "list://"])
def test_a_local_store_is_healthy(folder: Path, make: Callable[[Path], str]) -> None:
    """With rows and without."""
    with open_tokens(make(folder), keys=KEY) as tokens:
        assert sick(tokens.check()) == []
    fill(sqlite(folder))
    with open_tokens(make(folder), keys=KEY) as tokens:
        health = tokens.check()
        assert (health.is_healthy, health.is_ready) == (True, True)
        assert health.seconds < 1


def test_servers_are_healthy(pg: str, maria: str, redis_url: str) -> None:
    """Each kind."""
    for url in (pg, maria, redis_url):
        with open_tokens(fill(url), keys=KEY) as tokens:
            assert sick(tokens.check()) == []


def test_nothing_is_renewed(folder: Path) -> None:
    """Though the token has expired; nor does Zoho hear of it."""
    with Emulator() as zoho:
        fill(sqlite(folder), login("ann", api_domain=zoho.url, expires_at_ms=1))
        with open_tokens(sqlite(folder), keys=KEY, accounts_url=zoho.url) as tokens:
            assert sick(tokens.check()) == []
            assert [record.expires_at_ms for record in tokens.scan()] == [1]
        assert zoho.journal() == []


def test_other_keys(folder: Path) -> None:
    """No row opens: nobody would get a token."""
    fill(sqlite(folder))
    with open_tokens(sqlite(folder), keys=Keyset.generate()) as tokens:
        health = tokens.check()
        assert sick(health) == ["read"]
        assert not health.is_ready


def test_one_bad_row_harms_one_user_only(folder: Path) -> None:
    """The store is healthy."""
    fill(sqlite(folder))
    with closing(sqlite3.connect(folder / "zohooauth.db")) as connection:
        connection.execute(
            "UPDATE oauthtoken SET client_secret = X'00' WHERE id = (SELECT min(id) FROM oauthtoken)"
        )
        connection.commit()
    with open_tokens(sqlite(folder), keys=KEY) as tokens:
        assert sick(tokens.check()) == []


def test_a_server_that_takes_no_writes(durable_postgresql: postgresql.Local, pg: str) -> None:
    """Valid tokens are still handed out: ready, but not healthy."""
    with open_tokens(fill(pg), keys=KEY) as tokens:
        durable_postgresql.set_read_only(True)
        try:
            health = tokens.check(timedelta(seconds=5))
        finally:
            durable_postgresql.set_read_only(False)
        assert (sick(health), health.is_ready) == (["lease"], True)


def test_a_clock_that_differs(pg: str) -> None:
    """By that of the server."""
    with open_tokens(fill(pg), keys=KEY, clock=lambda: now_ms() + 60_000) as tokens:
        health = tokens.check()
        assert sick(health) == ["clock"]
        assert "ahead of the storage's" in (health.parts[-1].problem or "")


def test_zohos_clock(folder: Path) -> None:
    """By what its last answer said."""
    with (
        Emulator(clock_offset=timedelta(minutes=-5)) as zoho,
        open_tokens(sqlite(folder), keys=KEY, accounts_url=zoho.url) as tokens,
    ):
        from zoho_tokenstore import Client, RefreshToken

        client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
        tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()))
        health = tokens.check()
    assert sick(health) == ["clock"]
    assert "ahead of Zoho's" in (health.parts[-1].problem or "")


def test_a_closed_store(folder: Path) -> None:
    """It is reported, not raised."""
    tokens = open_tokens(sqlite(folder), keys=KEY)
    tokens.close()
    assert "open" in sick(tokens.check())


def test_without_another_thread(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """That none can be started is reported, not raised; the next check begins again."""

    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with open_tokens(sqlite(folder), keys=KEY) as tokens:
        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", start)
            health = tokens.check()
        assert sick(health) == PARTS
        assert {part.problem for part in health.parts} == {"No thread can be started."}
        assert sick(tokens.check()) == []


def test_a_server_that_stands_still() -> None:
    """The limit holds; a second check starts nothing, and says so at once; afterwards all is well again."""
    with (
        own_redis(appendonly="yes") as server,
        open_tokens(f"{fill(server.url)}?timeout=3", keys=KEY) as tokens,
    ):
        server.pause()
        try:
            first = tokens.check()
            began = time.monotonic()
            second = tokens.check()
            assert time.monotonic() - began < 0.2
        finally:
            server.resume()
        assert 0.9 < first.seconds < 1.3
        assert sick(first) == sick(second) == PARTS
        assert "no answer" in (first.parts[0].problem or "")
        ends = time.monotonic() + 10
        while sick(tokens.check()):
            assert time.monotonic() < ends
            time.sleep(0.05)


@pytest.mark.parametrize("timeout", [1, None, timedelta(0)])
def test_a_limit_that_is_none(timeout: Any) -> None:
    """What is passed is checked."""
    with open_tokens("memory://") as tokens, pytest.raises(ConfigurationError, match="timedelta"):
        tokens.check(timeout)


def test_awaited() -> None:
    """The loop goes on while a server stands still, even with all other threads waiting for it."""
    with own_redis(appendonly="yes") as server:
        asyncio.run(_while_it_stands_still(server, f"{fill(server.url)}?timeout=2"))


async def _while_it_stands_still(server: Any, url: str) -> None:
    async with open_async_tokens(url, keys=KEY) as tokens:
        assert sick(await tokens.check()) == []
        server.pause()
        try:
            waiting = [asyncio.create_task(tokens.get("1")) for _ in range(40)]
            await asyncio.sleep(0.05)
            ticks = asyncio.create_task(_ticks())
            health = await tokens.check()
            ticks.cancel()
            assert (sick(health), health.seconds < 1.3) == (PARTS, True)
        finally:
            server.resume()
        await asyncio.gather(*waiting, return_exceptions=True)


async def _ticks() -> None:
    while True:
        began = time.monotonic()
        await asyncio.sleep(0.01)
        assert time.monotonic() - began < 0.5


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.filterwarnings("ignore:.*multi-threaded.*fork:DeprecationWarning")
def test_in_a_child(folder: Path) -> None:
    """It makes its own check, whatever its parent was doing."""
    with open_tokens(fill(sqlite(folder)), keys=KEY) as tokens:
        assert sick(tokens.check()) == []
        child = os.fork()
        if not child:
            try:
                os._exit(len(sick(tokens.check())))
            finally:
                os._exit(99)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_it_is_small(folder: Path) -> None:
    """Ten checks leave one lease."""
    with open_tokens(fill(sqlite(folder)), keys=KEY) as tokens:
        for _ in range(10):
            tokens.check()
    with closing(sqlite3.connect(folder / "zohooauth.db")) as connection:
        found = connection.execute("SELECT count(*) FROM zoho_tokenstore_lease WHERE name LIKE 'health%'")
        assert found.fetchone() == (1,)
