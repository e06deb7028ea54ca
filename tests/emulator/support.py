"""What the emulator's tests share: a clock that stands still, and a caller."""

from __future__ import annotations

from dataclasses import dataclass, field

import httpx2

from tests.support.network import HERE
from zoho_tokenstore.emulator import Client, Emulator, User

CHECKED_ORIGIN = "http://localhost:8000/callback"


@dataclass
class FakeClock:
    """Seconds since 1970 that pass only when told."""

    seconds: float = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@dataclass
class Caller:
    """Calls an emulator over real HTTP, as an application would."""

    zoho: Emulator
    http: httpx2.Client = field(default_factory=lambda: httpx2.Client(timeout=10, **HERE))

    def token(self, **form: str) -> httpx2.Response:
        """Call the token endpoint as the demo client; a form field given here wins."""
        client = self.zoho.default_client
        known = {"client_id": client.client_id, "client_secret": client.client_secret}
        return self.http.post(self.zoho.accounts_url, data={**known, **form})

    def exchange(self, code: str | None = None, **form: str) -> httpx2.Response:
        """Redeem a code; a fresh one if none is given."""
        return self.token(grant_type="authorization_code", code=code or self.zoho.mint_code(), **form)

    def refresh(self, refresh_token: str, **form: str) -> httpx2.Response:
        """Refresh."""
        return self.token(grant_type="refresh_token", refresh_token=refresh_token, **form)

    def log_in(self, user: User | None = None, scopes: list[str] | None = None) -> dict[str, str]:
        """Return the tokens of a new login."""
        tokens: dict[str, str] = self.exchange(self.zoho.mint_code(user=user, scopes=scopes)).json()
        return tokens

    def crm(self, path: str, access_token: str) -> httpx2.Response:
        """Read from the CRM."""
        headers = {"Authorization": f"Zoho-oauthtoken {access_token}"}
        return self.http.get(f"{self.zoho.url}/crm/{path}", headers=headers)

    def create(self, access_token: str, *records: dict[str, object], version: str = "v8") -> httpx2.Response:
        """Create leads."""
        return self.http.post(
            f"{self.zoho.url}/crm/{version}/Leads",
            headers={"Authorization": f"Zoho-oauthtoken {access_token}"},
            json={"data": list(records)},
        )

    def control(self, method: str, path: str, body: object = None) -> httpx2.Response:
        """Call a control endpoint."""
        url = f"{self.zoho.url}/_emulator{path}"
        return self.http.request(method, url, json={} if body is None and method != "GET" else body)


def authorization_query(client: Client, **changes: str) -> dict[str, str]:
    """Return the parameters of a valid authorization request."""
    return {
        "client_id": client.client_id,
        "response_type": "code",
        "redirect_uri": CHECKED_ORIGIN,
        "scope": "ZohoCRM.modules.ALL,ZohoCRM.users.READ",
        "access_type": "offline",
        **changes,
    }
