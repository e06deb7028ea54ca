"""The logins of a store for any program and any of Zoho's APIs, without the SDK."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from importlib import import_module
from itertools import islice
from typing import Any, Final, NoReturn, ParamSpec, Self, TypeVar

from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    ConfigurationError,
    InvalidGrantError,
    TokenNotFoundError,
)
from zoho_tokenstore.logins import Client, ClientCredentials, Code, Credentials, Device, RefreshToken
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import datacenters
from zoho_tokenstore.renewal.accounts import Accounts
from zoho_tokenstore.renewal.answers import Grant
from zoho_tokenstore.renewal.renewer import Renewer
from zoho_tokenstore.renewal.steps import Origin
from zoho_tokenstore.statuses import Status, status_of

__all__ = ["AsyncTokens", "Tokens"]

CRM_VERSION: Final = 8
"""The version of the CRM API by which Zoho is asked who has logged in."""

_BATCH: Final = 500
_THREADS: Final = 32

P = ParamSpec("P")
R = TypeVar("R")


class Tokens:
    """Access tokens that are good, whoever else uses them: `open_tokens(url)`, or a store's `tokens`.

    It may be shared by all threads. Beside what they name its methods raise `BackendError` if the storage
    fails, and `SealingError` or `UnreadableRowError` if the row cannot be read. Those that hand out a token
    raise `InvalidGrantError` or `InvalidClientError` if the user has to log in again, and `RateLimitedError`
    or `AccountsUnavailableError` (with `retry_after`, in seconds) if no new token can be had now: none of
    them while the stored one is valid.

    Arguments:
        renewer: renews them.
        accounts_url: the accounts server of tokens whose API domain is none of Zoho's, such as that of
            the local Zoho; of all others it is known.
        is_owner: whether `close` closes the store, too.
    """

    def __init__(self, renewer: Renewer, *, accounts_url: str | None = None, is_owner: bool = False) -> None:
        self._renewer = renewer
        self._is_owner = is_owner
        self._origin = Origin(accounts_url=accounts_url)

    def __repr__(self) -> str:
        return f"Tokens({self._renewer.repository.location!r})"

    def __reduce__(self) -> NoReturn:
        raise ConfigurationError(
            "Tokens cannot be pickled or copied: they have connections and locks. Open them in each process."
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def access_token(self, token_id: str) -> str:
        """Return an access token of a login, renewed if it needs that.

        Raises:
            TokenNotFoundError: there is no login with this id.
        """
        return _access_token_of(self.get(token_id))

    def get(self, token_id: str) -> TokenRecord:
        """Return a login with a good access token.

        Raises:
            TokenNotFoundError: there is none with this id.
        """
        record = self._renewer.get(token_id, self._where)
        if record is None:
            raise TokenNotFoundError(f"There is no token with the id {token_id!r}. Log in again.")
        return record

    def find(self, query: TokenRecord) -> TokenRecord | None:
        """Return the login that a partial token means, as `TokenRecord(user_name=...)`, likewise; or `None`.

        Nobody is logged in by it: a code in the query only finds.
        """
        return self._renewer.find(query, self._where, logs_in=False)

    def refresh(self, token_id: str) -> TokenRecord:
        """Renew a login now, also if its token is still valid, or Zoho has refused to renew it before.

        Raises:
            TokenNotFoundError: there is none with this id.
        """
        return self._renewer.refresh(token_id, self._where)

    def invalidate(self, token_id: str, access_token: str | None = None) -> bool:
        """Say that Zoho has refused an access token that looks good: the next look-up renews it.

        Arguments:
            token_id: the login.
            access_token: the one that was refused. If another one is stored by now, nothing is done.

        Returns:
            whether it was still the stored one.

        Raises:
            TokenNotFoundError: there is no login with this id.
        """
        return self._renewer.invalidate(token_id, access_token)

    def revoke(self, token_id: str) -> None:
        """End a login: at Zoho first, and then here. One that Zoho does not know any more is removed as well.

        Raises:
            TokenNotFoundError: there is none with this id.
            AccountsUnavailableError: Zoho could not be asked. The login is still there.
        """
        record = self._renewer.current(token_id)
        if record is None:
            raise TokenNotFoundError(f"There is no token with the id {token_id!r}.")
        token = record.refresh_token or record.access_token
        if token is not None:
            with contextlib.suppress(InvalidGrantError):  # it has ended already
                self._accounts(self._origin.accounts_url_of(record)).revoke(token)
        self._renewer.delete(token_id)

    def log_in(
        self,
        client: Client,
        credentials: Credentials,
        *,
        user_name: str | None = None,
        api_domain: str | None = None,
        accounts_url: str | None = None,
    ) -> TokenRecord:
        """Log in, and return the login as it is stored.

        Arguments:
            client: the OAuth client.
            credentials: a `Code`, a `RefreshToken`, a `Device` or `ClientCredentials`.
            user_name: whose login it is; if it is not given, Zoho is asked, which needs the scopes
                `ZohoCRM.users.READ` and `ZohoCRM.org.READ`.
            api_domain: where the user's data is, if Zoho's answer does not say.
            accounts_url: the accounts server; by default that of `api_domain`, or else
                ``https://accounts.zoho.com``.

        Raises:
            InvalidGrantError: Zoho refuses the credentials, or the user has.
        """
        origin = self._origin._replace(
            accounts_url=accounts_url or self._accounts_url_for(api_domain),
            api_domain=api_domain,
            crm_version=None if user_name is not None else CRM_VERSION,
        )
        base = TokenRecord(
            client_id=client.id, client_secret=client.secret, user_name=user_name, api_domain=api_domain
        )
        match credentials:
            case Code(code, redirect_url, code_verifier):
                query = base.changed(grant_token=code, redirect_url=redirect_url)
                origin = origin._replace(code_verifier=code_verifier)
                return self._logged_in(query, origin)
            case RefreshToken(token):
                return self._logged_in(base.changed(refresh_token=token), origin)
            case Device(scopes, show):
                grant = _granted_on_device(
                    self._accounts, origin.accounts_url or "", client, Device(scopes, show)
                )
            case ClientCredentials(scopes, soid):
                accounts = self._accounts(origin.accounts_url or "")
                grant = accounts.client_credentials(client.id, client.secret, scopes, soid=soid)
                base, origin = base.changed(user_name=user_name or soid), origin._replace(crm_version=None)
        return self._renewer.keep(base, grant, origin)

    def status(self, token_id: str) -> Status:
        """Return how a login is doing, without renewing it.

        Raises:
            TokenNotFoundError: there is none with this id.
        """
        return status_of(self._renewer, token_id)

    def scan(self) -> Iterator[TokenRecord]:
        """Return an iterator over all logins in the order of their ids, as they are stored."""
        return self._renewer.repository.scan()

    def close(self) -> None:
        """Wait for renewals that are under way, and close the store, if `open_tokens` has opened it."""
        if self._is_owner:
            self._renewer.close()
            self._renewer.repository.close()

    def _where(self) -> Origin:
        return self._origin

    def _accounts(self, accounts_url: str) -> Accounts:
        return self._renewer.accounts(accounts_url)

    def _accounts_url_for(self, api_domain: str | None) -> str:
        center = datacenters.of_api_domain(api_domain or "")
        known = None if center is None else center.accounts_url
        return known or self._origin.accounts_url or datacenters.DATA_CENTERS[0].accounts_url

    def _logged_in(self, query: TokenRecord, origin: Origin) -> TokenRecord:
        record = self._renewer.find(query, lambda: origin)
        if record is None:  # only if it was deleted while it was exchanged
            raise TokenNotFoundError("The login was deleted while it was made. Log in again.")
        return record


class AsyncTokens:
    """`Tokens`, awaited: all work is done in threads of its own, and never blocks the event loop.

    Arguments:
        tokens: what it is for.
    """

    def __init__(self, tokens: Tokens) -> None:
        # What a first renewal would import, while the event loop stands still for a tenth of a second.
        import_module("zoho_tokenstore.renewal.connections")
        self._tokens = tokens
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="zoho-tokenstore")

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

    async def revoke(self, token_id: str) -> None:
        """See `Tokens.revoke`."""
        await self._run(self._tokens.revoke, token_id)

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

    async def scan(self) -> AsyncIterator[TokenRecord]:
        """Yield all logins in the order of their ids, as they are stored."""
        records = await self._run(self._tokens.scan)
        while batch := await self._run(_some, records):
            for record in batch:
                yield record

    async def close(self) -> None:
        """See `Tokens.close`."""
        await self._run(self._tokens.close)
        self._threads.shutdown(wait=False)

    async def _run(self, function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        import asyncio  # where it runs, it has been loaded

        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, partial(function, *args, **kwargs))


def _some(records: Iterator[Any]) -> list[Any]:
    return list(islice(records, _BATCH))


def _access_token_of(record: TokenRecord) -> str:
    if record.access_token is None:
        raise TokenNotFoundError(f"The token with the id {record.id!r} has no access token. Log in again.")
    return record.access_token


def _granted_on_device(
    accounts_at: Callable[[str], Accounts], accounts_url: str, client: Client, device: Device
) -> Grant:
    """Wait until the user has logged in on another device, as long as Zoho lets him."""
    accounts = accounts_at(accounts_url)
    code = accounts.start_device(client.id, device.scopes)
    device.show(code)
    ends = time.monotonic() + code.expires_in.total_seconds()
    pause = code.interval.total_seconds()
    while time.monotonic() < ends:
        time.sleep(min(pause, max(0.0, ends - time.monotonic())))
        try:
            answer = accounts.poll_device(client.id, client.secret, code.device_code)
        except AccountsUnavailableError:  # the user may still be at it
            continue
        if isinstance(answer, Grant):
            return answer
        if answer.data_center is not None:
            accounts = accounts_at(answer.data_center.accounts_url)
        pause += 5.0 if answer.slow_down else 0.0  # RFC 8628, 3.5
    raise InvalidGrantError(
        "The user has not logged in on another device in time. Begin again.", error_code="expired"
    )
