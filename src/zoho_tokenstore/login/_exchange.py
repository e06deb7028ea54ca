"""The exchange of a browser's code: what Zoho grants is checked, and becomes a login or is given back."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from zoho_tokenstore._logins import Client
from zoho_tokenstore.errors import InvalidClientError, InvalidGrantError, TokenStoreError
from zoho_tokenstore.login._begun_logins import Begun
from zoho_tokenstore.login._failures import LoginFailedError
from zoho_tokenstore.login._scopes import missing_from
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._answers import TokenResponse
from zoho_tokenstore.renewal._authorization import AccessType
from zoho_tokenstore.renewal._datacenters import environment_like, of_accounts_server
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.tokens import CRM_VERSION, Tokens

_USED_UP: Final = frozenset({"invalid_code", "invalid_grant"})
"""What Zoho says of a code that has expired after its two minutes, or has been used."""


class Exchange:
    """Exchanges codes for logins; the arguments are those of `LoginFlow`."""

    def __init__(
        self,
        tokens: Tokens,
        client: Client,
        clients: Mapping[str, Client],
        redirect_url: str,
        scopes: tuple[str, ...],
        access_type: AccessType,
    ) -> None:
        self._lifecycle = tokens.lifecycle
        self._renewer = tokens.lifecycle.renewer
        self._repository = self._renewer.repository
        self._client, self._clients = client, dict(clients)
        self._redirect_url = redirect_url
        self._scopes = scopes
        self._access_type = access_type

    def log_in(self, begun: Begun, code: str, server: str) -> TokenRecord:
        """Exchange a code at an accounts server, and return the stored login."""
        center = of_accounts_server(server)
        client = self._clients.get(center.location if center else "", self._client)
        base = TokenRecord(
            client_id=client.id,
            client_secret=client.secret,
            grant_token=code,
            redirect_url=self._redirect_url,
        )
        domain = environment_like(self._lifecycle.origin().api_domain, center)
        origin = Origin(accounts_url=server, api_domain=domain, crm_version=CRM_VERSION)
        ask = self._renewer.accounts(server).exchange
        options = {"redirect_url": self._redirect_url, "code_verifier": begun.verifier}
        try:  # no partial: its repr would show the client's secret
            grant = self._renewer.ask(base, lambda: ask(client.id, client.secret, code, **options))
        except InvalidGrantError as error:
            raise LoginFailedError(
                "expired" if error.error_code in _USED_UP else "refused", str(error)
            ) from error
        except InvalidClientError as error:
            raise LoginFailedError("refused", str(error)) from error
        return self._keep(begun, base, grant, origin)

    def _keep(self, begun: Begun, base: TokenRecord, grant: TokenResponse, origin: Origin) -> TokenRecord:
        """Store what was granted now, or give it back: it must not be stored later, when it is revoked."""
        granted = base.changed(
            refresh_token=grant.refresh_token,
            access_token=grant.access_token,
            api_domain=origin.domain_for(base, grant.api_domain),
        )
        check = partial(self._check, begun, grant)
        try:
            return self._renewer.keep(base, grant, origin, check=check, may_wait=False)
        except LoginFailedError:  # refused by the check
            self._lifecycle.ending.give_back(granted, origin)
            raise
        except TokenStoreError as error:
            stored = self._stored(granted, origin, error)
            if stored is None:
                raise
            return stored

    def _stored(self, granted: TokenRecord, origin: Origin, failed: TokenStoreError) -> TokenRecord | None:
        try:
            return self._lifecycle.settle(granted, origin)
        except TokenStoreError as error:
            stays = f"The login may be stored, without this browser, and was not revoked: {failed}"
            raise LoginFailedError("unavailable", stays) from error

    def _check(self, begun: Begun, grant: TokenResponse, record: TokenRecord) -> None:
        """Refuse what must not become a login."""
        missing = missing_from(grant.scopes, self._scopes) if grant.scopes else ()
        if missing:
            raise LoginFailedError("missing_scopes", f"Not granted: {', '.join(missing)}.")
        if record.user_name is None:
            raise LoginFailedError("unknown_user", f"Needed: {', '.join(self._scopes[:2])}.")
        if not begun.expects(record.user_name):
            raise LoginFailedError("wrong_user")
        if record.refresh_token is None and self._access_type == "offline":
            stored = self._repository.find(record.changed(access_token=None, grant_token=None), tell=False)
            if stored is None or stored.refresh_token is None or stored.identified_at_ms is None:
                raise LoginFailedError("no_refresh_token")
