"""The accounts server: tokens, revocation and discovery."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from urllib.parse import unquote

from zoho_tokenstore.emulator._model import AccessToken, Client, Grant, Minted, RefreshToken
from zoho_tokenstore.emulator._randomness import label
from zoho_tokenstore.emulator._refusals import RefusalError, oauth_refusal
from zoho_tokenstore.emulator._scopes import read_scopes, write_scopes
from zoho_tokenstore.emulator._web.call import Answer, Call
from zoho_tokenstore.emulator._zoho import Zoho


def token(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v2/token`."""
    minted = _grant_handler(call)(zoho, call, authenticate(zoho, call))
    return answer_with_tokens(zoho, call, minted)


def answer_with_tokens(zoho: Zoho, call: Call, minted: Minted) -> Answer:
    """Return the answer to a token request that was granted."""
    _trace(call, minted)
    return Answer(json=_token_body(zoho, call, minted))


def token_endpoint(call: Call) -> str:
    """Return the endpoint kind of a token request, and note which refresh token it is about."""
    text = call.param("refresh_token")
    call.trace.refresh_token = label(text) if text else ""
    grant_type = call.param("grant_type")
    return f"token:{grant_type}" if grant_type in _GRANTS else "token:other"


def revoke(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v2/token/revoke`: anyone who has the token may revoke it."""
    return _revoke(zoho, call, _find(zoho, call.param("token") or ""))


def revoke_with_client(zoho: Zoho, call: Call) -> Answer:
    """Answer `POST /oauth/v2/revoke/token`: HTTP Basic authentication, and `token_type`."""
    client = _basic_client(zoho, call)
    found = _find(zoho, call.param("token") or "", call.param("token_type"))
    if found is not None and found.grant.client.client_id != client.client_id:
        found = None
    return _revoke(zoho, call, found)


def server_info(zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /oauth/serverinfo`."""
    return Answer(json={"result": "success", "locations": {zoho.options.location: call.base_url}})


def openid_configuration(_zoho: Zoho, call: Call) -> Answer:
    """Answer `GET /.well-known/openid-configuration`, as far as emulated."""
    base = f"{call.base_url}/oauth/v2"
    return Answer(
        json={
            "issuer": call.base_url,
            "authorization_endpoint": f"{base}/auth",
            "device_authorization_endpoint": f"{call.base_url}/oauth/v3/device/code",
            "token_endpoint": f"{base}/token",
            "revocation_endpoint": f"{base}/token/revoke",
            "response_types_supported": ["code"],
            "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials"],
            "token_endpoint_auth_methods_supported": ["client_secret_post"],
            "code_challenge_methods_supported": ["plain", "S256"],
        }
    )


def _grant_handler(call: Call) -> Callable[[Zoho, Call, Client], Minted]:
    handler = _GRANTS.get(call.param("grant_type") or "")
    if handler is None:
        raise oauth_refusal("unsupported_grant_type")
    return handler


def authenticate(zoho: Zoho, call: Call) -> Client:
    """Return the client that `client_id` and `client_secret` name.

    Raises:
        RefusalError: `invalid_client` or `invalid_client_secret`.
    """
    client = zoho.directory.clients.get(call.param("client_id") or "")
    if client is None:
        raise oauth_refusal("invalid_client")
    call.trace.client = client.client_id
    if not _same(call.param("client_secret") or "", client.client_secret):
        raise oauth_refusal("invalid_client_secret")
    return client


def _exchange(zoho: Zoho, call: Call, client: Client) -> Minted:
    return zoho.ledger.redeem(
        call.param("code") or "", client, call.param("redirect_uri"), call.param("code_verifier")
    )


def _refresh(zoho: Zoho, call: Call, client: Client) -> Minted:
    text = call.param("refresh_token") or ""
    known = zoho.ledger.refresh_token(text)
    if known is not None:
        call.trace.user = known.grant.user.email
    return zoho.ledger.refresh(text, client)


def _client_credentials(zoho: Zoho, call: Call, client: Client) -> Minted:
    service, _, zgid = (call.param("soid") or "").partition(".")
    members = zoho.directory.members(zgid) if service else []
    if not members:
        raise oauth_refusal("missing_org_info")
    grant = Grant(client, members[0], read_scopes(call.param("scope") or ""))
    return Minted(zoho.ledger.issue_access_token(grant, None), None)


_GRANTS: Mapping[str, Callable[[Zoho, Call, Client], Minted]] = {
    "authorization_code": _exchange,
    "refresh_token": _refresh,
    "client_credentials": _client_credentials,
}


def _trace(call: Call, minted: Minted) -> None:
    trace, parent = call.trace, minted.access.parent
    trace.minted = True
    trace.user = minted.access.grant.user.email
    trace.access_token = minted.access.label
    trace.refresh_token = parent.label if parent else ""


def _token_body(zoho: Zoho, call: Call, minted: Minted) -> dict[str, object]:
    body: dict[str, object] = {"access_token": minted.access.text}
    if minted.refresh is not None:
        body["refresh_token"] = minted.refresh.text
    body |= write_scopes(minted.access.grant.scopes, zoho.options.scope_format)
    if zoho.options.api_domain == "self":
        body["api_domain"] = call.base_url
    elif zoho.options.api_domain != "omit":
        body["api_domain"] = zoho.options.api_domain
    lifetime = zoho.options.access_token_lifetime.total_seconds()
    return {**body, "token_type": "Bearer", "expires_in": max(1, int(lifetime))}


def _find(zoho: Zoho, text: str, kind: str | None = None) -> AccessToken | RefreshToken | None:
    refresh = zoho.ledger.refresh_token(text) if kind in (None, "refresh_token") else None
    access = zoho.ledger.access_token(text) if kind in (None, "access_token") else None
    return refresh or access


def _revoke(zoho: Zoho, call: Call, found: AccessToken | RefreshToken | None) -> Answer:
    if found is None:
        raise RefusalError("invalid_code", 400, {"error": "invalid_code", "status": "failure"})
    call.trace.client, call.trace.user = found.grant.client.client_id, found.grant.user.email
    if isinstance(found, RefreshToken):
        call.trace.refresh_token = found.label
    else:
        call.trace.access_token = found.label
    zoho.ledger.revoke(found)
    call.trace.revoked = True
    return Answer(json={"status": "success"})


def _basic_client(zoho: Zoho, call: Call) -> Client:
    client_id, secret = _basic_credentials(call.headers.get("authorization", ""))
    client = zoho.directory.clients.get(client_id)
    if client is None or not _same(secret, client.client_secret):
        raise RefusalError("invalid_client", 401, {"error": "invalid_client"})
    return client


def _basic_credentials(header: str) -> tuple[str, str]:
    scheme, _, value = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        text = base64.b64decode(value, validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    client_id, _, secret = text.partition(":")
    return unquote(client_id), unquote(secret)


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode(), other.encode())
