"""Clients, organisations and users."""

from __future__ import annotations

from collections.abc import Sequence

from zoho_tokenstore.emulator._model import Client, Organization, User
from zoho_tokenstore.emulator._options import EmulatorOptions
from zoho_tokenstore.emulator._randomness import Mint

DEMO_ORGANIZATION = "Zylker Academy"

_FIRST_ZGID = 20_000_000_001
_FIRST_ID = 5_545_974_000_000_000_001


class Numbers:
    """Ids as CRM has them: long decimal numbers, as text."""

    def __init__(self) -> None:
        self._last = _FIRST_ID - 1

    def take(self) -> str:
        """Return the next id."""
        self._last += 1
        return str(self._last)


class Directory:
    """Everybody the emulator knows."""

    def __init__(self, options: EmulatorOptions, mint: Mint, numbers: Numbers) -> None:
        self._mint = mint
        self._numbers = numbers
        self.clients: dict[str, Client] = {}
        self.users: dict[str, User] = {}
        self._organizations: dict[str, Organization] = {}
        self.default_client = self.add_client(options.client_id, options.client_secret, options.redirect_uris)
        self.default_users = tuple(self.add_user(email) for email in options.users)

    def add_client(
        self, client_id: str | None, client_secret: str | None, redirect_uris: Sequence[str]
    ) -> Client:
        """Register a client; a known id gets the new secret and URIs."""
        client = Client(
            client_id or self._mint.client_id(),
            client_secret or self._mint.hex(21),
            tuple(redirect_uris),
        )
        self.clients[client.client_id] = client
        return client

    def add_user(
        self,
        email: str,
        full_name: str | None = None,
        organization: str = DEMO_ORGANIZATION,
        zgid: str | None = None,
    ) -> User:
        """Add a user to an organisation, found by zgid or name, or created."""
        home = self._find_organization(organization, zgid) or self._add_organization(organization, zgid)
        name = full_name or email.partition("@")[0].replace(".", " ").title()
        user = User(email, name, self._numbers.take(), home)
        self.users[email] = user
        return user

    def client(self, which: Client | str) -> Client:
        """Return a client, given itself or its id.

        Raises:
            LookupError: there is none.
        """
        client_id = which if isinstance(which, str) else which.client_id
        if client_id not in self.clients:
            raise LookupError(f"The emulator has no client {client_id}. Add it with add_client().")
        return self.clients[client_id]

    def user(self, which: User | str) -> User:
        """Return a user, given itself or the e-mail.

        Raises:
            LookupError: there is none.
        """
        email = which if isinstance(which, str) else which.email
        if email not in self.users:
            raise LookupError(f"The emulator has no user {email}. Add it with add_user().")
        return self.users[email]

    def members(self, zgid: str) -> list[User]:
        """Return the users of an organisation, oldest first."""
        return [user for user in self.users.values() if user.zgid == zgid]

    def _find_organization(self, name: str, zgid: str | None) -> Organization | None:
        if zgid is not None:
            return self._organizations.get(zgid)
        return next((one for one in self._organizations.values() if one.name == name), None)

    def _add_organization(self, name: str, zgid: str | None) -> Organization:
        number = zgid or str(_FIRST_ZGID + len(self._organizations))
        made = Organization(number, name, self._numbers.take())
        self._organizations[number] = made
        return made
