"""What a login flow can be given: what cannot be used is refused at once, not shown to the first user."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from zoho_tokenstore._logins import Client
from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.renewal._datacenters import DATA_CENTERS


def check(
    redirect_url: str, scopes: object, client: object, clients: Mapping[str, object], **durations: timedelta
) -> None:
    """Refuse what a flow cannot be used with.

    Raises:
        ConfigurationError: the redirect URL, the scopes, a client or its data centre, or a time.
    """
    if not is_whole_url(redirect_url):
        raise ConfigurationError("The redirect URL must be whole, such as https://portal.example/callback.")
    if isinstance(scopes, str):
        raise ConfigurationError('Pass the scopes as a list of strings, such as ["ZohoCRM.users.READ"].')
    for each in (client, *clients.values()):
        if not isinstance(each, Client):
            raise ConfigurationError(f"LoginFlow: a client must be a Client, not {type(each).__name__}.")
    known = [center.location for center in DATA_CENTERS]
    for location in clients:  # its client would never be used
        if location not in known:
            raise ConfigurationError(
                f"{location!r} in clients is no data centre's short code. Those are {', '.join(known)}."
            )
    for name, value in durations.items():
        if not isinstance(value, timedelta) or value <= timedelta(0):
            raise ConfigurationError(f"LoginFlow: {name} must be a timedelta above zero.")


def is_whole_url(url: str) -> bool:
    """Return whether a browser can be sent to an address as it is, from anywhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    is_plain = not parts.fragment and not any(sign.isspace() for sign in url)
    return is_plain and parts.scheme in ("http", "https") and bool(parts.hostname)
