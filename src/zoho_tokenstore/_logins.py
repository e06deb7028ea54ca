"""What a login needs: the OAuth client, and one of four kinds of credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zoho_tokenstore.renewal._device import DeviceCode


@dataclass(frozen=True)
class Client:
    """An OAuth client, as Zoho's API console shows it."""

    id: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Code:
    """A one-time code. One from a browser has a redirect URL, one of a self client has none.

    `code_verifier` belongs to the `pkce_pair` whose challenge was in the authorization URL.
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
    """A login made on another device.

    Arguments:
        scopes: the scopes requested.
        show: called with what to show the user.
    """

    scopes: tuple[str, ...]
    show: Callable[[DeviceCode], object]


@dataclass(frozen=True)
class ClientCredentials:
    """A login of a self client, for an organisation; it has no refresh token, and is repeated.

    Arguments:
        scopes: the scopes requested.
        soid: the service and the organisation, such as `ZohoCRM.<zgid>`.
    """

    scopes: tuple[str, ...]
    soid: str


Credentials = Code | RefreshToken | Device | ClientCredentials
