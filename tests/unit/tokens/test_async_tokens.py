"""`AsyncTokens`: the same, awaited, and the event loop goes on."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tokens.support import let_expire
from zoho_tokenstore import Client, Code, Device, RefreshToken, TokenNotFoundError, TokenRecord
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.errors import BackendError, InvalidGrantError
from zoho_tokenstore.registry import open_async_tokens
from zoho_tokenstore.tokens import AsyncTokens, Tokens


@pytest.fixture
def run(zoho: Emulator, tmp_path: Path) -> Callable[[Callable[[AsyncTokens], Awaitable[Any]]], Any]:
    """Return how a function is run in an event loop, with the logins of a store."""

    @asynccontextmanager
    async def opened() -> AsyncIterator[AsyncTokens]:
        url = f"sqlite:///{tmp_path}/tokens.db"
        async with open_async_tokens(url, accounts_url=zoho.accounts_url) as tokens:
            yield tokens

    async def in_loop(work: Callable[[AsyncTokens], Awaitable[Any]]) -> Any:
        async with opened() as tokens:
            return await work(tokens)

    return lambda work: asyncio.run(in_loop(work))


def test_every_method(run: Any, zoho: Emulator, client: Client) -> None:
    """Each does what the one of `Tokens` does."""

    async def work(tokens: AsyncTokens) -> None:
        record = await tokens.log_in(client, Code(zoho.mint_code()), user_name="patricia")
        token_id = record.id or ""
        assert await tokens.access_token(token_id) == record.access_token
        assert await tokens.get(token_id) == record
        assert await tokens.find(TokenRecord(user_name="patricia")) == record
        assert (await tokens.status(token_id)).state == "active"
        assert [each async for each in tokens.scan()] == [record]
        assert await tokens.invalidate(token_id, record.access_token)
        renewed = await tokens.get(token_id)
        assert renewed.access_token != record.access_token
        assert (await tokens.refresh(token_id)).access_token not in (
            record.access_token,
            renewed.access_token,
        )
        await tokens.revoke(token_id)
        with pytest.raises(TokenNotFoundError):
            await tokens.access_token(token_id)
        assert not zoho.is_live(record.refresh_token or "")

    run(work)


def test_it_has_every_method_of_tokens() -> None:
    """None is forgotten when one is added."""
    of_a_thread = {"accounts_url", "acting_as", "act_as"}
    public = {name for name in vars(Tokens) if not name.startswith("_")} - of_a_thread
    assert public == {name for name in vars(AsyncTokens) if not name.startswith("_")}
    for name in public:
        theirs, ours = (getattr(kind, name).__annotations__ for kind in (Tokens, AsyncTokens))
        assert list(theirs) == list(ours)


def test_many_tasks_share_one_renewal_and_the_loop_goes_on(run: Any, zoho: Emulator, client: Client) -> None:
    """A hundred tasks wait for one request of half a second; other work of the loop is not held up."""

    async def work(tokens: AsyncTokens) -> None:
        record = await tokens.log_in(client, RefreshToken(zoho.mint_refresh_token()), user_name="patricia")
        let_expire(tokens._tokens, zoho, record)
        zoho.fault("token", "slow", times=1, seconds=0.5)
        before, beats = zoho.counters().count("token"), 0
        asked = asyncio.gather(*(tokens.access_token(record.id or "") for _ in range(100)))
        while not asked.done():
            await asyncio.sleep(0.01)
            beats += 1
        assert len(set(await asked)) == 1
        assert zoho.counters().count("token") == before + 1
        assert beats >= 10

    run(work)


def test_errors_are_awaited(run: Any, zoho: Emulator, client: Client) -> None:
    """What went wrong is raised where it is awaited."""

    async def work(tokens: AsyncTokens) -> None:
        with pytest.raises(InvalidGrantError, match="invalid_code"):
            await tokens.log_in(client, Code("1000.wrong"))

    run(work)


def test_a_device_is_not_waited_for_once_the_store_is_closed(run: Any, client: Client) -> None:
    """Its threads end, however many logins they were waiting for: nothing holds up the end of the program."""

    async def work(tokens: AsyncTokens) -> set[threading.Thread]:
        loop, shown = asyncio.get_running_loop(), asyncio.Semaphore(0)
        device = Device(("ZohoCRM.users.READ",), lambda _: loop.call_soon_threadsafe(shown.release))
        logins = [asyncio.create_task(tokens.log_in(client, device, user_name="eve")) for _ in range(40)]
        for _ in range(32):
            await shown.acquire()
        for login in logins:
            login.cancel()
        return set(tokens._threads.work._threads)

    for thread in run(work):
        thread.join(10)
        assert not thread.is_alive()


def test_what_is_used_after_it_was_closed_says_so(tmp_path: Path) -> None:
    """It raises the store's own error, and a probe gets an answer, as without an event loop."""

    async def work() -> bool:
        async with open_async_tokens(f"sqlite:///{tmp_path}/tokens.db") as tokens:
            pass
        with pytest.raises(BackendError, match="has been closed"):
            await tokens.get("1")
        return (await tokens.check()).is_healthy

    assert asyncio.run(work()) is False


def test_closing(tmp_path: Path) -> None:
    """It closes the store that it has opened."""

    async def work() -> Tokens:
        async with open_async_tokens(f"sqlite:///{tmp_path}/tokens.db") as tokens:
            assert repr(tokens) == f"AsyncTokens(Tokens('{tmp_path}/tokens.db'))"
            return tokens._tokens

    inner = asyncio.run(work())
    with pytest.raises(BackendError):
        list(inner.scan())
