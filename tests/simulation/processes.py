"""Processes that look tokens up, renew them, and do what else an application does.

Each has the real repository, late saves, needs, skew and steps of a renewal; only the line to the store,
Zoho and time are the simulation's.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

from tests.simulation.scene import Scene
from tests.simulation.store import Fault, Line
from zoho_tokenstore._saving import Fence
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.errors import AccountsError, AccountsUnavailableError, TokenStoreError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _protocol as protocol
from zoho_tokenstore.renewal._answers import TokenResponse
from zoho_tokenstore.renewal._clock_skew import ClockSkew
from zoho_tokenstore.renewal._freshness import Freshness, TokenState
from zoho_tokenstore.renewal._pending_saves import PendingSaves, may_pass
from zoho_tokenstore.renewal._steps import Origin, Services, Steps
from zoho_tokenstore.renewal._task import names_of
from zoho_tokenstore.renewal._transport import Transport
from zoho_tokenstore.repository import TokenRepository

_TRANSPORT: Final = Transport(timedelta(seconds=1))  # nothing is sent by it
_ORIGIN: Final = Origin()
_NONE: Final[set[str | None]] = set()


class _Repository(TokenRepository):
    """Tells the line what is being saved, and nobody what happens."""

    def __init__(self, line: Line, clock: Callable[[], int]) -> None:
        super().__init__(line, clock=clock)
        self._line = line

    def save(self, record: TokenRecord, **options: Any) -> TokenRecord:
        self._line.saved = record.refresh_token
        return super().save(record, **options)

    def emit(self, *_: object, **__: object) -> None:
        pass


class Process:
    """A process, which may die at any moment.

    Arguments:
        scene: where it is.
        number: its number.
        offset_ms: how far its clock is off.
    """

    def __init__(self, scene: Scene, number: int, offset_ms: int) -> None:
        self.scene: Final = scene
        self.number: Final = number
        self.offset_ms = offset_ms
        self.is_alive = True
        self.under_way: Final[dict[str, Renewing]] = {}
        self.line: Final = Line(scene.world, scene.store)
        self.repository: Final = _Repository(self.line, self.clock)
        self.pending_saves: Final = PendingSaves(self.repository, self.clock)
        self.skew: Final = ClockSkew(self.repository.emit)
        self.freshness: Final = Freshness(scene.plan.policy, self.clock, self.skew)
        self.services: Final = Services(
            self.repository, self.line, self.pending_saves, _TRANSPORT, self.skew.learn
        )

    def __str__(self) -> str:
        return f"process {self.number}"

    def clock(self) -> int:
        return self.scene.world.now + self.offset_ms

    def kill(self) -> None:
        """End it, with all that it is doing and keeps."""
        self.scene.world.tell(f"{self} dies")
        self.is_alive = False
        self.scene.replace(self)

    def dies_now(self) -> bool:
        """Draw whether it dies; tell whether it is dead."""
        if self.is_alive and not self.scene.is_calm and self.scene.world.random.random() < _killed(self):
            self.kill()
        return not self.is_alive

    def exposed(self, do: Callable[[], Any], by: object = None) -> Any:
        """Do something while what it sends to the store may be lost."""
        random, line = self.scene.world.random, self.line
        line.fault, line.lasts, line.by = None, False, by or self
        if not self.scene.is_calm and random.random() < self.scene.plan.lost:
            line.fault = random.choice((Fault.BEFORE, Fault.AFTER, Fault.LATE))
            line.lasts = random.random() < 0.5
            self.scene.world.tell(f"{by or self}: {line.fault.value}{', and all that follow' * line.lasts}")
        try:
            return do()
        finally:
            line.fault = None

    def delay_ms(self) -> int:
        """Draw how long it takes to the next step."""
        random, timeout = self.scene.world.random, self.scene.plan.policy.timeout
        if self.scene.is_calm or (chance := random.random()) > self.scene.plan.paused + 0.2:
            return random.randint(1, 20)
        longest = int(timeout.total_seconds() * 1000)
        return random.randint(longest // 2, 4 * longest) if chance > 0.2 else random.randint(1, longest // 3)

    def found(self) -> TokenRecord | None:
        """Return what is stored, or kept to be stored, of what the processes come with."""
        asked = self.scene.asked
        if asked.id is not None:
            return (
                self.pending_saves.get(asked.id) if self.pending_saves.kept else None
            ) or self.repository.get(asked.id)
        kept = self.pending_saves.find(asked) if self.pending_saves.kept else None
        return kept or self.repository.find(asked, tell=False)

    def kept_logins(self) -> set[str | None]:
        """Return the logins that are to be saved late."""
        return (
            {kept.record.refresh_token for kept in self.pending_saves.kept}
            if self.pending_saves.kept
            else _NONE
        )

    # ---- what an application does

    def look_up(self, *, is_forced: bool = False) -> None:
        """Look up, as `Renewer.get` and `find` do; forced: as `refresh` does."""
        if not self.is_alive:
            return
        try:
            record = self.exposed(self._found_after_saving)
        except TokenStoreError as error:
            self.scene.judge.looked_up(error)
            return
        if record is None and self.scene.asked.id is not None:
            self.scene.judge.looked_up(None)
            return
        asked = record or self.scene.asked
        state = TokenState.STALE if record is None else self.freshness.of(record)
        if state is TokenState.LOGIN_NEEDED or (state is TokenState.FRESH and not is_forced):
            self.scene.judge.looked_up(record)
            return
        name = names_of(asked)[0]
        if name in self.under_way:
            self.scene.world.after(50, functools.partial(self.look_up, is_forced=is_forced))
            return
        self.under_way[name] = Renewing(
            self, name, asked, TokenState.STALE if is_forced else state, is_forced
        )
        self.under_way[name].begin()

    def log_in(self) -> None:
        """Save another login of the same user, by the application's own doing."""
        login = self.scene.zoho.login()
        token = self.scene.zoho.mint(login)
        record = self.scene.asked.changed(
            id=None,
            user_name="u",
            grant_token=None,
            refresh_token=login.refresh_token,
            access_token=token,
            expires_at_ms=self.scene.zoho.minted[token].ends_ms,
        )
        self.scene.judge.tries(self, login.refresh_token, is_own=True)
        try:
            self.exposed(lambda: self.repository.save(record))
        except TokenStoreError as error:
            if may_pass(error):
                self.exposed(lambda: self.pending_saves.keep(record, Fence()))
        else:
            self.pending_saves.drop(record, record)

    def delete(self) -> None:
        """Delete the token."""
        record = self.repository.get(self.scene.asked.id) if self.scene.asked.id else self.found()
        if record is not None and record.id is not None:
            self.scene.judge.removes()
            self.pending_saves.forget(record.id)
            token_id = record.id
            self.exposed(lambda: self.repository.delete(token_id))

    def clear(self) -> None:
        """Delete all tokens."""
        self.scene.judge.removes()
        self.pending_saves.clear()
        self.exposed(self.repository.clear)

    def invalidate(self) -> None:
        """Note that Zoho has refused the access token."""
        record = self.exposed(self.found)
        if record is not None and record.access_token is not None:
            fence = self.pending_saves.fence_of(record) or Fence(record.access_token, record.refresh_token)
            changed = record.changed(expires_at_ms=0)
            saved = self.exposed(lambda: self.repository.save(changed, fence=fence))
            self.pending_saves.drop(record, saved, renews=True)

    def revoke(self) -> None:
        """End the login at Zoho."""
        record = self.found()
        if record is not None and record.refresh_token is not None:
            self.scene.zoho.logins[record.refresh_token].is_revoked = True

    def _found_after_saving(self) -> TokenRecord | None:
        if (
            self.pending_saves.kept and self.scene.world.random.random() < 0.5
        ):  # else the last try was a moment ago
            self.pending_saves.save(at_once=True)
        return self.found()


