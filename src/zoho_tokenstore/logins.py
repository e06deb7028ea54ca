"""What a login is made with: the OAuth client, and one of four kinds of credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zoho_tokenstore.renewal.device import DeviceCode


@dataclass(frozen=True)
class Client:
    """An OAuth client, as Zoho's API console shows it."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Code:
    """A one-time code. One from a browser has a redirect URL, one of a self client has none.

    `code_verifier` is that of the `pkce_pair` whose challenge was in the authorization URL.
    """

    code: str = field(repr=False)
    redirect_url: str | None = None
    code_verifier: str | None = field(default=None, repr=False)


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token from elsewhere."""

    token: str = field(repr=False)


@dataclass(frozen=True)
class Device:
    """A login that the user makes on another device.

    Arguments:
        scopes: what is asked for.
        show: called with what the user has to be shown.
    """

    scopes: tuple[str, ...]
    show: Callable[[DeviceCode], object]


@dataclass(frozen=True)
class ClientCredentials:
    """A login of a self client itself, for an organisation; it has no refresh token, and is made anew.

    Arguments:
        scopes: what is asked for.
        soid: the service and the organisation, such as `ZohoCRM.<zgid>`.
    """

    scopes: tuple[str, ...]
    soid: str


Credentials = Code | RefreshToken | Device | ClientCredentials
