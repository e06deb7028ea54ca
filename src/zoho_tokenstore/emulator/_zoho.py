"""The whole state of the emulator: one Zoho, without any HTTP."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from zoho_tokenstore.emulator._clock import Clock
from zoho_tokenstore.emulator._devices import Device, Devices
from zoho_tokenstore.emulator._directory import Directory, Numbers
from zoho_tokenstore.emulator._faults import Faults
from zoho_tokenstore.emulator._journal import Counters, Journal, by_endpoint
from zoho_tokenstore.emulator._ledger import Ledger
from zoho_tokenstore.emulator._model import DEFAULT_SCOPES, Asked, Client, CodeTerms, Grant, Minted, User
from zoho_tokenstore.emulator._options import EmulatorOptions
from zoho_tokenstore.emulator._randomness import Mint
from zoho_tokenstore.emulator._records import Records


class Zoho:
    """Users, tokens, records, faults and counts; take `lock` around every use.

    Args:
        options: how it behaves.
        clock: seconds since 1970; for tests.
    """

    def __init__(self, options: EmulatorOptions, clock: Callable[[], float] = time.time) -> None:
        self.options = options
        self.lock = threading.RLock()
        self.mint = Mint(options.seed)
        self.clock = Clock(clock, options.clock_offset.total_seconds())
        numbers = Numbers()
        self.directory = Directory(options, self.mint, numbers)
        self._numbers = numbers
        self._start_afresh()

    def reset(self) -> None:
        """Forget all but clients and users, such as tokens, open pages and counts; the clock is right."""
        self.clock.reset()
        self._start_afresh()

    def grant(self, client: Client | str, user: User | str, scopes: Sequence[str] | None) -> Grant:
        """Return what a user lets a client do.

        Raises:
            LookupError: no such client or user.
        """
        chosen = tuple(DEFAULT_SCOPES if scopes is None else scopes)
        return Grant(self.directory.client(client), self.directory.user(user), chosen)

    def mint_code(
        self, client: Client | str, user: User | str, scopes: Sequence[str] | None, access_type: str
    ) -> str:
        """Return a grant code like those of a self client: no redirect URI, no limit."""
        if access_type not in ("online", "offline"):
            raise ValueError("access_type is either online or offline.")
        terms = CodeTerms(offline=access_type == "offline")
        return self.ledger.issue_code(self.grant(client, user, scopes), terms).text

    def log_in_device(self, device: Device) -> Minted:
        """Return the tokens of an approved device."""
        if device.user is None:
            raise ValueError("Nobody has approved this device.")
        grant = Grant(device.client, device.user, device.scopes)
        offline = self.earns_refresh_token(grant, offline=device.offline, prompted=device.prompted)
        return self.ledger.log_in(grant, offline=offline)

    def adopt_device(self, device: Device, user: User) -> None:
        """Adopt a device that asked in another data centre, with its client, and approve it."""
        client = device.client
        self.directory.add_client(client.client_id, client.client_secret, client.redirect_uris)
        self.devices.add(replace(device, user=user, polled_at=None))

    def earns_refresh_token(self, grant: Grant, *, offline: bool, prompted: bool) -> bool:
        """Note a consent; return whether it brings a refresh token: the first and prompted ones do."""
        key = (grant.client.client_id, grant.user.email)
        first = key not in self.consents
        self.consents.add(key)
        return offline and (prompted or first)

    def counters(self) -> Counters:
        """Return a snapshot of all counts."""
        return Counters(
            requests=by_endpoint(self.journal.requests),
            refreshes_by_token=dict(self.journal.refreshes_by_token),
            live_access_tokens=self.ledger.live_access_tokens(),
            live_refresh_tokens=self.ledger.live_refresh_tokens(),
            agents=by_endpoint(self.journal.agents),
            **self.journal.totals,
            **self.ledger.tally,
        )

    def _start_afresh(self) -> None:
        self.ledger = Ledger(self.options, self.mint, self.clock)
        self.devices = Devices(self.options, self.mint, self.clock)
        self.records = Records(self.clock, self._numbers)
        self.journal = Journal(self.options.journal_size)
        self.faults = Faults()
        self.pending: dict[str, Asked] = {}
        self.consents: set[tuple[str, str]] = set()
