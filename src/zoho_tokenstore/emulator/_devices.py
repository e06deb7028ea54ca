"""The device flow: codes that a device polls with while a person decides elsewhere."""

from __future__ import annotations

from dataclasses import dataclass, field

from zoho_tokenstore.emulator._clock import Clock
from zoho_tokenstore.emulator._model import Client, User
from zoho_tokenstore.emulator._options import EmulatorOptions
from zoho_tokenstore.emulator._randomness import Mint
from zoho_tokenstore.emulator._refusals import RefusalError, oauth_refusal

_MAX_DEVICES = 1000


@dataclass(slots=True, eq=False)
class Device:
    """A device waiting for its user. `expires_at` and `polled_at` in seconds of the server's clock."""

    text: str = field(repr=False)
    user_code: str = field(repr=False)
    client: Client
    scopes: tuple[str, ...]
    offline: bool
    prompted: bool
    expires_at: float
    polled_at: float | None = None
    user: User | None = None
    denied: bool = False
    location: str = ""

    @property
    def is_decided(self) -> bool:
        """Whether the user has answered."""
        return self.denied or self.user is not None or bool(self.location)


class Devices:
    """All devices that have asked, oldest first."""

    def __init__(self, options: EmulatorOptions, mint: Mint, clock: Clock) -> None:
        self._options = options
        self._mint = mint
        self._clock = clock
        self._devices: dict[str, Device] = {}

    def ask(self, client: Client, scopes: tuple[str, ...], *, offline: bool, prompted: bool) -> Device:
        """Return a new device with its codes; beyond a thousand the oldest is forgotten."""
        user_code = f"{self._mint.hex(2)}-{self._mint.hex(2)}".upper()
        expires_at = self._clock.now() + self._options.device_code_lifetime.total_seconds()
        return self.add(Device(self._mint.token(), user_code, client, scopes, offline, prompted, expires_at))

    def add(self, device: Device) -> Device:
        """Keep a device; one from another data centre brings its codes."""
        self._devices[device.text] = device
        if len(self._devices) > _MAX_DEVICES:
            del self._devices[next(iter(self._devices))]
        return device

    def waiting(self, user_code: str) -> Device:
        """Return the device with this user code, in upper or lower case, that is still undecided.

        Raises:
            LookupError: there is none, or it has expired.
        """
        wanted = user_code.strip().upper()
        for device in self._devices.values():
            if device.user_code == wanted and not device.is_decided and not self._is_over(device):
                return device
        raise LookupError("No device waits with this user code. Start again on the device.")

    def poll(self, text: str, client: Client) -> Device:
        """Return an approved device, and forget it: its code is used up.

        Raises:
            RefusalError: `invalid_code`, `expired`, `slow_down`, `authorization_pending`, `access_denied`
                or `other_dc`.
        """
        device = self._devices.get(text)
        if device is None or device.client.client_id != client.client_id:
            raise oauth_refusal("invalid_code")
        if self._is_over(device):
            raise oauth_refusal("expired")
        self._check_pace(device)
        if device.denied:
            raise oauth_refusal("access_denied")
        if device.location:
            raise RefusalError("other_dc", None, {"error": "other_dc", "user_location": device.location})
        if device.user is None:
            raise oauth_refusal("authorization_pending")
        del self._devices[text]
        return device

    def _check_pace(self, device: Device) -> None:
        now, before = self._clock.now(), device.polled_at
        device.polled_at = now
        if before is not None and now - before < self._options.device_interval.total_seconds():
            raise oauth_refusal("slow_down")

    def _is_over(self, device: Device) -> bool:
        return self._clock.now() >= device.expires_at
