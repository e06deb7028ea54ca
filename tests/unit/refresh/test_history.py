"""The note beside a lease: what it holds, and that the budget is kept whatever happens to it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.refresh.support import NOW, FakeClock
from zoho_tokenstore import TokenRecord
from zoho_tokenstore.errors import RateLimitedError
from zoho_tokenstore.history import Histories, History
from zoho_tokenstore.leases import LeaseBook, LocalLeases
from zoho_tokenstore.policies import RefreshPolicy

WINDOW = 600_000
times = st.integers(0, 2**53)
histories = st.builds(History, st.lists(times, max_size=30).map(tuple), st.none() | times)


@given(histories)
def test_note_round_trip(history: History) -> None:
    """What was noted is read again."""
    assert History.parse(str(history)) == history


@given(st.text())
def test_any_text_can_be_read(note: str) -> None:
    """A note that nobody of us wrote is no failure."""
    assert str(History.parse(note)) in (str(History()), str(History.parse(str(History.parse(note)))))


@given(st.lists(st.integers(0, 120_000), max_size=60), st.integers(1, 12))
def test_no_window_holds_more_than_the_budget(pauses: list[int], budget: int) -> None:
    """Sent whenever it is allowed, there are never more refreshes in any window than the budget."""
    history, now, sent = History(), NOW, []
    for pause in pauses:
        now += pause
        if history.blocked_ms(now, budget, WINDOW) == 0:
            history = History.parse(str(history.sending(now, WINDOW)))
            sent.append(now)
    for at in sent:
        assert sum(at - WINDOW < other <= at for other in sent) <= budget


@given(histories, st.integers(1, 12), times)
def test_refusal_ends_when_it_says(history: History, budget: int, now: int) -> None:
    """After the time that a refusal names the next refresh is allowed; it is two windows at most."""
    blocked = history.blocked_ms(now, budget, WINDOW)
    assert 0 <= blocked < 2 * WINDOW
    if blocked:
        left = History(tuple(at for at in history.sent if at <= now))
        assert left.blocked_ms(now + blocked, budget, WINDOW) == 0


@given(st.integers(-WINDOW + 1, WINDOW - 1))
def test_clock_set_back_forgets_no_refresh(step: int) -> None:
    """A clock that is set, by less than the window, does not give the budget back."""
    history = History()
    for _ in range(10):
        history = history.sending(NOW, WINDOW)
    assert history.blocked_ms(NOW + step, 10, WINDOW) > 0


@given(histories, times, st.integers(1, 60_000))
def test_rest_after_a_failure_is_bounded(history: History, now: int, rest: int) -> None:
    """A failure holds off the next try for twice the lease at most, whatever the clock did."""
    assert 0 <= history.cooling_ms(now, rest) < 2 * rest


class _Contended(LeaseBook):
    """Leases whose notes others change between the reading and the writing."""

    def __init__(self, clock: FakeClock, others: list[int]) -> None:
        super().__init__(LocalLeases(clock))
        self._others = others

    def annotate(self, name: str, was: str, note: str) -> bool:
        if self._others:
            self._others.pop()
            now = History.parse(self.look(name).note).sending(NOW, WINDOW)
            super().annotate(name, self.look(name).note, str(now))
        return super().annotate(name, was, note)


@given(st.integers(0, 14), st.integers(0, 14))
def test_budget_under_any_interleaving(others: int, mine: int) -> None:
    """Refreshes that others note at the same moment are counted, and never overwritten."""
    clock = FakeClock()
    leases = _Contended(clock, [0] * others)
    counted = Histories(leases, RefreshPolicy(), clock)
    sent = 0
    for _ in range(mine):
        try:
            counted.count("name", TokenRecord())
            sent += 1
        except RateLimitedError:
            break
    noted = len(History.parse(leases.look("name").note).sent)
    assert sent <= 10
    assert noted == sent + others - len(leases._others)
