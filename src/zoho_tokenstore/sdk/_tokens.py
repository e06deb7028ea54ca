"""Converts between the SDK's token objects and our records."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.sdk._zoho import OAuthToken, UserSignature


def record_of(token: Any) -> TokenRecord:
    """Return what an SDK token holds.

    Raises:
        InvalidTokenError: it is not an `OAuthToken` of the installed SDK, or a field is not a string.
    """
    if not isinstance(token, OAuthToken):
        raise InvalidTokenError(
            f"A store keeps OAuthToken objects of the installed zohocrmsdk, not {type(token).__name__}."
        )
    signature = token.get_user_signature()
    return TokenRecord(
        id=token.get_id(),
        user_name=None if signature is None else signature.get_name(),
        client_id=token.get_client_id(),
        client_secret=token.get_client_secret(),
        refresh_token=token.get_refresh_token(),
        access_token=token.get_access_token(),
        grant_token=token.get_grant_token(),
        expires_at_ms=_milliseconds(token.get_expires_in()),
        redirect_url=token.get_redirect_url(),
        api_domain=token.get_api_domain(),
    )


def put(record: TokenRecord, token: Any) -> None:
    """Write a record's fields into an SDK token.

    Its tokens and their expiry are written as they are, even missing ones: they are one login. Any
    other field that is missing in the record is left alone, and so is the private `find_user`.
    """
    for setter, value in (
        (token.set_id, record.id),
        (token.set_client_id, record.client_id),
        (token.set_client_secret, record.client_secret),
        (token.set_redirect_url, record.redirect_url),
        (token.set_api_domain, record.api_domain),
    ):
        if value is not None:
            setter(value)
    if record.user_name is not None:
        token.set_user_signature(UserSignature(record.user_name))
    token.set_access_token(record.access_token)
    token.set_expires_in(None if record.expires_at_ms is None else str(record.expires_at_ms))
    token.set_refresh_token(record.refresh_token)
    token.set_grant_token(record.grant_token)


def new_token(record: TokenRecord) -> Any:
    """Return a complete, independent SDK token for a stored record."""
    token = OAuthToken(
        id=record.id,
        user_signature=None if record.user_name is None else UserSignature(record.user_name),
        client_id=record.client_id,
        client_secret=record.client_secret,
        refresh_token=record.refresh_token,
        access_token=record.access_token,
        grant_token=record.grant_token,
        redirect_url=record.redirect_url,
        api_domain=record.api_domain,
    )
    if record.expires_at_ms is not None:
        token.set_expires_in(str(record.expires_at_ms))
    return token


def copy_of(token: Any) -> Any:
    """Return a token with the same attributes, in a third of the constructor's time.

    The values are immutable, so they are shared. Never one that the SDK has used: it leaves bound
    methods in the attributes.
    """
    copy = OAuthToken.__new__(OAuthToken)
    copy.__dict__.update(token.__dict__)
    return copy


def _milliseconds(expires_in: Any) -> int | None:
    """Read `expires_in`, which the SDK keeps as `None`, an empty string or decimal milliseconds."""
    if expires_in is None or expires_in == "":
        return None
    try:
        return int(expires_in)
    except (TypeError, ValueError):
        raise InvalidTokenError("expires_in must be a string of epoch milliseconds, or None.") from None
