"""Who calls an API, and whether the token permits it."""

from __future__ import annotations

from dataclasses import dataclass

from zoho_tokenstore.emulator._model import AccessToken, User
from zoho_tokenstore.emulator._refusals import API_REFUSALS, RefusalError
from zoho_tokenstore.emulator._scopes import permits
from zoho_tokenstore.emulator._web.call import Call
from zoho_tokenstore.emulator._zoho import Zoho

_SCHEMES = ("zoho-oauthtoken", "bearer")


def bearer_token(call: Call) -> str:
    """Return the access token of the `Authorization` header, or an empty string."""
    scheme, _, text = call.headers.get("authorization", "").partition(" ")
    return text.strip() if scheme.lower() in _SCHEMES else ""


@dataclass(frozen=True, slots=True)
class Guard:
    """Lets in requests with a good token, and answers others in the API's own shape.

    Args:
        api: a key of `API_REFUSALS`.
        service: the first part of the API's scopes.
    """

    api: str
    service: str

    def authenticate(self, zoho: Zoho, call: Call) -> AccessToken:
        """Return the request's live access token.

        Raises:
            RefusalError: `AUTHENTICATION_FAILURE` or `INVALID_TOKEN`.
        """
        text = bearer_token(call)
        if not text:
            raise self.refusal("AUTHENTICATION_FAILURE")
        token = zoho.ledger.access_token(text)
        if token is None:
            raise self.refusal("INVALID_TOKEN")
        trace, grant = call.trace, token.grant
        trace.client, trace.user, trace.access_token = grant.client.client_id, grant.user.email, token.label
        return token

    def permit(self, zoho: Zoho, token: AccessToken, areas: tuple[str, ...], operation: str) -> User:
        """Return the token's user.

        Raises:
            RefusalError: `OAUTH_SCOPE_MISMATCH`.
        """
        grant = token.grant
        if zoho.options.check_scopes and not permits(grant.scopes, self.service, areas, operation):
            raise self.refusal("OAUTH_SCOPE_MISMATCH")
        return grant.user

    def refusal(self, name: str) -> RefusalError:
        """Return an error of the API, under the CRM's name for it."""
        return API_REFUSALS[self.api](name, None)
