"""The SDK's tokens, made and read by their public setters and getters."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version
from typing import Any, Final

from zoho_tokenstore.errors import MissingDependencyError

try:
    from zohocrmsdk.src.com.zoho.api.authenticator.oauth_token import OAuthToken
    from zohocrmsdk.src.com.zoho.crm.api.exception import SDKException
    from zohocrmsdk.src.com.zoho.crm.api.user_signature import UserSignature
except ModuleNotFoundError as error:
    raise MissingDependencyError(
        "A TokenStore is proven with Zoho's CRM SDK for Python (5.0 or newer), which is not installed. "
        "Install the one you use, for example with: pip install zohocrmsdk8-0."
    ) from error

__all__ = [
    "FIELDS",
    "Fields",
    "OAuthToken",
    "SDKException",
    "UserSignature",
    "fields_of",
    "login",
    "make_token",
    "none_is_an_answer",
]

FIELDS: Final = (
    "id",
    "user_name",
    "client_id",
    "client_secret",
    "refresh_token",
    "access_token",
    "grant_token",
    "expires_in",
    "redirect_url",
    "api_domain",
)
"""The ten fields of a token, as the SDK calls them (`user_name` being the name in its signature)."""

Fields = dict[str, Any]
"""Fields of a token by name, each a string or `None`."""

# Far ahead: a store may refresh or hold back what is about to expire.
_EXPIRES: Final = 4_102_444_800_000


def make_token(**fields: str | None) -> Any:
    """Return an SDK token with these of the ten `FIELDS`, and nothing else."""
    token = OAuthToken(id="the constructor insists on a key")
    token.set_id(None)
    for name, value in fields.items():
        if name == "user_name":
            token.set_user_signature(UserSignature(value))
        else:
            getattr(token, f"set_{name}")(value)
    return token


def fields_of(token: Any) -> Fields:
    """Return the ten fields of an SDK token."""
    signature = token.get_user_signature()
    name = None if signature is None else signature.get_name()
    return {field: name if field == "user_name" else getattr(token, f"get_{field}")() for field in FIELDS}


def login(who: str, **changes: str | None) -> Fields:
    """Return what a login of `who` by a self client leaves, without an id; `None` leaves a field out.

    It has no redirect URL: a store may forget a one-time code that came by one.
    """
    fields: Fields = {
        "user_name": f"{who}@zylker.example:60001",
        "client_id": "1000.PORTAL",
        "client_secret": "secret-of-portal",
        "refresh_token": f"1000.refresh.{who}",
        "access_token": f"1000.access.{who}",
        "grant_token": f"1000.grant.{who}",
        "expires_in": str(_EXPIRES + len(who)),
        "api_domain": "https://www.zohoapis.com",
    }
    return {name: value for name, value in (fields | changes).items() if value is not None}


def none_is_an_answer() -> bool:
    """Return whether the installed SDK survives a `find_token_by_id` that returns `None`.

    8.0 does from release 7.0.0 on; all others fail on it.
    """
    try:
        return int(version("zohocrmsdk8-0").partition(".")[0]) >= 7
    except PackageNotFoundError:
        return False
