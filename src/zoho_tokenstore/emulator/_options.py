"""One set of options for the command, the context manager and the ASGI application."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, TypedDict
from urllib.parse import urlsplit

from zoho_tokenstore.emulator._clock import MAX_SECONDS

ControlAccess = Literal["loopback", "anyone", "nobody"]
ScopeFormat = Literal["spaces", "commas", "omit"]
TimeUnit = Literal["ms", "s"]

_LIMITS = ("refresh_limit", "live_access_tokens", "refresh_tokens", "code_limit")
_DURATIONS = (
    "refresh_window",
    "code_window",
    "access_token_lifetime",
    "code_lifetime",
    "device_code_lifetime",
    "device_interval",
)
_CHOICES: Mapping[str, tuple[str, ...]] = {
    "control": ("loopback", "anyone", "nobody"),
    "scope_format": ("spaces", "commas", "omit"),
    "device_unit": ("ms", "s"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class EmulatorOptions:
    """How the emulator behaves. A limit of `None` is switched off.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 picks a free one.
        public_url: the base URL clients use, if it differs from the request's `Host` (a proxy).
        location: the data centre's short code in the redirect (`us`, `eu`, `in`, …).
        api_domain: `self` answers with the emulator's own base URL, `omit` leaves the field out,
            anything else is sent as it is.
        clock_offset: how far the server's clock is ahead of this host's; negative is behind. The `Date`
            header and all lifetimes follow it.
        access_token_lifetime: life of an access token. Zoho: one hour.
        code_lifetime: life of a grant code. Zoho: 3 minutes (CRM), 2 minutes (accounts).
        refresh_limit: access tokens per refresh token in one `refresh_window`. Zoho: 10.
        refresh_window: the window of `refresh_limit`. Zoho: 10 minutes.
        live_access_tokens: live access tokens per refresh token; one more kills the oldest.
            Zoho: 15 (CRM), 10 (accounts), 30 (other products).
        refresh_tokens: refresh tokens per user and client; one more kills the oldest. Zoho: 20.
        code_limit: grant codes per client in one `code_window`. Zoho: 10.
        code_window: the window of `code_limit`. Zoho: 10 minutes.
        device_code_lifetime: life of a device code. Zoho: 5 minutes.
        device_interval: how long a device waits between two polls. Zoho: 30 seconds.
        device_unit: unit of the device flow's `interval` and `expires_in`. Zoho's older page says
            milliseconds, the newer one nothing.
        scope_format: how token answers list the scopes. Zoho: with spaces; older pages leave `scope` out.
        check_scopes: whether the APIs refuse a token that lacks the scope.
        throttle_status: HTTP status of `Access Denied`. Seen: 400; Zoho's Kaizen series says 200.
        error_status: HTTP status of the other errors of the token endpoint. Seen: 200.
        auto_consent: e-mail of the user who accepts every authorization request at once;
            `None` shows the page.
        control: who may use `/_emulator/…`.
        client_id: id of the demo client; `None` makes one up.
        client_secret: secret of the demo client; `None` makes one up.
        redirect_uris: redirect URIs registered for the demo client.
        users: e-mails of the demo users, all of one organisation.
        journal_size: how many requests the journal keeps.
        seed: makes ids and tokens reproducible, and therefore guessable; `None` uses `secrets`.

    Raises:
        ValueError: a value is invalid.
    """

    host: str = "127.0.0.1"
    port: int = 0
    public_url: str | None = None
    location: str = "us"
    api_domain: str = "self"
    clock_offset: timedelta = timedelta(0)
    access_token_lifetime: timedelta = timedelta(hours=1)
    code_lifetime: timedelta = timedelta(minutes=3)
    refresh_limit: int | None = 10
    refresh_window: timedelta = timedelta(minutes=10)
    live_access_tokens: int | None = 15
    refresh_tokens: int | None = 20
    code_limit: int | None = 10
    code_window: timedelta = timedelta(minutes=10)
    device_code_lifetime: timedelta = timedelta(minutes=5)
    device_interval: timedelta = timedelta(seconds=30)
    device_unit: TimeUnit = "ms"
    scope_format: ScopeFormat = "spaces"
    check_scopes: bool = True
    throttle_status: int = 400
    error_status: int = 200
    auto_consent: str | None = None
    control: ControlAccess = "loopback"
    client_id: str | None = None
    client_secret: str | None = field(default=None, repr=False)
    redirect_uris: tuple[str, ...] = ("http://localhost:8000/callback", "http://127.0.0.1:8400/callback")
    users: tuple[str, ...] = ("patricia@zylker.example", "rajesh@zylker.example")
    journal_size: int = 10_000
    seed: int | None = None

    def __post_init__(self) -> None:
        for name in _LIMITS:
            _check_limit(name, getattr(self, name))
        for name in _DURATIONS:
            _check_duration(name, getattr(self, name))
        for name, choices in _CHOICES.items():
            _check_choice(name, getattr(self, name), choices)
        if abs(self.clock_offset.total_seconds()) > MAX_SECONDS:
            raise ValueError("clock_offset can be at most a billion seconds.")
        self._check_addresses()
        self._check_people()

    def _check_addresses(self) -> None:
        if not 0 <= self.port <= 65535:
            raise ValueError(f"port is {self.port}; it must be between 0 and 65535.")
        if self.public_url is not None and not _is_http_url(self.public_url):
            raise ValueError("public_url must be an http or https URL without a query.")
        if self.journal_size < 1:
            raise ValueError("journal_size must be at least 1.")

    def _check_people(self) -> None:
        if not self.users:
            raise ValueError("users is empty; the emulator needs at least one.")
        if self.auto_consent is not None and self.auto_consent not in self.users:
            raise ValueError(f"auto_consent names {self.auto_consent}, who is not among the users.")


class EmulatorOverrides(TypedDict, total=False):
    """The fields of `EmulatorOptions`, as the keyword arguments of `Emulator`."""

    host: str
    port: int
    public_url: str | None
    location: str
    api_domain: str
    clock_offset: timedelta
    access_token_lifetime: timedelta
    code_lifetime: timedelta
    refresh_limit: int | None
    refresh_window: timedelta
    live_access_tokens: int | None
    refresh_tokens: int | None
    code_limit: int | None
    code_window: timedelta
    device_code_lifetime: timedelta
    device_interval: timedelta
    device_unit: TimeUnit
    scope_format: ScopeFormat
    check_scopes: bool
    throttle_status: int
    error_status: int
    auto_consent: str | None
    control: ControlAccess
    client_id: str | None
    client_secret: str | None
    redirect_uris: tuple[str, ...]
    users: tuple[str, ...]
    journal_size: int
    seed: int | None


def _check_limit(name: str, value: int | None) -> None:
    if value is not None and value < 1:
        raise ValueError(f"{name} is {value}; use 1 or more, or None to switch the limit off.")


def _check_duration(name: str, value: timedelta) -> None:
    if value <= timedelta(0):
        raise ValueError(f"{name} must be longer than nothing.")


def _check_choice(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} is {value!r}; use {', '.join(choices[:-1])} or {choices[-1]}.")


def _is_http_url(text: str) -> bool:
    parts = urlsplit(text)
    return parts.scheme in ("http", "https") and bool(parts.netloc) and not parts.query