class Renewing:
    """A renewal of a process: the real generator, whose steps the real `Steps` do, but for sending."""

    def __init__(
        self, process: Process, name: str, asked: TokenRecord, state: TokenState, is_forced: bool = False
    ) -> None:
        scene = process.scene
        self.process: Final = process
        self.name: Final = name
        self.asked: Final = asked
        self.ask: Final = protocol.Ask(
            owner=f"renewal {scene.world.number()}",
            subject="the token",
            is_enough=functools.partial(process.freshness.is_met, state, asked, is_forced=is_forced),
            is_code=asked.refresh_token is None,
            is_forced=is_forced,
            is_stored=asked is not scene.asked,
            wait=scene.plan.policy.wait.total_seconds() if state is TokenState.STALE else 0.0,
        )
        self.began: Final = scene.world.seconds()
        self.kept = LeaseState("", 0)
        self.jumps = 0
        self.read_ms = 0
        self._world: Final = scene.world
        self._steps: Final = Steps(process.services, name, asked, process.found, _ORIGIN)
        clock = protocol.TimeSource(scene.world.seconds, scene.world.random.random)
        self._run: Final = scene.renewal(self.ask, scene.plan.policy, clock)
        self._sent = 0

    def __str__(self) -> str:
        return f"process {self.process.number}, {self.ask.owner}"

    def begin(self) -> None:
        self._resume(lambda: next(self._run))

    def _go(self, step: protocol.Step) -> None:
        self.process.scene.judge.goes_on(self, step)
        if self._world.story is not None:
            self._world.tell(f"{self}: {_told(step)}")
        if isinstance(step, protocol.Send):
            self._send(step.record or self.asked)
        elif isinstance(step, protocol.Pause):
            self._after(int(step.seconds * 1000) + 1, lambda: self._resume(lambda: self._run.send(None)))
        else:
            self._after(self.process.delay_ms(), lambda: self._do(step))

    def _do(self, step: protocol.Step) -> None:
        if isinstance(step, protocol.Save) and (step.record is None or step.record.refresh_token is None):
            self.process.scene.judge.tries(self.process, step.grant.refresh_token)
        kept = self.process.kept_logins()
        try:
            answer = self.process.exposed(lambda: self._steps._do(step), self)
        except TokenStoreError as error:
            thrown = error
            self._resume(lambda: self._run.throw(thrown))
            return
        if isinstance(step, protocol.Save):
            login = (step.record or self.asked).refresh_token
            self.process.scene.judge.keeps(self, login, kept - self.process.kept_logins())
        if isinstance(step, protocol.Read):
            self.kept, self.jumps = answer, self.process.scene.store.jumps
            self.read_ms = self._world.now
        self._resume(lambda: self._run.send(answer))

    def _resume(self, go: Callable[[], protocol.Step]) -> None:
        try:
            step = go()
        except StopIteration as end:
            self._land(end.value, None)
        except TokenStoreError as error:
            self._land(None, error)
        else:
            self._go(step)

    def _land(self, record: TokenRecord | None, error: TokenStoreError | None) -> None:
        if self._world.story is not None:
            what = type(error).__name__ if error else record and record.access_token
            self._world.tell(f"{self} ends: {what}")
        del self.process.under_way[self.name]
        self.process.scene.judge.lands(self, record, error)
        self.process.scene.judge.looked_up(error or record)

    def _after(self, delay_ms: int, do: Callable[[], None]) -> None:
        self._world.after(delay_ms, lambda: None if self.process.dies_now() else do())

    # ---- Zoho

    def _send(self, record: TokenRecord) -> None:
        scene, random = self.process.scene, self._world.random
        self._steps.has_sent = True
        self._sent = self._world.now
        scene.judge.sends(self)
        limit = int(scene.plan.policy.timeout.total_seconds() * 1000)
        way = random.randint(10, 150)
        if not scene.is_calm and random.random() < scene.plan.unanswered:
            fate = random.choice(("refused", "lost", "unanswered", "late"))
            self._world.tell(f"{self}: its request is {fate}")
            if fate == "refused":
                error = AccountsUnavailableError("Zoho cannot be reached.", kind="transient")
                self._after(way, lambda: self._answer(error, sent=False))
                return
            if fate != "lost":
                at = random.randint(1, 2 * limit) if fate == "late" else way
                self._world.after(at, lambda: self._arrives(record))
            self._after(limit, lambda: self._answer(_uncertain()))
            return
        if not scene.is_calm and record.refresh_token is not None and random.random() < 0.02:
            self._world.after(way + 1, lambda: self._arrives(record))  # the network doubles it
        back = random.randint(10, 150)

        def arrive() -> None:
            answer = self._arrives(record)
            self._after(back, lambda: self._answer(answer))

        self._world.after(way, arrive)

    def _arrives(self, record: TokenRecord) -> TokenResponse | AccountsError:
        try:
            return self.process.scene.zoho.answer(record, self._sent + self.process.offset_ms)
        except AccountsError as error:
            return error

    def _answer(self, answer: TokenResponse | AccountsError, *, sent: bool = True) -> None:
        error = answer if isinstance(answer, AccountsError) else None
        self.process.scene.judge.answered(self, error, sent=sent)
        if isinstance(answer, AccountsError):
            thrown = answer
            self._resume(lambda: self._run.throw(thrown))
        else:
            self.process.skew.learn(answer)
            self._resume(lambda: self._run.send(answer))


def _uncertain() -> AccountsError:
    return AccountsUnavailableError("Zoho does not answer.", kind="uncertain")


def _killed(process: Process) -> float:
    return process.scene.plan.killed / 4


def _told(step: protocol.Step) -> str:
    match step:
        case protocol.Replace(_, entry):
            return f"Replace by {entry}"
        case protocol.Save(record, grant):
            return f"Save {grant.access_token} after {record and record.access_token}"
    return type(step).__name__
