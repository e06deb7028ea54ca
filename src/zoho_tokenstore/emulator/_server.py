"""The emulator in this process: a server in a thread, and everything a test wants from it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Self, Unpack

import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from zoho_tokenstore.emulator._directory import DEMO_ORGANIZATION
from zoho_tokenstore.emulator._faults import Fault
from zoho_tokenstore.emulator._journal import Counters, JournalEntry
from zoho_tokenstore.emulator._model import Client, User
from zoho_tokenstore.emulator._options import EmulatorOptions, EmulatorOverrides
from zoho_tokenstore.emulator._web.app import EmulatorApp
from zoho_tokenstore.emulator._zoho import Zoho

_BACKLOG = 2048
_START_TIMEOUT = 15.0
_STOP_TIMEOUT = 15.0
_GRACE_SECONDS = 5


class _Server(uvicorn.Server):
    """uvicorn that reports when it listens, and keeps nothing waiting when it stops."""

    def __init__(self, config: uvicorn.Config, app: EmulatorApp) -> None:
        super().__init__(config)
        self.settled = threading.Event()
        self._app = app

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.settled.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._app.stopping.set()
        await super().shutdown(sockets)


class _Unlogged(H11Protocol):
    """HTTP whose requests are not logged: their addresses may hold codes and client secrets.

    uvicorn's own switch is process-wide: it removes the handlers of all its servers, and anyone who
    puts one back has our requests logged too.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self.access_log = False


