"""The logins of a store for any program and any of Zoho's APIs, without the SDK."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import timedelta
from functools import partial
from typing import Final, ParamSpec, TypeVar

from zoho_tokenstore._async_tokens import AsyncTokens
from zoho_tokenstore._device_login import granted_on_device
from zoho_tokenstore._health import HEALTH_TIMEOUT, Health, HealthCheck
from zoho_tokenstore._logins import Client, ClientCredentials, Code, Credentials, Device, RefreshToken
from zoho_tokenstore._statuses import Status, status_of
from zoho_tokenstore._util.opened import Opened
from zoho_tokenstore.errors import ConfigurationError, TokenNotFoundError
from zoho_tokenstore.lifecycle._ending import Revoked
from zoho_tokenstore.lifecycle._lifecycle import Lifecycle
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.renewal._addresses import accounts_server
from zoho_tokenstore.renewal._steps import Origin

__all__ = ["AsyncTokens", "Tokens"]

CRM_VERSION: Final = 8
"""The CRM API version used to ask Zoho who has logged in."""


P = ParamSpec("P")
R = TypeVar("R")


class Tokens(Opened):
    """Good access tokens, whoever else uses them: `open_tokens(url)`, or a store's `tokens`.

    It may be shared by all threads. Besides what they name, its methods raise `BackendError` if the storage
    fails, and `SealingError` or `UnreadableRowError` if the row cannot be read. Those that hand out a token
    raise `InvalidGrantError` or `InvalidClientError` if the user has to log in again, and `RateLimitedError`
    or `AccountsUnavailableError` (with `retry_after`, in seconds) if no new token can be had now: none of
    them while the stored one is valid. With a session policy, a login over a limit is a `LoginExpiredError`.

    Arguments:
        lifecycle: how the logins are renewed, how long they last, and how they end.
        accounts_url: the accounts server of tokens whose API domain is not Zoho's, such as that of
            the local Zoho; for all others it is known.
        is_owner: whether `close` also closes the store.
    """

    def __init__(
        self,
        lifecycle: Lifecycle,
        *,
        accounts_url: str | None = None,
        is_owner: bool = False,
    ) -> None:
        self.lifecycle: Final = lifecycle
        self._renewer = lifecycle.renewer
        self._is_owner = is_owner
        self._origin = Origin(accounts_url=accounts_url)
        self._health = HealthCheck(lifecycle.renewer)

    def __repr__(self) -> str:
        return f"Tokens({self._renewer.repository.location!r})"

    @property
    def accounts_url(self) -> str | None:
        """The accounts server of tokens whose API domain is not Zoho's, if that was given."""
        return self._origin.accounts_url

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

        It logs nobody in: a code in the query is only used to find.
        """
        return self._renewer.find(query, self._where, logs_in=False)

    def refresh(self, token_id: str) -> TokenRecord:
        """Renew a login now, even if its token is still valid, or Zoho refused to renew it before.

        Raises:
            TokenNotFoundError: there is none with this id.
        """
        return self._renewer.refresh(token_id, self._where)

    def invalidate(self, token_id: str, access_token: str | None = None) -> bool:
        """Report that Zoho refused an access token that looks good: the next look-up renews it.

        Arguments:
            token_id: the login.
            access_token: the one refused. If another is stored by now, nothing is done.

        Returns:
            whether it was still the stored one.

        Raises:
            TokenNotFoundError: there is no login with this id.
        """
        return self._renewer.invalidate(token_id, access_token)

    def revoke(self, token_id: str) -> Revoked:
        """End a login, and those it has replaced: first at Zoho, then here.

        Returns:
            whether it was alive at Zoho; one that Zoho no longer knows is also removed.

        Raises:
            TokenNotFoundError: there is none with this id.
            AccountsUnavailableError: Zoho could not be asked. The login is still there.
        """
        return self.lifecycle.ending.revoke(token_id)

    def log_out(self, token_id: str) -> Revoked:
        """End a login in any case: if Zoho cannot be asked now, it ends here, and the revocation is owed.

        What is owed is paid by `lifecycle.clean_up`.

        Raises:
            TokenNotFoundError: there is none with this id.
        """
        return self.lifecycle.ending.revoke(token_id, owes=True)

    def log_in(
        self,
        client: Client,
        credentials: Credentials,
        *,
        user_name: str | None = None,
        api_domain: str | None = None,
        accounts_url: str | None = None,
    ) -> TokenRecord:
        """Log in, and return the stored login.

        Arguments:
            client: the OAuth client.
            credentials: a `Code`, a `RefreshToken`, a `Device` or `ClientCredentials`.
            user_name: whose login it is; if not given, Zoho is asked, which needs the scopes
                `ZohoCRM.users.READ` and `ZohoCRM.org.READ`.
            api_domain: where the user's data is, if Zoho's answer does not say; stored as Zoho spells it.
            accounts_url: the accounts server; by default that of `api_domain`, otherwise
                ``https://accounts.zoho.com``.

        Raises:
            ConfigurationError: an argument cannot be used.
            InvalidGrantError: Zoho refuses the credentials, or the user does.
            BackendError: also if the store is closed while a device is waited for.
        """
        if not isinstance(client, Client) or not isinstance(credentials, Credentials):
            raise ConfigurationError(
                "log_in needs a Client, and a Code, a RefreshToken, a Device or ClientCredentials."
            )
        user_name, api_domain = user_name or None, datacenters.as_listed(api_domain or "") or None
        origin = self._origin._replace(
            accounts_url=self._accounts_url_for(api_domain, accounts_url or None),
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
            case Device():
                server, renewer = origin.accounts_url or "", self._renewer
                wait = partial(
                    granted_on_device, renewer.accounts, server, client, credentials, renewer.sleep
                )
                grant = renewer.ask(base, wait)
            case ClientCredentials(scopes, soid):
                accounts = self._renewer.accounts(origin.accounts_url or "")
                ask = accounts.client_credentials  # no partial of it: its repr would show the secret
                grant = self._renewer.ask(base, lambda: ask(client.id, client.secret, scopes, soid=soid))
                base, origin = base.changed(user_name=user_name or soid), origin._replace(crm_version=None)
        return self._renewer.keep(base, grant, origin)

    def acting_as(self, token_id: str) -> AbstractContextManager[TokenRecord]:
        """Return a block in which this thread's calls of Zoho's SDK are made as the user of a login.

        It gives the login, renewed if it needs that. Afterwards the thread acts as before. Blocks can be
        nested. Threads started inside act as nobody.

        Raises:
            TokenNotFoundError: when it is entered: there is no login with this id.
            ConfigurationError: likewise: the SDK is not initialized with this store, or this is the thread of
                an event loop; or the block is left in another thread.
        """
        from zoho_tokenstore.sdk._acting import ActingAs

        return ActingAs(self, token_id)

    def act_as(self, token_id: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> R:
        """Call a function as the user of a login; see `acting_as`."""
        with self.acting_as(token_id):
            return function(*args, **kwargs)

    async def run_as(
        self, token_id: str, function: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs
    ) -> R:
        """Call a function as the user of a login in a thread, and await it: the event loop goes on.

        Raises:
            TokenNotFoundError, ConfigurationError: as for `acting_as`.
        """
        import asyncio  # where it runs, it is already loaded

        return await asyncio.to_thread(partial(self.act_as, token_id, function, *args, **kwargs))

    def status(self, token_id: str) -> Status:
        """Return a login's status, without renewing it.

        Raises:
            TokenNotFoundError: there is none with this id.
        """
        return status_of(self.lifecycle, token_id)

    def check(self, timeout: timedelta = HEALTH_TIMEOUT) -> Health:
        """Return whether the store works: it answers, its rows open, it accepts writes, the clocks agree.

        Nothing is renewed, and nothing is raised for what is wrong: each part says what it is.

        Arguments:
            timeout: for all of it. What has not answered by then is not healthy.

        Raises:
            ConfigurationError: the timeout is not a positive `timedelta`.
        """
        return self._health.check(timeout)

    def scan(self) -> Iterator[TokenRecord]:
        """Return an iterator over all logins in the order of their ids, as they are stored."""
        return self._renewer.repository.scan()

    def close(self) -> None:
        """Wait for renewals in progress, and close the store, if `open_tokens` opened it."""
        if self._is_owner:
            with self._renewer.repository:
                self._renewer.close()

    def _where(self) -> Origin:
        return self._origin

    def _accounts_url_for(self, api_domain: str | None, given: str | None) -> str:
        center = datacenters.of_api_domain(api_domain or "")
        if center is None:
            return given or self._origin.accounts_url or datacenters.DATA_CENTERS[0].accounts_url
        if given is not None and datacenters.of_accounts_server(accounts_server(given)) is not center:
            raise ConfigurationError(
                f"log_in: the accounts server of {api_domain} is {center.accounts_url}, and accounts_url "
                "names another one. Pass one of the two."
            )
        return center.accounts_url

    def _logged_in(self, query: TokenRecord, origin: Origin) -> TokenRecord:
        record = self._renewer.find(query, lambda: origin)
        if record is None:  # only if it was deleted during the exchange
            raise TokenNotFoundError("The login was deleted while being made. Log in again.")
        return record


def _access_token_of(record: TokenRecord) -> str:
    if record.access_token is None:
        raise TokenNotFoundError(f"The token with the id {record.id!r} has no access token. Log in again.")
    return record.access_token
