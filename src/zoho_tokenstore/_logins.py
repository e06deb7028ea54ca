"""What a login needs: the OAuth client, and one of four kinds of credentials."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from zoho_tokenstore.errors import ConfigurationError
from zoho_tokenstore.records import check_text
from zoho_tokenstore.renewal._device import DeviceCode


def _check(made: object, *names: str) -> None:
    """Refuse what was not given, such as an environment variable that is not set."""
    for name in names:
        value = getattr(made, name)
        if not isinstance(value, str) or value == "":
            raise ConfigurationError(f"{type(made).__name__}: {name} must be a non-empty string.")
        check_text(name, value)


@dataclass(frozen=True)
class Client:
    """An OAuth client, as Zoho's API console shows it."""

    id: str
    secret: str = field(repr=False)

    def __post_init__(self) -> None:
        _check(self, "id", "secret")


@dataclass(frozen=True)
class Code:
    """A one-time code. One from a browser has a redirect URL, one of a self client has none.

    `code_verifier` belongs to the `pkce_pair` whose challenge was in the authorization URL.
    """

    code: str = field(repr=False)
    redirect_url: str | None = None
    code_verifier: str | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        _check(self, "code")


@dataclass(frozen=True)
class RefreshToken:
    """A refresh token from elsewhere."""

    token: str = field(repr=False)

    def __post_init__(self) -> None:
        _check(self, "token")


@dataclass(frozen=True)
class Device:
    """A login made on another device.

    Arguments:
        scopes: the scopes requested.
        show: called with what to show the user.
    """

    scopes: tuple[str, ...]
    show: Callable[[DeviceCode], object]

    def __post_init__(self) -> None:
        if not callable(self.show):
            raise ConfigurationError("Device: show must be a function that takes a DeviceCode.")


@dataclass(frozen=True)
class ClientCredentials:
    """A login of a self client, for an organisation; it has no refresh token, and is repeated.

    Arguments:
        scopes: the scopes requested.
        soid: the service and the organisation, such as `ZohoCRM.<zgid>`.
    """

    scopes: tuple[str, ...]
    soid: str

    def __post_init__(self) -> None:
        _check(self, "soid")


Credentials = Code | RefreshToken | Device | ClientCredentials
