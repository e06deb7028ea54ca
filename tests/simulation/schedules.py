"""One schedule: drawn from a seed, run to its end, and judged."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections import Counter
from collections.abc import Callable
from typing import Final, NamedTuple

from tests.simulation import plan
from tests.simulation.judge import Judge
from tests.simulation.processes import Process
from tests.simulation.scene import Renew
from tests.simulation.store import Store
from tests.simulation.world import Violation, World
from tests.simulation.zoho import Zoho
from zoho_tokenstore.errors import TokenStoreError
from zoho_tokenstore.records import Row, TokenRecord
from zoho_tokenstore.renewal import _protocol as protocol

_CLIENT: Final = TokenRecord(client_id="1000.A", client_secret="s")
_LOOK_UPS_MS: Final = 12_000
_HOUR_MS: Final = 3_600_000


class Outcome(NamedTuple):
    """What came of a schedule.

    `violation` is what happened that must not, or `None`.
    """

    seed: int
    violation: str | None
    events: int
    requests: int
    counts: Counter[str]
    story: list[str]


class Schedule:
    """A schedule.

    Arguments:
        seed: decides everything.
        renewal: the protocol.
        tells: whether a story is written.
        fixed: circumstances that are not drawn.
    """

    def __init__(
        self, seed: int, renewal: Renew = protocol.renewal, *, tells: bool = False, **fixed: object
    ) -> None:
        self.world = World(seed, tells=tells)
        self.plan = dataclasses.replace(plan.drawn(self.world.random), **fixed)  # type: ignore[arg-type]
        self.is_calm = self.plan.is_calm
        self.renewal = renewal
        self.zoho = Zoho(self.world, self.plan.life_ms, self.plan.troubled)
        self.judge: Final = Judge(self)
        self.store = Store(self.world, self.judge)
        self.asked = self._begun()
        self._processes = [Process(self, *each) for each in enumerate(self.plan.offsets_ms)]

    def run(self) -> None:
        """Run it to its end.

        Raises:
            Violation: something happened that must not.
        """
        self.world.tell(str(self.plan))
        random = self.world.random
        for number in range(self.plan.look_ups):
            at = random.randint(0, 200 if number < self.plan.processes else _LOOK_UPS_MS)
            self._let(at, number % self.plan.processes, is_forced=random.random() < self.plan.forced)
        for _ in range(self.plan.acts):
            act = random.choice(
                (
                    Process.log_in,
                    Process.log_in,
                    Process.delete,
                    Process.clear,
                    Process.invalidate,
                    Process.revoke,
                )
            )
            number = random.randrange(self.plan.processes)
            self.world.after(random.randint(0, 3000), functools.partial(self._act, number, act))
        for _ in range(self.plan.jumps):
            by = random.choice((-1, 1)) * random.choice((500, 5_000, 60_000, _HOUR_MS))
            self.world.after(random.randint(0, 5000), functools.partial(self._jump, by))
        self.world.run()
        if self.is_calm:
            self.judge.check_calm()
        self._check_end()

    def replace(self, dead: Process) -> None:
        """Start another process some time after one has died, which looks up at once."""
        self.world.after(self.world.random.randint(1, 2000), lambda: self._start(dead))

    def _start(self, dead: Process) -> None:
        self._processes[dead.number] = process = Process(self, dead.number, dead.offset_ms)
        process.look_up()

    def _begun(self) -> TokenRecord:
        """Return what the processes come with, and store what they find."""
        kind = self.plan.kind
        if kind == "code":
            return _CLIENT.changed(grant_token=self.zoho.code())
        if kind == "refresh token":
            return _CLIENT.changed(refresh_token=self.zoho.login().refresh_token)
        row = Row(id="1", user_name="u", client_id=_CLIENT.client_id, client_secret=_CLIENT.client_secret)
        if kind == "stored code":
            row = row._replace(grant_token=self.zoho.code())
        else:
            login = self.zoho.login()
            row = row._replace(refresh_token=login.refresh_token)
            if self.plan.left_ms is not None:
                row = row._replace(
                    access_token=self.zoho.mint(login), expiry_time=str(self.world.now + self.plan.left_ms)
                )
        self.store.rows.write(row, expect=None)
        return _CLIENT.changed(id="1")

    def _let(self, at_ms: int, number: int, *, is_forced: bool) -> None:
        self.world.after(at_ms, lambda: self._processes[number].look_up(is_forced=is_forced))

    def _act(self, number: int, act: Callable[[Process], None]) -> None:
        process = self._processes[number]
        if process.is_alive:
            self.world.tell(f"{process}: {act.__name__}")
            with contextlib.suppress(TokenStoreError):
                act(process)

    def _jump(self, by_ms: int) -> None:
        self.world.tell(f"the store's clock jumps by {by_ms / 1000:g} s")
        self.store.jump(by_ms)

    def _check_end(self) -> None:
        """When all is over, whoever asks next is served: nothing is stuck."""
        self.world.tell("all is well from here on")
        self.is_calm, self.zoho.troubled = True, 0.0
        self.world.now += 3 * _HOUR_MS
        for process in self._processes:
            process.pending_saves.save(at_once=True)
        self.judge.check_logins()
        self._processes = [Process(self, 0, 0)]
        rows = list(self.store.rows.scan())
        self._processes[0].look_up()
        self.world.run()
        found = self.judge.results[-1]
        for row in rows:
            login = self.zoho.logins.get(row.refresh_token or "")
            if login is not None and not login.is_revoked and self._is_meant(row):
                if not isinstance(found, TokenRecord):
                    raise Violation(f"in the end the login {row.refresh_token} brings {found!r}")
                if found.refresh_token != row.refresh_token:
                    raise Violation(f"in the end {found.refresh_token} is found, not {row.refresh_token}")

    def _is_meant(self, row: Row) -> bool:
        """Tell whether a row is what the processes look up."""
        asked = self.asked
        return (
            asked.id in (None, row.id)
            and asked.refresh_token in (None, row.refresh_token)
            and asked.grant_token in (None, row.grant_token)
        )


def run(seed: int, renewal: Renew = protocol.renewal, *, tells: bool = False, **fixed: object) -> Outcome:
    """Run one schedule.

    Arguments:
        seed: decides everything.
        renewal: the protocol.
        tells: whether a story is written.
        fixed: circumstances that are not drawn.
    """
    schedule = Schedule(seed, renewal, tells=tells, **fixed)
    violation = None
    try:
        schedule.run()
    except Violation as error:
        violation = str(error)
        schedule.world.tell(f"VIOLATION: {violation}")
    return Outcome(
        seed,
        violation,
        schedule.world.events,
        schedule.judge.requests,
        schedule.judge.counts,
        schedule.world.story or [],
    )