class Emulator:
    """A local Zoho: `with Emulator() as zoho:` serves it on a free port until the block ends.

    Everything can be called from any thread. Control calls (`mint_code`, `mint_refresh_token`) are not
    counted as requests and not refused by a limit on requests.

    Args:
        options: how it behaves; the defaults if not given.
        clock: seconds since 1970; for tests of limits without waiting.
        overrides: single options, on top of `options`.
    """

    def __init__(
        self,
        options: EmulatorOptions | None = None,
        *,
        clock: Callable[[], float] = time.time,
        **overrides: Unpack[EmulatorOverrides],
    ) -> None:
        self.options = replace(options or EmulatorOptions(), **overrides)
        self._zoho = Zoho(self.options, clock)
        self._app = EmulatorApp(self._zoho)
        self._server: _Server | None = None
        self._thread: threading.Thread | None = None
        self._address: tuple[str, int] = (self.options.host, self.options.port)

    def __repr__(self) -> str:
        return f"<Emulator {self.url if self._server else 'not running'}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()

    def start(self) -> None:
        """Listen and serve; return when requests are answered.

        Raises:
            OSError: the address is taken or not local.
            RuntimeError: it is running, has run before, or did not come up.
        """
        if self._app.stopping.is_set() or self._server is not None:
            raise RuntimeError("This emulator is running or has run already. Make another one.")
        listener = self._listen()
        self._server = _Server(self._config(), self._app)
        self._thread = threading.Thread(
            target=self._serve, args=(self._server, listener), name="zoho-emulator", daemon=True
        )
        self._thread.start()
        if not self._server.settled.wait(_START_TIMEOUT) or not self._server.started:
            self.stop()
            raise RuntimeError("The emulator did not come up.")

    def stop(self) -> None:
        """Stop serving, even while requests hang; a second call does nothing."""
        server, thread = self._server, self._thread
        if server is None or thread is None:
            return
        server.should_exit = True
        thread.join(_STOP_TIMEOUT)
        if thread.is_alive():
            raise RuntimeError("The emulator did not stop.")
        self._server = self._thread = None

    @property
    def url(self) -> str:
        """The base URL, without a trailing slash."""
        if self.options.public_url:
            return self.options.public_url.rstrip("/")
        host, port = self._address
        return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"

    @property
    def accounts_url(self) -> str:
        """The token endpoint, which the SDK calls the accounts URL."""
        return f"{self.url}/oauth/v2/token"

    @property
    def default_client(self) -> Client:
        """The demo client."""
        return self._zoho.directory.default_client

    @property
    def default_users(self) -> tuple[User, ...]:
        """The demo users."""
        return self._zoho.directory.default_users

    def environment_args(self) -> tuple[str, str, str]:
        """Return what `DataCenter.Environment` takes: API, accounts and file URL.

        SDK 5 and older take a name as the fourth argument.
        """
        return self.url, self.accounts_url, self.url

    def add_client(
        self,
        client_id: str | None = None,
        client_secret: str | None = None,
        redirect_uris: Sequence[str] = (),
    ) -> Client:
        """Register an OAuth client; id and secret are made up if not given."""
        with self._zoho.lock:
            return self._zoho.directory.add_client(client_id, client_secret, redirect_uris)

    def add_user(
        self,
        email: str,
        full_name: str | None = None,
        organization: str = DEMO_ORGANIZATION,
        zgid: str | None = None,
    ) -> User:
        """Add a user to an organisation, found by zgid or name, or created."""
        with self._zoho.lock:
            return self._zoho.directory.add_user(email, full_name, organization, zgid)

    def mint_code(
        self,
        client: Client | str | None = None,
        user: User | str | None = None,
        scopes: Sequence[str] | None = None,
        access_type: str = "offline",
    ) -> str:
        """Return a grant code as for a self client; the demo client and user by default.

        Raises:
            LookupError: no such client or user.
            ValueError: `access_type` is neither `online` nor `offline`.
        """
        with self._zoho.lock:
            return self._zoho.mint_code(
                client or self.default_client, user or self.default_users[0], scopes, access_type
            )

    def mint_refresh_token(
        self,
        client: Client | str | None = None,
        user: User | str | None = None,
        scopes: Sequence[str] | None = None,
    ) -> str:
        """Return a refresh token without a request; the limit on their number applies.

        Raises:
            LookupError: no such client or user.
        """
        with self._zoho.lock:
            grant = self._zoho.grant(client or self.default_client, user or self.default_users[0], scopes)
            return self._zoho.ledger.issue_refresh_token(grant).text

    def approve_device(
        self, user_code: str, user: User | str | None = None, *, at: Emulator | None = None
    ) -> None:
        """Let a device in, as its user does on the page.

        Args:
            user_code: the code that the device shows.
            user: who approves; the first demo user by default.
            at: the emulator of the user's data centre, if that is another one. The user belongs to it,
                it answers the device's next poll, and this one answers `other_dc`.

        Raises:
            LookupError: no device waits with this code, or there is no such user.
        """
        home = at or self
        with self._zoho.lock, home._zoho.lock:
            device = self._zoho.devices.waiting(user_code)
            who = home._zoho.directory.user(user or home.default_users[0])
            if home is not self:
                home._zoho.adopt_device(device, who)
                device.location = home.options.location
            else:
                device.user = who

    def deny_device(self, user_code: str) -> None:
        """Refuse a device, as its user does on the page.

        Raises:
            LookupError: no device waits with this code.
        """
        with self._zoho.lock:
            self._zoho.devices.waiting(user_code).denied = True

    def is_live(self, token: str) -> bool:
        """Return whether an access or refresh token would be accepted now."""
        with self._zoho.lock:
            return self._zoho.ledger.is_live(token)

    def expire_access_tokens(self, user: User | str | None = None) -> int:
        """Kill the access tokens of a user, or all; return how many were alive."""
        with self._zoho.lock:
            chosen = None if user is None else self._zoho.directory.user(user)
            return self._zoho.ledger.expire_access_tokens(chosen)

    def advance(self, seconds: float) -> None:
        """Advance the server's clock by `seconds`."""
        with self._zoho.lock:
            self._zoho.clock.advance(seconds)

    def now(self) -> float:
        """Return the server's time in seconds since 1970."""
        return self._zoho.clock.now()

    def fault(self, endpoint: str, kind: str, times: int | None = None, **args: object) -> Fault:
        """Make something go wrong.

        Args:
            endpoint: a kind (`token:refresh_token`), a group (`token`, `accounts`, `crm`) or `*`.
            kind: slow, hang, refuse, drop, drip, endless, status, html, error, body, revoke, date or skew.
            times: for how many requests; until cleared if not given.
            args: the kind's arguments, as the reference lists them. With `token`, an access or refresh token
                or its label, the fault is for requests with that token only.

        Raises:
            ValueError: no such endpoint, kind or argument.
        """
        with self._zoho.lock:
            return self._zoho.faults.add(endpoint, kind, times, args)

    def clear_faults(self, endpoint: str | None = None) -> None:
        """Remove all faults, or those set for one endpoint."""
        with self._zoho.lock:
            self._zoho.faults.clear(endpoint)

    def counters(self) -> Counters:
        """Return a snapshot of all counts."""
        with self._zoho.lock:
            return self._zoho.counters()

    def journal(self, endpoint: str | None = None, after: int = 0) -> list[JournalEntry]:
        """Return the requests with a number above `after`, of one endpoint kind or all, in order."""
        with self._zoho.lock:
            return self._zoho.journal.entries(endpoint, after)

    def reset(self) -> None:
        """Forget all but clients and users, such as tokens, open pages and counts; the clock is right."""
        with self._zoho.lock:
            self._zoho.reset()

    def _listen(self) -> socket.socket:
        host, port = self.options.host, self.options.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
        listener.setblocking(False)
        self._address = (host, listener.getsockname()[1])
        return listener

    def _config(self) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            backlog=_BACKLOG,
            http=_Unlogged,
            log_config=None,
            lifespan="off",
            ws="none",
            loop="asyncio",
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )

    @staticmethod
    def _serve(server: _Server, listener: socket.socket) -> None:
        try:
            server.run(sockets=[listener])
        finally:
            listener.close()
            server.settled.set()
