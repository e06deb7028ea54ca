"""The same logins for a program with an event loop: `Tokens`, awaited."""

from __future__ import annotations

import contextvars
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from functools import partial
from importlib import import_module
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, ParamSpec, Self, TypeVar

from zoho_tokenstore._health import HEALTH_TIMEOUT, Health
from zoho_tokenstore._logins import Client, Credentials
from zoho_tokenstore._statuses import Status
from zoho_tokenstore._util import forks
from zoho_tokenstore.lifecycle._ending import Revoked
from zoho_tokenstore.records import TokenRecord

if TYPE_CHECKING:
    from zoho_tokenstore.tokens import Tokens

_BATCH: Final = 500
_THREADS: Final = 32

P = ParamSpec("P")
R = TypeVar("R")


class AsyncTokens:
    """`Tokens`, awaited: all work is done in its own threads, and never blocks the event loop.

    Arguments:
        tokens: the `Tokens` to await.
    """

    def __init__(self, tokens: Tokens) -> None:
        # What a first renewal would import, blocking the event loop for a tenth of a second.
        import_module("zoho_tokenstore.renewal._connections")
        self._tokens = tokens
        self._threads = _Threads()

    def __repr__(self) -> str:
        return f"AsyncTokens({self._tokens!r})"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        await self.close()

    async def access_token(self, token_id: str) -> str:
        """See `Tokens.access_token`."""
        return await self._run(self._tokens.access_token, token_id)

    async def get(self, token_id: str) -> TokenRecord:
        """See `Tokens.get`."""
        return await self._run(self._tokens.get, token_id)

    async def find(self, query: TokenRecord) -> TokenRecord | None:
        """See `Tokens.find`."""
        return await self._run(self._tokens.find, query)

    async def refresh(self, token_id: str) -> TokenRecord:
        """See `Tokens.refresh`."""
        return await self._run(self._tokens.refresh, token_id)

    async def invalidate(self, token_id: str, access_token: str | None = None) -> bool:
        """See `Tokens.invalidate`."""
        return await self._run(self._tokens.invalidate, token_id, access_token)

    async def revoke(self, token_id: str) -> Revoked:
        """See `Tokens.revoke`."""
        return await self._run(self._tokens.revoke, token_id)

    async def run_as(
        self, token_id: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """See `Tokens.run_as`."""
        return await self._run(partial(self._tokens.act_as, token_id, function, *args, **kwargs))

    async def log_out(self, token_id: str) -> Revoked:
        """See `Tokens.log_out`."""
        return await self._run(self._tokens.log_out, token_id)

    async def log_in(
        self,
        client: Client,
        credentials: Credentials,
        *,
        user_name: str | None = None,
        api_domain: str | None = None,
        accounts_url: str | None = None,
    ) -> TokenRecord:
        """See `Tokens.log_in`."""
        return await self._run(
            self._tokens.log_in,
            client,
            credentials,
            user_name=user_name,
            api_domain=api_domain,
            accounts_url=accounts_url,
        )

    async def status(self, token_id: str) -> Status:
        """See `Tokens.status`."""
        return await self._run(self._tokens.status, token_id)

    async def check(self, timeout: timedelta = HEALTH_TIMEOUT) -> Health:
        """See `Tokens.check`."""
        import asyncio  # where it runs, it is already loaded

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads.checks, self._tokens.check, timeout)

    async def scan(self) -> AsyncIterator[TokenRecord]:
        """Yield all logins in the order of their ids, as stored."""
        records = await self._run(self._tokens.scan)
        while batch := await self._run(_some, records):
            for record in batch:
                yield record

    async def close(self) -> None:
        """See `Tokens.close`."""
        import asyncio  # where it runs, it is already loaded

        await asyncio.to_thread(self._tokens.close)  # all of its own threads may be busy
        self._threads.work.shutdown(wait=False)
        self._threads.checks.shutdown(wait=False)
        self._threads.reset()  # who uses it now gets the store's own error

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio  # where it runs, it is already loaded

        loop = asyncio.get_running_loop()
        run = contextvars.copy_context().run  # the thread acts for whoever awaits it
        return await loop.run_in_executor(self._threads.work, partial(run, function, *args, **kwargs))


class _Threads:
    """In which all is done. After a fork, the child has its own: it has none of its parent's."""

    def __init__(self) -> None:
        self.reset()
        forks.reset_in_child(self)

    def reset(self) -> None:
        """Begin without any."""
        self.work = ThreadPoolExecutor(_THREADS, thread_name_prefix="zoho-tokenstore")
        # Its own, as all others may be waiting for a storage that hangs.
        self.checks = ThreadPoolExecutor(1, thread_name_prefix="zoho-tokenstore health")


def _some(records: Iterator[Any]) -> list[Any]:
    return list(islice(records, _BATCH))
