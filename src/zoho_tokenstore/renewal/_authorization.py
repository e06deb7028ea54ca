"""Where a user's browser is sent to log in: the authorization URL, and PKCE (RFC 7636)."""

from __future__ import annotations

import base64
import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlencode

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.renewal._addresses import accounts_server

AccessType = Literal["offline", "online"]


@dataclass(frozen=True, slots=True)
class PKCE:
    """The secret of one login, and the part that may be shown beforehand.

    `verifier` is kept, and sent with the code; `challenge` is in the authorization URL (S256).
    """

    verifier: str = field(repr=False)
    challenge: str


def pkce_pair() -> PKCE:
    """Return a new verifier and its challenge, for one login."""
    verifier = secrets.token_urlsafe(64)
    digest = hashlib.sha256(verifier.encode()).digest()
    return PKCE(verifier, base64.urlsafe_b64encode(digest).rstrip(b"=").decode())


def authorization_url(
    accounts_url: str,
    client_id: str,
    redirect_url: str,
    scopes: Sequence[str],
    *,
    state: str,
    access_type: AccessType = "offline",
    prompt: Literal["consent"] | None = "consent",
    code_challenge: str | None = None,
) -> str:
    """Return the URL at which a user lets a client act for them.

    By Zoho's page "Get authorization code". Users of all data centres can start at `accounts.zoho.com`; the
    redirect then names the server where the code must be exchanged.

    Arguments:
        accounts_url: the accounts server.
        client_id: the client.
        redirect_url: where Zoho sends the browser afterwards, exactly as it is registered.
        scopes: the scopes requested, such as `ZohoCRM.users.READ`.
        state: returned in the redirect. A value known only to this browser's session.
        access_type: `offline` brings a refresh token, `online` an access token only.
        prompt: `consent` asks the user each time; without it only the first consent brings a refresh token.
        code_challenge: of a `pkce_pair`.

    Raises:
        ConfigurationError: the accounts URL cannot be used, or something is missing.
    """
    if not (client_id and redirect_url and state):
        raise ConfigurationError("An authorization URL needs a client id, a redirect URL and a state.")
    query = {
        "response_type": "code",
        "client_id": client_id,
        "redirect_uri": redirect_url,
        "scope": joined(scopes),
        "access_type": access_type,
        "state": state,
    }
    if prompt is not None:
        query["prompt"] = prompt
    if code_challenge is not None:
        query |= {"code_challenge": code_challenge, "code_challenge_method": "S256"}
    return f"{accounts_server(accounts_url)}/oauth/v2/auth?{urlencode(query)}"


def joined(scopes: Sequence[str]) -> str:
    """Return scopes as Zoho expects them, separated by commas."""
    if isinstance(scopes, str) or not scopes or not all(isinstance(scope, str) for scope in scopes):
        raise ConfigurationError('Pass the scopes as a list of strings, such as ["ZohoCRM.users.READ"].')
    return ",".join(scopes)
