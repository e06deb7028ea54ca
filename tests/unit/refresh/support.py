"""A repository in a list, a clock that stands still, and a count of every call to the storage."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from zoho_tokenstore import Event, TokenRecord, TokenRepository
from zoho_tokenstore.backends.list import ListBackend
from zoho_tokenstore.coordinator import Coordinator
from zoho_tokenstore.errors import BackendUnavailableError
from zoho_tokenstore.leases import Kept, LocalLeases
from zoho_tokenstore.policies import RefreshPolicy
from zoho_tokenstore.records import Row

NOW = 1_800_000_000_000
CREDENTIALS: dict[str, Any] = {"client_id": "1000.CLIENT", "client_secret": "secret"}
PATIENCE = 10.0  # seconds for another thread; only a failing test waits so long


class FakeClock:
    """Milliseconds since 1970 that pass only when told."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += int(seconds * 1000)


class Storage(ListBackend):
    """A list and leases that count what is asked of them, and fail on demand.

    `broken` names the calls that fail: `load`, `find`, `write`, `read`, `replace`.
    """

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.count: Counter[str] = Counter()
        self.broken: set[str] = set()
        self.leases = CountedLeases(clock, self.called)

    def called(self, name: str) -> None:
        self.count[name] += 1
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

    def read(self, name: str) -> Kept:
        self._called("read")
        return super().read(name)

    def replace(self, name: str, was: str, text: str, keep_ms: int) -> bool:
        self._called("replace")
        return super().replace(name, was, text, keep_ms)


class Fleet:
    """A storage, and coordinators on it: each one stands for a process."""

    def __init__(self, **policy: Any) -> None:
        self.clock = FakeClock()
        self.storage = Storage(self.clock)
        self.events: list[Event] = []
        values = {"wait": timedelta(0), **policy}
        self.policy = RefreshPolicy(**values)
        self.first = self.process()
        self._minted = 0

    def process(self, **options: Any) -> Coordinator:
        """Return the coordinator of another process."""
        repository = TokenRepository(self.storage, on_event=self.events.append, clock=self.clock)
        return Coordinator(repository, self.policy, clock=self.clock, **options)

    def login(self, seconds_left: float | None, **fields: Any) -> TokenRecord:
        """Store a login, whose access token ends in so many seconds."""
        ends = None if seconds_left is None else self.clock.now + int(seconds_left * 1000)
        given = {"user_name": "patricia", "refresh_token": "1000.refresh", "access_token": "1000.first"}
        record = TokenRecord(**{**CREDENTIALS, **given, "expires_at_ms": ends, **fields})
        saved = self.first.save(record)
        self.storage.count.clear()
        self.events.clear()
        return saved

    def minted(self, record: TokenRecord, seconds: float = 3600) -> TokenRecord:
        """Return what the SDK saves after a refresh."""
        self._minted += 1
        return record.changed(
            access_token=f"1000.minted.{self._minted}",
            expires_at_ms=self.clock.now + int(seconds * 1000),
        )

    def stored(self) -> TokenRecord:
        """Return the only stored token."""
        (record,) = TokenRepository(self.storage).scan()
        return record

    def kinds(self) -> list[str]:
        """Return the kinds of all events, in order, and forget them."""
        kinds = [str(event.kind) for event in self.events]
        self.events.clear()
        return kinds

    def must_refresh(self, record: TokenRecord | None) -> bool:
        """Tell whether the SDK would refresh what it got."""
        assert record is not None
        ends = record.expires_at_ms
        return record.access_token is None or (ends is not None and ends - self.clock.now < 5000)


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


def wait_until(condition: Callable[[], bool]) -> None:
    """Wait until other threads have done something."""
    stop = threading.Event()
    for _ in range(int(PATIENCE * 500)):
        if condition():
            return
        stop.wait(0.002)
    raise AssertionError("it never came true")
