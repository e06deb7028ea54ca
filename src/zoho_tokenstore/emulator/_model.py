"""What the emulator knows: clients, users, codes and tokens. No secret is shown by `repr`."""

from __future__ import annotations

from dataclasses import dataclass, field

DEFAULT_SCOPES = (
    "ZohoCRM.modules.ALL",
    "ZohoCRM.settings.ALL",
    "ZohoCRM.users.READ",
    "ZohoCRM.org.READ",
    "ZohoBooks.settings.READ",
    "Desk.tickets.READ",
)
"""The default scopes of a grant code: everything the emulator offers."""


@dataclass(frozen=True, slots=True)
class Client:
    """An OAuth client, as registered in Zoho's API console."""

    client_id: str
    client_secret: str = field(repr=False)
    redirect_uris: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Organization:
    """A CRM organisation; `zgid` is the id in which Zoho counts organisations."""

    zgid: str
    name: str
    id: str


@dataclass(frozen=True, slots=True)
class User:
    """A CRM user of one organisation."""

    email: str
    full_name: str
    id: str
    organization: Organization

    @property
    def zgid(self) -> str:
        """The organisation's id."""
        return self.organization.zgid

    @property
    def user_name(self) -> str:
        """The name under which the SDK stores this user's token: `email:zgid`."""
        return f"{self.email}:{self.zgid}"


@dataclass(frozen=True, slots=True)
class Grant:
    """What a user lets a client do."""

    client: Client
    user: User
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CodeTerms:
    """How a code may be redeemed. Without `redirect_uri` it belongs to a self client."""

    offline: bool = True
    redirect_uri: str | None = None
    challenge: str | None = field(default=None, repr=False)
    challenge_method: str = "plain"


@dataclass(frozen=True, slots=True)
class Code:
    """A one-time grant code."""

    text: str = field(repr=False)
    grant: Grant
    expires_at: float
    terms: CodeTerms


@dataclass(frozen=True, slots=True)
class Asked:
    """A valid authorization request, which waits for a person's decision."""

    client: Client
    scopes: tuple[str, ...]
    prompted: bool
    state: str | None
    terms: CodeTerms


@dataclass(slots=True, eq=False)
class AccessToken:
    """An access token; `expires_at` in seconds of the server's clock."""

    text: str = field(repr=False)
    label: str
    grant: Grant
    expires_at: float
    parent: RefreshToken | None = field(default=None, repr=False)


@dataclass(slots=True, eq=False)
class RefreshToken:
    """A refresh token with its access tokens, oldest first."""

    text: str = field(repr=False)
    label: str
    grant: Grant
    children: list[AccessToken] = field(default_factory=list, repr=False)


@dataclass(frozen=True, slots=True)
class Minted:
    """The outcome of a token request."""

    access: AccessToken
    refresh: RefreshToken | None
