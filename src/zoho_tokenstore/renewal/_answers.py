"""What an answer of Zoho's accounts server means, by its structure.

Zoho answers errors with HTTP 200 as well as 400, and translates their texts, even the error's name.
So an answer is read by its fields: a plausible error name is believed, a text never. No part of a text
reaches our messages.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any, Final

from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitedError,
)
from zoho_tokenstore.renewal._transport import HTTPAnswer

DEFAULT_LIFETIME: Final = 3600
"""Lifetime of an access token, in seconds, if the answer does not say: Zoho's documented hour."""

_LONGEST_LIFETIME: Final = 366 * 86_400
_LONGEST_SCOPE: Final = 8192

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,4096}")  # what a token is made of (RFC 6749, appendix A)
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,63}|[A-Z][A-Z0-9_]{0,63}")

_OF_CLIENT: Final = frozenset({"invalid_client", "invalid_client_secret", "unauthorized_client"})
_OF_GRANT: Final = frozenset({"invalid_code", "invalid_grant", "invalid_redirect_uri", "access_denied"})
_OF_DEAD_TOKEN: Final = frozenset({"invalid_code", "invalid_grant", "invalid_token"})
_OF_SERVER: Final = frozenset({"server_error", "temporarily_unavailable", "general_error", "internal_error"})
_REFUSALS: Final = frozenset({200, 400, 401})


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """What Zoho grants.

    Arguments:
        access_token: the new one.
        refresh_token: the login, if the answer has one.
        expires_at_ms: when the access token expires, in milliseconds since the epoch, by Zoho's clock, or by
            this host's if the answer has no `Date`.
        api_domain: the base URL of the user's APIs.
        scopes: what the token may be used for, if the answer says.
        date_ms: Zoho's clock when it answered, or `None`.
        sent_ms: this host's clock when the request was sent.
    """

    access_token: str = field(repr=False)
    refresh_token: str | None = field(repr=False)
    expires_at_ms: int
    api_domain: str | None
    scopes: tuple[str, ...]
    date_ms: int | None
    sent_ms: int


def parse_token_response(answer: HTTPAnswer, subject: str, *, once: bool = False) -> TokenResponse:
    """Return what a token endpoint's answer grants.

    `subject` names in messages what was sent. A code is sent `once`: it may be used up whatever the answer
    looks like, unless Zoho refuses it.
    """
    values = fields_of(answer)
    if "access_token" in values and not values.get("error") and answer.status == 200:
        grant = _grant(answer, values)
        if grant is not None:
            return grant
    raise failure_of(answer, subject, once=once)


def failure_of(answer: HTTPAnswer, subject: str, *, once: bool = False) -> AccountsError:
    """Return the error for an answer that lacks what was asked for."""
    values = fields_of(answer)
    name = _name(values.get("error"))
    if answer.status == 429 or _is_throttled(values):
        return RateLimitedError(
            f"Zoho accepts no more requests for {subject} now. Wait a few minutes; retrying sooner "
            "prolongs the wait.",
            retry_after=answer.retry_after,
            error_code=name,
        )
    if answer.status // 100 in (2, 4) and name is not None and name not in _OF_SERVER:
        if name in _OF_CLIENT:
            return InvalidClientError(
                f"Zoho refuses the client of {subject} ({name}): its id or secret is wrong, or it is not "
                "known in this data centre. Correct that.",
                error_code=name,
            )
        if name in _OF_GRANT or answer.status in _REFUSALS:
            return InvalidGrantError(f"Zoho refuses {subject} ({name}). Log in again.", error_code=name)
    return _unusable(answer, subject, name, once=once)


def revocation_failure_of(answer: HTTPAnswer) -> AccountsError:
    """Return the error for an answer that confirms no revocation: `InvalidGrantError` if the token is dead.

    By Zoho's pages, a dead token is a status of 400, with no word for it. Any other word than those of a
    dead token says nothing about this one: whoever took it for dead would forget a login that lives on.
    """
    subject, values = "the token to revoke", fields_of(answer)
    if answer.status == 400 and values.get("status") == "failure" and not values.get("error"):
        return InvalidGrantError("Zoho does not know the token to revoke.")
    failure = failure_of(answer, subject)
    if isinstance(failure, InvalidGrantError) and failure.error_code not in _OF_DEAD_TOKEN:
        return _unusable(answer, subject, failure.error_code, once=False)
    return failure


