"""A repository in a list, a clock that stands still, a Zoho that is asked nothing by a network."""

from __future__ import annotations

import json
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Final

from tests.support import wait_until
from zoho_tokenstore import Event, RefreshPolicy, TokenRecord, TokenRepository
from zoho_tokenstore._local_leases import LocalLeases
from zoho_tokenstore._util.clock import Clock, now_ms
from zoho_tokenstore.backend import LeaseState, SupportsLeases, SupportsRehearsal
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.errors import AccountsUnavailableError, BackendUnavailableError
from zoho_tokenstore.records import Row
from zoho_tokenstore.renewal._renewer import Renewer
from zoho_tokenstore.renewal._steps import Origin
from zoho_tokenstore.renewal._transport import HTTPAnswer, Transport

__all__ = ["Fleet", "wait_until"]

NOW: Final = 1_800_000_000_000
CREDENTIALS: Final[dict[str, Any]] = {"client_id": "1000.CLIENT", "client_secret": "secret"}
PRODUCTION: Final = "https://www.zohoapis.eu"
ORIGIN: Final = Origin(accounts_url="https://accounts.zoho.eu")
PATIENCE: Final = 10.0
"""Seconds for another thread; only a failing test waits so long."""


class FakeClock:
    """Milliseconds since 1970 that pass only when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


class Storage(ListBackend, SupportsLeases, SupportsRehearsal):
    """A list and leases that count what is asked of them, and fail on demand.

    `broken` names the calls that fail: `load`, `find`, `write`, `read`, `replace`.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.leases = CountedLeases(clock, self.called)

    def rehearse(self, row: Row, *, expect: object) -> None:
        """Nothing can fail here."""

    def called(self, name: str) -> None:
        self.calls[name] += 1
        if name in self.broken:
            raise BackendUnavailableError(f"The storage fails in {name}.")

    def load(self, row_id: str) -> Row | None:
        self.called("load")
        return super().load(row_id)

    def find(self, index: str, *keys: str) -> list[Row]:
        self.called("find")
        return super().find(index, *keys)

    def write(self, row: Row, *, expect: object) -> object:
        self.called("write")
        return super().write(row, expect=expect)


class CountedLeases(LocalLeases):
    """Leases that tell of every call."""

    def __init__(self, clock: FakeClock, called: Callable[[str], None]) -> None:
        super().__init__(clock)
        self._called = called

    def read(self, name: str) -> LeaseState:
        self._called("read")
        return super().read(name)

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        self._called("replace")
        return super().replace(name, was, text, keep_ms)


class Zoho:
    """Answers requests as Zoho's accounts server does; `refusals` are used up first, one each.

    What it grants can be given as `granted`. While `gate` is closed every request waits before it is
    answered.
    """

    def __init__(self, clock: Clock = now_ms) -> None:
        self._clock = clock
        self.granted: dict[str, Any] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.refusals: list[str | AccountsUnavailableError] = []
        self.skew_ms: int | None = None
        self.gate = threading.Event()
        self.gate.set()

    @property
    def sent(self) -> int:
        """How many requests have come."""
        return len(self.requests)

    def post(self, url: str, form: Mapping[str, str]) -> HTTPAnswer:
        self.requests.append((url, dict(form)))
        number, sent_ms = self.sent, self._clock()
        refusal = self.refusals.pop(0) if self.refusals else None
        assert self.gate.wait(PATIENCE), "the gate stays closed"
        if isinstance(refusal, AccountsUnavailableError):
            raise refusal
        date_ms = None if self.skew_ms is None else sent_ms + self.skew_ms
        return HTTPAnswer(200, _body(number, form, refusal, self.granted), date_ms=date_ms, sent_ms=sent_ms)


def _body(number: int, form: Mapping[str, str], refusal: str | None, granted: dict[str, Any]) -> bytes:
    if refusal == "Access Denied":
        values: dict[str, Any] = {"error": refusal, "error_description": "too many", "status": "failure"}
    elif refusal is not None:
        values = {"error": refusal}
    else:
        values = {"access_token": f"1000.minted.{number}", "expires_in": 3600, "scope": "ZohoCRM.users.READ"}
        if form.get("grant_type") == "authorization_code":
            values["refresh_token"] = f"1000.refresh.{number}"
        values |= granted
    return json.dumps(values).encode()


@dataclass(frozen=True)
class Line(Transport):
    """The way to that Zoho."""

    zoho: Zoho = field(kw_only=True)

    def post(self, url: str, form: Mapping[str, str]) -> HTTPAnswer:
        return self.zoho.post(url, form)


def renewer(repository: TokenRepository, zoho: Zoho, **policy: Any) -> Renewer:
    """Return a renewer on a repository, before that Zoho."""
    return Renewer(repository, RefreshPolicy(**policy), transport=Line(zoho=zoho))


class Fleet:
    """A storage, and renewers on it: each one stands for a process."""

    def __init__(self, **policy: Any) -> None:
        self.clock = FakeClock()
        self.storage = Storage(self.clock)
        self.zoho = Zoho(self.clock)
        self.events: list[Event] = []
        self.policy = RefreshPolicy(**{"wait": timedelta(seconds=5), **policy})
        self.first = self.process()

    def process(self, **policy: Any) -> Renewer:
        """Return the renewer of another process."""
        repository = TokenRepository(self.storage, on_event=self.events.append, clock=self.clock)
        return renewer(repository, self.zoho, **{**self.policy.__dict__, **policy})

    def login(self, seconds_left: float | None, **fields: Any) -> TokenRecord:
        """Store a login, whose access token ends in so many seconds."""
        ends = None if seconds_left is None else self.clock.now + int(seconds_left * 1000)
        given = {"user_name": "patricia", "refresh_token": "1000.refresh", "access_token": "1000.first"}
        record = TokenRecord(
            **{**CREDENTIALS, **given, "api_domain": PRODUCTION, "expires_at_ms": ends, **fields}
        )
        saved = self.first.save(record)
        self.storage.calls.clear()
        self.events.clear()
        return saved

    def stored(self) -> TokenRecord:
        """Return the only stored token."""
        (record,) = TokenRepository(self.storage).scan()
        return record

    def kinds(self) -> list[str]:
        """Return the kinds of all events, in order, and forget them."""
        kinds = [str(event.kind) for event in self.events]
        self.events.clear()
        return kinds

    def wait_for_request(self) -> None:
        """Wait until one more request has reached Zoho, whose gate is closed."""
        wait_until(lambda: self.zoho.sent > 0)


def in_thread(work: Callable[[], Any]) -> Any:
    """Return what `work` returns in a thread of its own, which has ended by then."""
    thread = Running(work)
    return thread.result()


class Running:
    """Work in another thread."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self._work = work
        self._outcome: list[Any] = []
        self._error: list[BaseException] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> Any:
        """Wait for it, and return or raise what it did."""
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the thread hangs"
        if self._error:
            raise self._error[0]
        return self._outcome[0]

    def is_running(self) -> bool:
        return self._thread.is_alive()

    def _run(self) -> None:
        try:
            self._outcome.append(self._work())
        except BaseException as error:  # noqa: BLE001  # it goes to the one who waits
            self._error.append(error)
