"""Between the SDK's token objects and our records."""

from __future__ import annotations

from operator import itemgetter
from typing import Any, Final

from zoho_tokenstore.errors import InvalidTokenError
from zoho_tokenstore.records import COLUMNS, TokenRecord
from zoho_tokenstore.sdk._zoho import OAuthToken, UserSignature


def record_of(token: Any) -> TokenRecord:
    """Return what an SDK token holds.

    Raises:
        InvalidTokenError: it is no `OAuthToken` of the installed SDK, or a field is no text.
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
    """Write the fields that a record has into an SDK token, field by field.

    Its tokens and their expiry are written as they are, missing ones too: they are one login. Any
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
    """Return a complete, independent SDK token for a stored record.

    It runs before every API call. So the private attributes are set all at once: ten calls of
    setters take longer than the look-up. What an SDK token used elsewhere has in its dictionary
    would not do: the SDK leaves bound methods there.
    """
    token = _new(OAuthToken)
    token.__dict__ = attributes = _BLANK.copy()
    attributes.update(zip(_ATTRIBUTES, _values_of(record.__dict__)))  # noqa: B905  # of one length
    if record.user_name is not None:
        attributes[_SIGNATURE] = UserSignature(record.user_name)
    if record.expires_at_ms is not None:
        attributes[_EXPIRES_IN] = str(record.expires_at_ms)
    return token


def copy_of(token: Any) -> Any:
    """Return another token with the same attributes; their values cannot change, so they are shared."""
    copy = _new(OAuthToken)
    copy.__dict__.update(token.__dict__)
    return copy


_PLAIN: Final = tuple(name for name in COLUMNS if name not in ("user_name", "expiry_time"))


def _layout() -> tuple[dict[str, Any], dict[str, str]]:
    """Learn by the public constructor and setter which private attribute holds which field.

    Returned are all attributes of a token that has no fields, and the names by field.
    """
    signature = UserSignature("user_name")
    probe = OAuthToken(**{name: f"<{name}>" for name in _PLAIN}, user_signature=signature)
    probe.set_expires_in("<expires_in>")
    names = {f"<{name}>": name for name in (*_PLAIN, "expires_in")} | {signature: "user_signature"}
    where = {names[value]: name for name, value in vars(probe).items() if value in names}
    return {name: None if value in names else value for name, value in vars(probe).items()}, where


_BLANK, _WHERE = _layout()
_ATTRIBUTES: Final = tuple(_WHERE[name] for name in _PLAIN)
_SIGNATURE: Final = _WHERE["user_signature"]
_EXPIRES_IN: Final = _WHERE["expires_in"]
_values_of: Final = itemgetter(*_PLAIN)
_new: Final = object.__new__


def _milliseconds(expires_in: Any) -> int | None:
    """Read `expires_in`, which the SDK keeps as `None`, an empty text or decimal milliseconds."""
    if expires_in is None or expires_in == "":
        return None
    try:
        return int(expires_in)
    except (TypeError, ValueError):
        raise InvalidTokenError("expires_in must be a decimal text of epoch milliseconds, or None.") from None
