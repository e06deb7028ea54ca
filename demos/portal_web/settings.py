"""What the portal is told by its environment, and the secrets that it keeps in its folder."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from demos.portal_web.centers import BY_CODE
from zoho_tokenstore import Client


class SettingsError(ValueError):
    """A setting is missing or wrong; the text says which, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How the portal runs.

    Arguments:
        url: where browsers find it, without a slash at the end.
        folder: where it keeps its files.
        client: the OAuth client at Zoho; without one, the local Zoho is started.
        accounts_url: the accounts server at which users begin.
        coordinators: who may see and end everybody's logins, by e-mail address or user name.
        idle: how long a login lasts without use.
        port: where it listens on this machine.
    """

    url: str
    folder: Path
    client: Client | None = field(default=None, repr=False)
    accounts_url: str = BY_CODE["us"].accounts_url
    coordinators: frozenset[str] = frozenset()
    idle: timedelta = timedelta(hours=8)
    port: int = 8000

    @property
    def redirect_url(self) -> str:
        """Where Zoho sends browsers back; it has to be registered for the client."""
        return f"{self.url}/callback"

    @property
    def is_secure(self) -> bool:
        """Return whether browsers reach it by HTTPS."""
        return self.url.startswith("https://")


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Read the settings.

    Raises:
        SettingsError: one is missing or wrong.
    """
    port = _number(environment, "PORTAL_PORT", 8000)
    return Settings(
        url=_address(environment.get("PORTAL_URL", f"http://localhost:{port}")),
        folder=Path(environment.get("PORTAL_DATA", "portal-data")),
        client=_client(environment),
        accounts_url=_accounts_server(environment),
        coordinators=_names(environment.get("PORTAL_COORDINATORS", "")),
        idle=timedelta(minutes=_number(environment, "PORTAL_IDLE_MINUTES", 480)),
        port=port,
    )


def signing_key(folder: Path) -> str:
    """Return the key that signs the browsers' cookies; it is made once, and only its owner can read it."""
    path = folder / "signing-key"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return read_secret(path)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(secrets.token_urlsafe(48))
    return read_secret(path)


def read_secret(path: Path) -> str:
    """Return the secret in a file that nobody else can read.

    Raises:
        SettingsError: others can read it, or it is empty or missing.
    """
    try:
        text, mode = path.read_text("utf-8").strip(), path.stat().st_mode
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}.") from error
    if os.name == "posix" and mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise SettingsError(f"Others can read {path}. Run: chmod 600 {path}")
    if not text:
        raise SettingsError(f"{path} is empty.")
    return text


def folded(name: str) -> str:
    """Return a name as it is compared: only ASCII without regard to case, as the Kelvin sign is no `k`."""
    return name.lower() if name.isascii() else name


def _client(environment: Mapping[str, str]) -> Client | None:
    client_id = environment.get("ZOHO_CLIENT_ID")
    if not client_id:
        return None
    if environment.get("ZOHO_CLIENT_SECRET"):
        return Client(client_id, environment["ZOHO_CLIENT_SECRET"])
    if environment.get("ZOHO_CLIENT_SECRET_FILE"):
        return Client(client_id, read_secret(Path(environment["ZOHO_CLIENT_SECRET_FILE"])))
    raise SettingsError("ZOHO_CLIENT_ID is set: set ZOHO_CLIENT_SECRET or ZOHO_CLIENT_SECRET_FILE as well.")


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/") or parts.query:
        raise SettingsError(f"PORTAL_URL is {url!r}; use the one that browsers see: https://portal.example.")
    return f"{parts.scheme}://{parts.netloc}"


def _accounts_server(environment: Mapping[str, str]) -> str:
    center = environment.get("ZOHO_DATA_CENTER", "us").lower()
    if center not in BY_CODE:
        raise SettingsError(f"ZOHO_DATA_CENTER is {center!r}; use one of {', '.join(BY_CODE)}.")
    return BY_CODE[center].accounts_url


def _names(text: str) -> frozenset[str]:
    return frozenset(folded(name.strip()) for name in text.split(",") if name.strip())


def _number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name, str(default))
    if not (text.isascii() and text.isdigit() and 0 < int(text) < 65536):
        raise SettingsError(f"{name} is {text!r}; it must be a whole number from 1 to 65535.")
    return int(text)
