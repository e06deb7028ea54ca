"""A fleet for a day, in virtual time: how many requests it sends for the tokens that it freshness.

Logins have nothing to do with each other, so each is simulated by itself, from one renewal to the next: while
a token is fresh nobody touches its lease. Who looks up when it is due is drawn; if more than one host does so
while it is being renewed, or something goes wrong, each of them runs the real generator.
"""

from __future__ import annotations

import functools
import heapq
import itertools
import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

from zoho_tokenstore._policies import DEFAULT_POLICY
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.errors import AccountsError, AccountsUnavailableError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal import _protocol as protocol
from zoho_tokenstore.renewal._clock_skew import ClockSkew
from zoho_tokenstore.renewal._freshness import Freshness, TokenState

POLICY: Final = DEFAULT_POLICY
LIFE_MS: Final = 3_600_000
_AHEAD_MS: Final = ms(POLICY.ahead)
_TIMEOUT_MS: Final = ms(POLICY.timeout)
_GLANCE_MS: Final = 1000
"""For how long a host that finds somebody else renewing ahead does not look again (`renewer._GLANCE`)."""

_SPREAD_MS: Final = 500
"""By how much hosts' clocks differ: the standard deviation. Nobody is off by more than three times that."""

_FAILS: Final = 0.001
_UNANSWERED: Final = 0.001
_DIES: Final = 0.001
_GOES_WRONG: Final = _FAILS + _UNANSWERED + _DIES
"""How many requests of all Zoho cannot answer, does not answer, or are made by who dies before it answers."""


class Fleet(NamedTuple):
    """How big it is.

    Arguments:
        hosts: how many there are, all alike.
        logins: how many logins they share.
        hours: for how long.
        look_ups: how many look-ups there are in an hour, of all hosts: most of them of a few logins, as
            Zipf has it.
    """

    hosts: int = 10_000
    logins: int = 1_000_000
    hours: float = 24
    look_ups: float = 40_000_000


@dataclass
class Tally:
    """What it came to. `needed` is how many token lives ended while their login was in use."""

    in_use: int = 0
    needed: int = 0
    requests: int = 0
    contended: int = 0
    contenders: int = 0
    failures: int = 0
    look_ups: float = 0.0
    longest_ms: int = 0

    def __iadd__(self, other: Tally) -> Tally:
        for name, value in vars(other).items():
            both = max if name == "longest_ms" else float.__add__ if name == "look_ups" else int.__add__
            setattr(self, name, both(getattr(self, name), value))
        return self

    @property
    def ratio(self) -> float:
        """How many requests were sent for each that was needed."""
        return self.requests / max(1, self.needed)


def simulated(fleet: Fleet, share: int, of: int, seed: int) -> Tally:
    """Simulate every login whose rank leaves the remainder `share` when divided by `of`."""
    tally = Tally()
    harmonic = math.log(fleet.logins) + 0.5772
    for rank in range(share + 1, fleet.logins + 1, of):
        rate = fleet.look_ups / harmonic / rank / 3_600_000  # per millisecond
        Login(fleet, rate, random.Random(seed * fleet.logins + rank), tally).run()
    return tally


@dataclass
class Login:
    """One login: its token from renewal to renewal.

    Arguments:
        fleet: who uses it.
        rate: how often it is looked up, per millisecond.
        random: decides everything.
        tally: is added to.
    """

    fleet: Fleet
    rate: float
    random: random.Random
    tally: Tally
    entry: str = field(default="", init=False)

    def run(self) -> None:
        """Use it for as long as the fleet is simulated."""
        ends = int(self.fleet.hours * 3_600_000)
        self.tally.look_ups += self.rate * ends
        expires = self.random.randrange(LIFE_MS)
        is_used = False
        while True:
            # Whose clock is ahead sees a token due before others do.
            at = expires - _AHEAD_MS - 3 * _SPREAD_MS
            while True:
                at += int(self.random.expovariate(self.rate)) + 1
                if at >= ends:
                    self.tally.in_use += is_used
                    return
                host = self.random.randrange(self.fleet.hosts)
                if expires - at - offset_of(host) <= _AHEAD_MS:
                    break
            is_used = True
            self.tally.needed += 1
            expires = self._renewed(at, host, expires)

    def _renewed(self, at: int, host: int, expires: int) -> int:
        """Renew, from the first look-up that freshness it; return when the new token expires."""
        takes, answer = _store_ms(self.random), _zoho_ms(self.random)
        is_alone = self.random.expovariate(self.rate) > 6 * takes + answer
        fate = self.random.random()
        if is_alone and fate >= _GOES_WRONG and answer < _TIMEOUT_MS:
            self.tally.requests += 1
            return at + 4 * takes + answer + LIFE_MS
        return Contest(self, at, host, expires, fate).run()


