"""One renewal, step by step: what is sent, what is written beside the lease, and what everybody is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from tests.unit.renewal.support import CREDENTIALS, NOW
from zoho_tokenstore import RefreshPolicy, TokenRecord
from zoho_tokenstore.backend import LeaseState
from zoho_tokenstore.errors import (
    AccountsError,
    AccountsUnavailableError,
    BackendUnavailableError,
    InvalidClientError,
    InvalidGrantError,
    RateLimitedError,
    RetiredIdError,
    TokenStoreError,
)
from zoho_tokenstore.renewal import _protocol as protocol
from zoho_tokenstore.renewal._lease_entry import LeaseEntry, RecordedFailure, Renewed
from zoho_tokenstore.renewal._protocol import Find, Pause, Prove, Read, Replace, Save, Saved, Send

POLICY = RefreshPolicy()
OLD = TokenRecord(**CREDENTIALS, id="1", refresh_token="1000.r", access_token="1000.old")
NEW = OLD.changed(access_token="1000.new", updated_at_ms=NOW)


class World:
    """What a renewal meets: one entry, one token, and a Zoho that answers with `answer`."""

    def __init__(self, entry: LeaseEntry | None = None, answer: object = "grant") -> None:
        self.text = "" if entry is None else str(entry)
        self.answer = answer
        self.now_ms = NOW
        self.monotonic = 0.0
        self.stored: TokenRecord | None = OLD
        self.is_stored = True
        self.steps: list[str] = []
        self.before: dict[type, Callable[[], object]] = {}

    @property
    def entry(self) -> LeaseEntry:
        return LeaseEntry.parse(self.text)

    @property
    def sent(self) -> int:
        return self.steps.count("Send")

    def pass_(self, seconds: float) -> None:
        self.now_ms += int(seconds * 1000)
        self.monotonic += seconds

    def renew(self, **ask: Any) -> TokenRecord | None:
        """Do what a renewal says, and return what it returns."""
        values = {"owner": "me", "subject": "the token", "is_enough": lambda record: record is NEW, **ask}
        clock = protocol.TimeSource(lambda: self.monotonic, lambda: 0.0)
        steps = protocol.renewal(protocol.Ask(**values), POLICY, clock)
        step = next(steps)
        while True:
            self.steps.append(type(step).__name__)
            try:
                try:
                    self.before.pop(type(step), lambda: None)()
                    answer = self._do(step)
                except TokenStoreError as error:
                    step = steps.throw(error)
                else:
                    step = steps.send(answer)
            except StopIteration as end:
                result: TokenRecord | None = end.value
                return result

    def _do(self, step: protocol.Step) -> Any:
        match step:
            case Read():
                return LeaseState(self.text, self.now_ms)
            case Replace(was, entry):
                is_replaced = was == self.text
                self.text = str(entry) if is_replaced else self.text
                return is_replaced
            case Find():
                return self.stored
            case Prove():
                return None
            case Send():
                if isinstance(self.answer, Exception):
                    raise self.answer
                return self.answer
            case Save():
                self.stored = NEW if self.is_stored else self.stored
                return Saved(NEW, ("ZohoCRM.users.READ",), self.is_stored)
            case Pause(seconds):
                return self.pass_(seconds)


def held(owner: str = "other", at_ms: int = NOW) -> LeaseEntry:
    return LeaseEntry().taken(owner, at_ms, POLICY)


def test_a_renewal_in_order() -> None:
    """Read, find, take, prove, send, save, and the outcome beside the lease that is given back."""
    world = World()
    assert world.renew() is NEW
    assert world.steps == ["Read", "Find", "Replace", "Prove", "Send", "Save", "Replace"]
    assert world.entry == LeaseEntry(sent=(NOW,), renewed=Renewed(NOW, "1", NOW, ("ZohoCRM.users.READ",)))


def test_what_is_good_already_is_answered() -> None:
    """Whoever comes after a renewal sends nothing, and writes nothing."""
    world = World()
    world.stored = NEW
    assert world.renew() is NEW
    assert world.steps == ["Read", "Find"]


def refusal(kind: Any, code: str | None) -> AccountsError:
    classes = {"rejected": InvalidGrantError, "throttled": RateLimitedError}
    return classes.get(kind, AccountsUnavailableError)("no", kind=kind, error_code=code)


@pytest.mark.parametrize(
    ("kind", "code", "error", "retry_after"),
    [
        ("rejected", "invalid_code", InvalidGrantError, None),
        ("rejected", "invalid_client", InvalidClientError, None),
        ("rejected", "invalid_client_secret", InvalidClientError, None),
        ("throttled", None, RateLimitedError, 600),
        ("transient", "server_error", AccountsUnavailableError, 1),
        ("uncertain", None, AccountsUnavailableError, 1),
    ],
)
def test_each_kind_of_failure_is_told_to_everybody(
    kind: Any, code: str | None, error: type[AccountsError], retry_after: float | None
) -> None:
    """Who has sent the request, and who asks a moment later, are told the same; one request is sent."""
    world = World(answer=refusal(kind, code))
    for _ in range(3):
        with pytest.raises(error) as caught:
            world.renew()
        assert (caught.value.kind, caught.value.error_code) == (kind, code)
        assert caught.value.retry_after == retry_after
    assert world.sent == 1
    assert world.entry.owner is None
    assert world.entry.failure is not None
    assert world.entry.failure[:2] == (kind, code)


@pytest.mark.parametrize(("kind", "seconds"), [("throttled", 600), ("transient", 1), ("uncertain", 1)])
def test_a_failure_that_passes_is_tried_again(kind: Any, seconds: float) -> None:
    """Not a millisecond before its time, and then by the next who asks."""
    world = World(answer=refusal(kind, None))
    with pytest.raises(AccountsError):
        world.renew()
    world.answer = "grant"
    world.pass_(seconds - 0.001)
    with pytest.raises(AccountsError, match="in "):
        world.renew()
    world.pass_(0.001)
    assert world.renew() is NEW
    assert world.entry.failure is None


def test_a_rejection_is_sent_again_when_forced() -> None:
    """Only by who insists; after one more refusal nobody sends again."""
    world = World(answer=refusal("rejected", "invalid_code"))
    for forced, sent in ((False, 1), (False, 1), (True, 2), (False, 2)):
        with pytest.raises(InvalidGrantError):
            world.renew(is_forced=forced)
        assert world.sent == sent
    world.answer = "grant"
    assert world.renew(is_forced=True) is NEW


def test_a_throttle_is_not_forced() -> None:
    """A request before its time makes it longer, for everybody."""
    world = World(answer=refusal("throttled", None))
    for _ in range(2):
        with pytest.raises(RateLimitedError):
            world.renew(is_forced=True)
    assert world.sent == 1


@pytest.mark.parametrize("forced", [False, True])
def test_the_budget_is_kept(forced: bool) -> None:
    """Ten requests in ten minutes; the error says when the next one is possible."""
    world = World(LeaseEntry(sent=tuple(NOW - 500_000 + number for number in range(10))))
    with pytest.raises(RateLimitedError, match=r"10 were sent within 600 s.*possible in 100 s") as caught:
        world.renew(is_forced=forced)
    assert caught.value.retry_after == 100
    assert world.sent == 0
    world.pass_(100)
    assert world.renew(is_forced=forced) is NEW


def test_a_code_is_sent_once() -> None:
    """Whatever became of the request: nobody knows, so nobody sends it again, even if forced."""
    world = World(answer=refusal("uncertain", None))
    for forced in (False, False, True):
        with pytest.raises(InvalidGrantError, match=r"already sent to Zoho.*Log in again") as caught:
            world.renew(is_code=True, is_forced=forced)
        assert caught.value.error_code == protocol.UNKNOWN_OUTCOME
    assert world.sent == 1


def test_a_code_whose_sender_died_is_not_sent_again() -> None:
    """When the lease of a silent sender has ended the code may be spent."""
    world = World(held(at_ms=NOW - 60_000))
    with pytest.raises(InvalidGrantError, match="not sent again"):
        world.renew(is_code=True)
    assert world.sent == 0
    assert world.renew() is NEW  # a refresh token is


def test_a_code_that_certainly_was_not_sent_is() -> None:
    """If Zoho could not be reached the code is as good as before."""
    world = World(answer=refusal("transient", None))
    with pytest.raises(AccountsUnavailableError):
        world.renew(is_code=True)
    world.pass_(1)
    world.answer = "grant"
    assert world.renew(is_code=True) is NEW


def test_who_may_not_wait_goes() -> None:
    """While somebody else renews, a caller without a `wait` gets `None` at once."""
    world = World(held())
    assert world.renew(wait=0.0) is None
    assert world.steps == ["Read", "Find"]


def test_half_of_the_budget_is_for_those_who_wait() -> None:
    """A token is not renewed ahead with it, as one that never lives for `ahead` would be at every look-up."""
    world = World(LeaseEntry(sent=(NOW,) * 4))
    assert world.renew(is_ahead=True) is NEW
    world = World(LeaseEntry(sent=(NOW,) * 5))
    assert world.renew(is_ahead=True) is None
    assert world.sent == 0
    assert world.renew() is NEW


def test_who_waits_gets_the_others_token() -> None:
    """It looks again after short pauses, and writes nothing."""
    world = World(held())
    world.before[Pause] = lambda: setattr(world, "stored", NEW)
    assert world.renew(wait=5.0) is NEW
    assert set(world.steps) == {"Read", "Find", "Pause"}


def test_the_wait_is_bounded() -> None:
    """Who waits in vain is told so when `wait` is over, not later."""
    world = World(held())
    with pytest.raises(AccountsUnavailableError, match=r"Somebody else .* in time") as caught:
        world.renew(wait=5.0)
    assert world.monotonic == pytest.approx(5.0)
    assert caught.value.retry_after == 10
    assert world.sent == 0


def test_a_lease_that_ran_out_is_taken_over() -> None:
    """A holder that died costs the others one time limit of a request."""
    world = World(held())
    world.pass_(9.9)
    assert world.renew(wait=5.0) is NEW
    assert world.monotonic == pytest.approx(10.0, abs=0.11)


def test_who_is_beaten_to_the_lease_looks_again() -> None:
    """If the entry has changed since it was read, nothing is sent: another one renews."""
    world = World()
    world.before[Replace] = lambda: setattr(world, "text", str(held()))
    assert world.renew(wait=0.0) is None
    assert world.steps == ["Read", "Find", "Replace", "Read", "Find"]


def test_nothing_is_sent_that_cannot_be_stored() -> None:
    """If the store says no before the request, the lease and the budget are given back."""
    world = World()

    def fail() -> None:
        raise BackendUnavailableError("read-only")

    world.before[Prove] = fail
    with pytest.raises(BackendUnavailableError):
        world.renew()
    assert world.sent == 0
    assert world.entry == LeaseEntry()


def test_what_is_not_stored_yet_leaves_the_lease() -> None:
    """The others wait for the late save, instead of renewing in vain as well."""
    world = World()
    world.is_stored = False
    assert world.renew() is NEW
    assert world.entry.is_held(NOW, POLICY)


def test_a_token_deleted_meanwhile_is_nobodys() -> None:
    """Its renewal answers that there is none, and gives the lease back."""
    world = World()

    def fail() -> None:
        raise RetiredIdError("deleted")

    world.before[Save] = fail
    assert world.renew() is None
    assert world.entry.owner is None


def test_a_store_that_fails_at_the_end_costs_nothing_else() -> None:
    """The token is there; the lease runs out by itself."""
    world = World()

    def fail_at_the_end() -> None:
        def fail() -> None:
            raise BackendUnavailableError("gone")

        world.before[Replace] = fail

    world.before[Save] = fail_at_the_end
    assert world.renew() is NEW
    assert world.entry.is_held(NOW, POLICY)


def test_a_late_failure_is_no_news() -> None:
    """Who was overtaken while he waited for Zoho does not write his failure over the other one's outcome."""
    world = World(answer=refusal("transient", None))

    def overtake() -> None:
        world.pass_(60)
        world.text, world.stored = str(held(at_ms=world.now_ms)), NEW

    world.before[Send] = overtake
    assert world.renew() is NEW
    assert world.entry.owner == "other"
    assert world.entry.failure is None


def test_a_later_failure_counts_from_the_first() -> None:
    """Failures in a row have one beginning, and longer and longer pauses."""
    world = World(
        LeaseEntry(failure=RecordedFailure("transient", None, NOW, NOW - 9_000, 3)),
        refusal("transient", None),
    )
    with pytest.raises(AccountsUnavailableError) as caught:
        world.renew()
    assert caught.value.retry_after == 8
    assert world.entry.failure == RecordedFailure("transient", None, NOW + 8_000, NOW - 9_000, 4)


def test_a_lease_of_the_future_is_nobodys() -> None:
    """A clock that was set back by an hour holds up nobody."""
    world = World(held(at_ms=NOW + int(timedelta(hours=1).total_seconds() * 1000)))
    assert world.renew() is NEW