def fields_of(answer: HTTPAnswer) -> dict[str, Any]:
    """Return the fields of an answer that is one JSON object; none, for any other answer."""
    try:
        values = json.loads(answer.body) if answer.is_whole else None
    except (ValueError, RecursionError):
        return {}
    return values if isinstance(values, dict) else {}


def visible(value: object) -> str | None:
    """Return a value if it is a string as tokens and addresses are, or `None`."""
    return value if isinstance(value, str) and _VISIBLE.fullmatch(value) else None


def whole_number(value: object, most: int) -> int | None:
    """Return a value, a number or its digits, if it is from 1 to `most`; otherwise `None`."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 20:
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= most:
        return None
    return value


def _grant(answer: HTTPAnswer, values: dict[str, Any]) -> TokenResponse | None:
    access_token, lifetime = visible(values["access_token"]), _lifetime(values)
    refresh_token, api_domain = values.get("refresh_token") or None, values.get("api_domain") or None
    is_usable = all(value is None or visible(value) for value in (refresh_token, api_domain))
    if access_token is None or lifetime is None or not is_usable:
        return None
    date_ms = _date_ms(answer)
    began_ms = answer.sent_ms if date_ms is None else date_ms
    return TokenResponse(
        access_token=access_token,
        refresh_token=refresh_token,
        expires_at_ms=began_ms + lifetime * 1000,
        api_domain=api_domain,
        scopes=_scopes(values.get("scope")),
        date_ms=date_ms,
        sent_ms=answer.sent_ms,
    )


def _date_ms(answer: HTTPAnswer) -> int | None:
    """Return Zoho's clock, unless it is more than a year off: then TLS finds no valid certificate."""
    if answer.date_ms is None or abs(answer.date_ms - answer.sent_ms) > _LONGEST_LIFETIME * 1000:
        return None
    return answer.date_ms


def _lifetime(values: dict[str, Any]) -> int | None:
    """Return the seconds of a token's life, or `None` if they are implausible.

    If there is an `expires_in_sec`, which Zoho dropped in 2019, `expires_in` is in milliseconds.
    """
    for name in ("expires_in_sec", "expires_in"):
        if values.get(name) is not None:
            return whole_number(values[name], _LONGEST_LIFETIME)
    return DEFAULT_LIFETIME


def _scopes(value: object) -> tuple[str, ...]:
    if not isinstance(value, str) or len(value) > _LONGEST_SCOPE:
        return ()
    return tuple(scope for scope in re.split(r"[\s,]+", value) if visible(scope))


def _name(value: object) -> str | None:
    return value if isinstance(value, str) and _NAME.fullmatch(value) else None


def _is_throttled(values: dict[str, Any]) -> bool:
    """Recognise the refusal of too many requests, in any language.

    Its fields are `status`, `error` and `error_description`, the latter two translated: an error with a
    blank, a capital letter or other letters in it, unlike every other error of Zoho's.
    """
    error, description = values.get("error"), values.get("error_description")
    is_told = isinstance(error, str) and bool(error) and isinstance(description, str)
    return values.get("status") == "failure" and is_told and _name(error) is None


def _unusable(answer: HTTPAnswer, subject: str, name: str | None, *, once: bool) -> AccountsUnavailableError:
    if once:
        advice = "The outcome is not known, and it is not sent again. Log in again."
    else:
        advice = "Try again later."
    error = AccountsUnavailableError(
        f"Zoho answered {subject} with HTTP {answer.status} and nothing usable. {advice}",
        retry_after=answer.retry_after,
        kind="uncertain" if once else "transient",
        error_code=name,
    )
    error.is_answered = True
    return error