class Contest:
    """The time in which a token is due and not yet renewed: everybody who looks it up runs the protocol.

    `fate`, a number below 1, decides what becomes of the first request.
    """

    def __init__(self, login: Login, at: int, host: int, expires: int, fate: float) -> None:
        self.now = at
        self.fate: float | None = fate
        self.record = TokenRecord(
            id="1",
            client_id="c",
            client_secret="s",
            refresh_token="r",
            access_token="a0",
            expires_at_ms=expires,
        )
        self.minted = itertools.count(1)
        self.is_over = False
        self.login = login
        self.random = login.random
        self._due: list[tuple[int, int, Callable[[], object]]] = []
        self._order = itertools.count()
        self._busy: dict[int, int] = {}
        login.tally.contended += 1
        self._looked_up(host)

    def run(self) -> int:
        """Let everything happen; return when the new token expires."""
        while self._due:
            self.now, _, do = heapq.heappop(self._due)
            do()
        if not self.is_over:  # all have died, or been told to come back: somebody will
            self._next()
            return self.run()
        return self.record.expires_at_ms or 0

    def after(self, delay_ms: int, do: Callable[[], object]) -> None:
        heapq.heappush(self._due, (self.now + delay_ms, next(self._order), do))

    def saved(self, expires_ms: int) -> TokenRecord:
        """Store a new token; whoever looks up from now on finds it."""
        self.record = self.record.changed(access_token=f"a{next(self.minted)}", expires_at_ms=expires_ms)
        self.is_over = True
        return self.record

    def rest(self, host: int, ms: int) -> None:
        """Let a host not look at the lease for a while."""
        self._busy[host] = self.now + ms

    def _looked_up(self, host: int) -> None:
        """A host looks up: those that are not at it already begin a renewal of their own."""
        if self.is_over:
            return
        self._next()
        asked = self.record
        freshness = Freshness(POLICY, lambda: self.now + offset_of(host), _NO_SKEW)
        state = freshness.of(asked)
        if state is TokenState.FRESH or self._busy.get(host, 0) > self.now:
            return
        self._busy[host] = self.now + _GLANCE_MS if state is TokenState.DUE else self.now + 2 * _TIMEOUT_MS
        self.login.tally.contenders += 1
        wait = POLICY.wait.total_seconds() if state is TokenState.STALE else 0.0
        ask = protocol.Ask(
            owner=f"{host} {next(self._order)}",
            subject="the token",
            is_enough=functools.partial(freshness.is_met, state, asked, is_forced=False),
            wait=wait,
        )
        clock = protocol.TimeSource(lambda: self.now / 1000, self.random.random)
        Contender(self, host, protocol.renewal(ask, POLICY, clock)).begin()

    def _next(self) -> None:
        delay = int(self.random.expovariate(self.login.rate)) + 1
        host = self.random.randrange(self.login.fleet.hosts)
        self.after(delay, lambda: self._looked_up(host))


class Contender:
    """A host that runs the protocol."""

    def __init__(self, contest: Contest, host: int, renewal: protocol.Renewal) -> None:
        self._contest = contest
        self._host = host
        self._run = renewal
        self._began = contest.now

    def begin(self) -> None:
        self._resume(lambda: next(self._run))

    def _resume(self, go: Callable[[], protocol.Step]) -> None:
        contest = self._contest
        try:
            step = go()
        except StopIteration:
            contest.rest(self._host, _GLANCE_MS)
        except AccountsError as error:
            contest.rest(self._host, int((error.retry_after or 1) * 1000))
        else:
            self._go(step)
            return
        tally = contest.login.tally
        tally.longest_ms = max(tally.longest_ms, contest.now - self._began)

    def _go(self, step: protocol.Step) -> None:
        random = self._contest.random
        if isinstance(step, protocol.Pause):
            self._contest.after(
                int(step.seconds * 1000) + 1, lambda: self._resume(lambda: self._run.send(None))
            )
        elif isinstance(step, protocol.Send):
            self._send()
        elif random.random() > _DIES / 4:
            self._contest.after(_store_ms(random), lambda: self._do(step))

    def _do(self, step: protocol.Step) -> None:
        answer = self._answer(step)
        self._resume(lambda: self._run.send(answer))

    def _answer(self, step: protocol.Step) -> object:
        contest = self._contest
        match step:
            case protocol.Read():
                return LeaseState(contest.login.entry, contest.now)
            case protocol.Replace(was, entry):
                is_read = contest.login.entry == was
                contest.login.entry = str(entry) if is_read else contest.login.entry
                return is_read
            case protocol.Find():
                return contest.record
            case protocol.Save(_, expires_ms):
                return protocol.Saved(contest.saved(expires_ms), (), is_stored=True)
        return None

    def _send(self) -> None:
        contest, tally = self._contest, self._contest.login.tally
        tally.requests += 1
        takes = _zoho_ms(contest.random)
        fate = contest.random.random() if contest.fate is None else contest.fate
        contest.fate = None
        if takes >= _TIMEOUT_MS or fate < _FAILS + _UNANSWERED:
            tally.failures += 1
            kind: Any = "transient" if fate < _FAILS else "uncertain"
            error = AccountsUnavailableError("Zoho did not answer.", kind=kind)
            takes = takes if kind == "transient" else _TIMEOUT_MS
            contest.after(min(takes, _TIMEOUT_MS), lambda: self._resume(lambda: self._run.throw(error)))
        elif fate >= _GOES_WRONG:
            expires = contest.now + takes + LIFE_MS
            contest.after(takes, lambda: self._resume(lambda: self._run.send(expires)))


@functools.cache
def offset_of(host: int) -> int:
    """Return by how many milliseconds a host's clock is ahead."""
    offset = random.Random(host).gauss(0, _SPREAD_MS)
    return int(max(-3 * _SPREAD_MS, min(3 * _SPREAD_MS, offset)))


def _store_ms(random: random.Random) -> int:
    """Draw how long the store takes: 2 ms and more, now and then much more."""
    return 2 + int(random.expovariate(0.5) if random.random() < 0.99 else random.expovariate(0.01))


def _zoho_ms(random: random.Random) -> int:
    """Draw how long Zoho takes: 300 ms at the median, more than a second and a half once in a hundred."""
    return int(random.lognormvariate(5.7, 0.7))


_NO_SKEW: Final = ClockSkew(lambda *_, **__: None)
