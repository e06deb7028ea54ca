"""Who has logged in: the user's name as Zoho's SDKs find and store it."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any

from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.renewal._addresses import origin_of
from zoho_tokenstore.renewal._answers import fields_of
from zoho_tokenstore.renewal._datacenters import as_listed
from zoho_tokenstore.renewal._transport import Transport

_LONGEST = 255  # of a name in the published table


def current_user(api_domain: str, access_token: str, *, version: int, transport: Transport) -> str | None:
    """Return the user of an access token as `email:zgid`, or `None` if it cannot be determined.

    The SDK asks with every login (`find_user`), and continues without a name if an answer is missing or
    unusable: the token may lack the scopes for it, ZohoCRM.users.READ and ZohoCRM.org.READ.

    The time limit of `transport` is for both requests together.
    """
    try:
        return named_user(api_domain, access_token, version=version, transport=transport)
    except AccountsUnavailableError:
        return None


def named_user(api_domain: str, access_token: str, *, version: int, transport: Transport) -> str | None:
    """Return the same, or raise: for callers that cannot continue without a name."""
    base = origin_of(as_listed(api_domain))
    if base is None:  # nowhere to send a token
        return None
    ends = time.monotonic() + transport.timeout.total_seconds()
    email = _first(transport, f"{base}/crm/v{version}/users?type=CurrentUser", access_token, "users", "email")
    if email is None:
        return None
    rest = transport.within(timedelta(seconds=ends - time.monotonic()))
    zgid = _first(rest, f"{base}/crm/v{version}/org", access_token, "org", "zgid")
    return f"{email}:{zgid}" if zgid is not None and len(email) + len(zgid) < _LONGEST else None


def _first(transport: Transport, url: str, access_token: str, of: str, name: str) -> str | None:
    """Return a field of the first record in an answer."""
    answer = transport.get(url, {"Authorization": f"Zoho-oauthtoken {access_token}"})
    if answer.status == 429 or answer.status >= 500:
        raise AccountsUnavailableError(
            f"Zoho's CRM was asked who logged in, and answered with HTTP {answer.status}. Try again later.",
            retry_after=answer.retry_after,
        )
    records: Any = fields_of(answer).get(of) if answer.status == 200 else None
    first = records[0] if isinstance(records, list) and records else None
    value = first.get(name) if isinstance(first, dict) else None
    return value if isinstance(value, str) and value and value.isprintable() else None
