"""Which addresses credentials are sent to: over TLS, or within the caller's own network."""

from __future__ import annotations

import re
from ipaddress import ip_address
from typing import Final

from zoho_tokenstore.errors import ConfigurationError

_ORIGIN: Final = r"(?P<scheme>https?)://(?P<host>[a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?"
_SERVER: Final = re.compile(rf"(?P<origin>{_ORIGIN})(/oauth/v2/token)?/?", re.IGNORECASE | re.ASCII)


def accounts_server(url: str) -> str:
    """Return the base URL of an accounts server.

    Arguments:
        url: `https://accounts.zoho.eu`, or the token endpoint below it, which Zoho's SDKs call the accounts
            URL. `http` is for a local Zoho only: on a host without a dot in its name, as in a group of
            containers, or with an address that is not public.

    Raises:
        ConfigurationError: it is something else.
    """
    found = origin_of(url) if isinstance(url, str) else None
    if found is None:
        raise ConfigurationError(
            "The accounts URL cannot be used. Pass the address of Zoho's accounts server, such as "
            "https://accounts.zoho.eu, or of its token endpoint; http:// only for a local Zoho."
        )
    return found


def origin_of(url: str) -> str | None:
    """Return scheme, host and port of a server that credentials may be sent to, or `None`."""
    found = _SERVER.fullmatch(url)
    if found is None or (found["scheme"].lower() == "http" and not _is_near(found["host"])):
        return None
    return found["origin"].lower()


def _is_near(host: str) -> bool:
    """Return whether a host can only be the caller's own: a bare name, or not a public address."""
    try:
        return not ip_address(host.strip("[]")).is_global
    except ValueError:
        return "." not in host
