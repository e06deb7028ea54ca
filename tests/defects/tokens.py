"""Tokens for the tests, and what a store holds, told by the SDK's own getters."""

from __future__ import annotations

from typing import Any

from zoho_tokenstore.sdk._zoho import SDKException
from zoho_tokenstore.testing import fields_of, make_token

NOT_YET = "4102444800000"


def login(who: str, **changes: str | None) -> Any:
    """Return the token that a login of `who` leaves before it is saved."""
    fields = {
        "user_name": f"{who}@zylker.example:60001",
        "client_id": "1000.PORTAL",
        "client_secret": "secret-of-portal",
        "refresh_token": f"1000.refresh.{who}",
        "access_token": f"1000.access.{who}",
        "grant_token": f"1000.grant.{who}",
        "expires_in": NOT_YET,
        "redirect_url": "https://portal.zylker.example/back",
        "api_domain": "https://www.zohoapis.com",
    }
    return make_token(**{name: value for name, value in (fields | changes).items() if value is not None})


def save(store: Any, who: str, **changes: str | None) -> str:
    """Save a login of `who`, and return the id that it was given."""
    token = login(who, **changes)
    store.save_token(token)
    token_id = token.get_id()
    assert token_id is not None
    return str(token_id)


def rows(store: Any) -> list[dict[str, str | None]]:
    """Return the fields of every token, in the order of their refresh tokens."""
    return sorted(map(fields_of, store.get_tokens()), key=lambda fields: str(fields["refresh_token"]))


def refresh_tokens(store: Any) -> list[str | None]:
    return [fields["refresh_token"] for fields in rows(store)]


def by_id(store: Any, token_id: str) -> dict[str, str | None] | None:
    """Return the fields of the token with this id; a store may tell a missing one either way."""
    try:
        token = store.find_token_by_id(token_id)
    except SDKException:
        return None
    return None if token is None else fields_of(token)


def found(store: Any, **query: str | None) -> dict[str, str | None] | None:
    """Return the fields that a look-up fills in, or `None`."""
    token = store.find_token(make_token(**query))
    return None if token is None else fields_of(token)


def error_of(work: Any, *arguments: object) -> BaseException | None:
    """Return what a call raises, or `None`."""
    try:
        work(*arguments)
    except Exception as error:  # noqa: BLE001  # which one it is, the test looks at
        return error
    return None
