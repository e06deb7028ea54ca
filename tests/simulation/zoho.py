"""Zoho, as far as renewals see it: it mints tokens, counts, refuses, and takes a code once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, NamedTuple

from tests.simulation.world import World
from zoho_tokenstore.errors import AccountsUnavailableError, InvalidGrantError, RateLimitedError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._answers import TokenResponse

_LIMIT: Final = 10
_WINDOW_MS: Final = 600_000


@dataclass
class Login:
    """A user's consent: its number in the order of logins, and when tokens were minted for it."""

    number: int
    refresh_token: str
    is_revoked: bool = False
    minted_ms: list[int] = field(default_factory=list)


class Minted(NamedTuple):
    """An access token: its number in the order of minting, whose it is, and when it ends."""

    number: int
    login: Login
    ends_ms: int


class Zoho:
    """The accounts server.

    Arguments:
        world: its clock is right, by definition.
        life_ms: how long access tokens live.
        troubled: how often it refuses what it could grant.
    """

    def __init__(self, world: World, life_ms: int, troubled: float) -> None:
        self.logins: Final[dict[str, Login]] = {}
        self.minted: Final[dict[str, Minted]] = {}
        self.codes: Final[dict[str, Login | None]] = {}
        self.troubled = troubled
        self._world = world
        self._life_ms = life_ms

    def login(self) -> Login:
        """Let a user consent; return the login."""
        login = Login(len(self.logins), f"r{len(self.logins)}")
        self.logins[login.refresh_token] = login
        return login

    def code(self) -> str:
        """Return a one-time code that has not been used."""
        code = f"c{len(self.codes)}"
        self.codes[code] = None
        return code

    def mint(self, login: Login) -> str:
        """Return a new access token."""
        number = len(self.minted)
        self.minted[f"a{number}"] = Minted(number, login, self._world.now + self._life_ms)
        login.minted_ms.append(self._world.now)
        return f"a{number}"

    def answer(self, record: TokenRecord, sent_ms: int) -> TokenResponse:
        """Answer a request for a record's refresh token, or else its code.

        Arguments:
            record: what is sent.
            sent_ms: the sender's clock when it sent it.
        """
        if self._world.random.random() < self.troubled:
            if self._world.random.random() < 0.3:
                raise RateLimitedError("Too many requests.", retry_after=600.0, error_code="access_denied")
            raise AccountsUnavailableError("Zoho is down.", kind="transient", error_code="general_error")
        if record.refresh_token is None:
            return self._exchange(record.grant_token or "", sent_ms)
        login = self.logins[record.refresh_token]
        if login.is_revoked:
            raise InvalidGrantError("Zoho refuses the refresh token.", error_code="invalid_code")
        if len([at for at in login.minted_ms if at > self._world.now - _WINDOW_MS]) >= _LIMIT:
            raise RateLimitedError("Too many requests.", retry_after=600.0, error_code="access_denied")
        return self._grant(self.mint(login), None, sent_ms)

    def _exchange(self, code: str, sent_ms: int) -> TokenResponse:
        if self.codes[code] is not None:
            raise InvalidGrantError("Zoho refuses the code.", error_code="invalid_code")
        login = self.codes[code] = self.login()
        return self._grant(self.mint(login), login.refresh_token, sent_ms)

    def _grant(self, access_token: str, refresh_token: str | None, sent_ms: int) -> TokenResponse:
        return TokenResponse(
            access_token=access_token,
            refresh_token=refresh_token,
            expires_at_ms=self.minted[access_token].ends_ms,
            api_domain=None,
            scopes=("ZohoCRM.modules.ALL",),
            date_ms=self._world.now // 1000 * 1000,
            sent_ms=sent_ms,
        )
