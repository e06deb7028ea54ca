"""What time it is at Zoho, if that is asked for: one request to each data centre, without any credential."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import timedelta
from typing import Final

from zoho_tokenstore.doctor._subject import Subject
from zoho_tokenstore.errors import AccountsUnavailableError
from zoho_tokenstore.renewal import _addresses as addresses
from zoho_tokenstore.renewal import _datacenters as datacenters
from zoho_tokenstore.renewal._transport import Transport

_PATH: Final = "/oauth/serverinfo"
_MOST: Final = 3
_HALF_A_SECOND_MS: Final = 500
"""A `Date` is in whole seconds, cut off."""


def ask_the_time(subject: Subject, left: Callable[[], float]) -> None:
    """Note how far each accounts server of the store's logins is ahead of this host, if it says."""
    for url in sorted(filter(None, map(_accounts_url, subject.domains)))[:_MOST]:
        transport = Transport(timedelta(seconds=max(left() / 2, 0.1)))
        ahead_ms = None
        with contextlib.suppress(AccountsUnavailableError):
            answer = transport.get(url + _PATH, {})
            if answer.date_ms is not None:
                ahead_ms = answer.date_ms + _HALF_A_SECOND_MS - answer.sent_ms
        subject.zoho_ahead_ms[url] = ahead_ms


def _accounts_url(api_domain: str) -> str | None:
    center = datacenters.of_api_domain(api_domain)
    if center is not None:
        return center.accounts_url
    return addresses.origin_of(api_domain) if api_domain.startswith("http://") else None
