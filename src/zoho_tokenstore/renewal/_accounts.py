"""Zoho's OAuth endpoints: one request per call, never resent."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from typing import ParamSpec, TypeVar

from zoho_tokenstore.errors import AccountsError, forget_values
from zoho_tokenstore.renewal._addresses import accounts_server
from zoho_tokenstore.renewal._answers import (
    TokenResponse,
    fields_of,
    parse_token_response,
    revocation_failure_of,
)
from zoho_tokenstore.renewal._authorization import joined
from zoho_tokenstore.renewal._device import DeviceCode, Pending, device_code_of, poll_of
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport

_TOKEN = "/oauth/v2/token"  # noqa: S105  # a path

P = ParamSpec("P")
R = TypeVar("R")


def _forgetting(method: Callable[P, R]) -> Callable[P, R]:
    """Leave no secret, sent or received, in the frames an error passes through."""

    @wraps(method)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except AccountsError as error:
            del args, kwargs
            forget_values(error)
            raise

    return call


class Accounts:
    """The accounts server of one data centre.

    All methods raise an `AccountsError` if they fail. Its `kind` says whether Zoho refused, accepts no more
    requests now, or could not answer; or whether the outcome is unknown.

    Each request may take ten seconds, unless `transport` says otherwise.
    """

    def __init__(self, accounts_url: str, *, transport: Transport | None = None) -> None:
        self.url = accounts_server(accounts_url)
        self._transport = transport or Transport()

    def __repr__(self) -> str:
        return f"Accounts({self.url!r})"

    @_forgetting
    def refresh(self, client_id: str, client_secret: str, refresh_token: str) -> TokenResponse:
        """Return a new access token of a login. Zoho does not repeat the refresh token."""
        form = {
            "grant_type": "refresh_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "refresh_token": refresh_token,
        }
        return parse_token_response(self._post(_TOKEN, form), "the refresh token")

    @_forgetting
    def exchange(
        self,
        client_id: str,
        client_secret: str,
        code: str,
        *,
        redirect_url: str | None = None,
        code_verifier: str | None = None,
    ) -> TokenResponse:
        """Return the tokens of a new login, for a one-time code.

        If it fails with `kind` `uncertain`, the code may be used up: do not send it again.
        """
        form = {
            "grant_type": "authorization_code",
            "client_id": client_id,
            "client_secret": client_secret,
            "code": code,
        }
        if redirect_url is not None:
            form["redirect_uri"] = redirect_url
        if code_verifier is not None:
            form["code_verifier"] = code_verifier
        return parse_token_response(self._post(_TOKEN, form), "the one-time code", once=True)

    @_forgetting
    def client_credentials(
        self, client_id: str, client_secret: str, scopes: Sequence[str], *, soid: str
    ) -> TokenResponse:
        """Return an access token for a self client, without a user.

        `soid` is the service and the organisation, such as `ZohoCRM.<zgid>`.
        """
        form = {
            "grant_type": "client_credentials",
            "client_id": client_id,
            "client_secret": client_secret,
            "scope": joined(scopes),
            "soid": soid,
        }
        return parse_token_response(self._post(_TOKEN, form), "the client's credentials")

    @_forgetting
    def revoke(self, token: str) -> None:
        """Revoke a refresh token and its access tokens, or one access token.

        An `InvalidGrantError` means that Zoho does not know the token; it may have been revoked before.
        """
        answer = self._post("/oauth/v2/token/revoke", {"token": token})
        if answer.status != 200 or fields_of(answer).get("status") != "success":
            raise revocation_failure_of(answer)

    @_forgetting
    def start_device(self, client_id: str, scopes: Sequence[str]) -> DeviceCode:
        """Begin the login of a device without a browser."""
        form = {
            "grant_type": "device_request",
            "client_id": client_id,
            "scope": joined(scopes),
            "access_type": "offline",
            "prompt": "consent",
        }
        return device_code_of(self._post("/oauth/v3/device/code", form))

    @_forgetting
    def poll_device(self, client_id: str, client_secret: str, device_code: str) -> TokenResponse | Pending:
        """Ask whether the user has logged in, at most once per `interval` of the device code."""
        form = {
            "grant_type": "device_token",
            "client_id": client_id,
            "client_secret": client_secret,
            "code": device_code,
        }
        return poll_of(self._post("/oauth/v3/device/token", form))

    def _post(self, path: str, form: Mapping[str, str]) -> HTTPAnswer:
        return self._transport.post(self.url + path, form)
