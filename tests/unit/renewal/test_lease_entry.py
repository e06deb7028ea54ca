"""What stands beside a lease: it is read again, bounds what is sent, and cannot be stuck by any clock."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tests.unit.renewal.support import NOW
from zoho_tokenstore import RefreshPolicy
from zoho_tokenstore._util.durations import ms
from zoho_tokenstore.errors import FailureKind
from zoho_tokenstore.renewal._lease_entry import KEPT, KEPT_REJECTED, LeaseEntry, RecordedFailure, Renewed

POLICY = RefreshPolicy()
WINDOW = ms(POLICY.window)
KINDS: tuple[FailureKind, ...] = ("rejected", "throttled", "transient", "uncertain")

NAMES = ("owner", "until", "sent", "failure", "renewed", "mark")
times = st.integers(0, 2**53)
kinds: st.SearchStrategy[FailureKind] = st.sampled_from(KINDS)
words = st.none() | st.text()
failures = st.builds(RecordedFailure, kinds, words, times, times, st.integers(1, 99), words)
renewals = st.builds(Renewed, times, st.text(), times, st.lists(st.text(), max_size=3).map(tuple))
entries = st.builds(
    LeaseEntry,
    owner=st.none() | st.text(min_size=1),
    until_ms=times,
    sent=st.lists(times, max_size=30).map(tuple),
    failure=st.none() | failures,
    renewed=st.none() | renewals,
)


@given(entries)
def test_round_trip(entry: LeaseEntry) -> None:
    """What was written is read again, its mark included."""
    read = LeaseEntry.parse(str(entry))
    assert read == entry
    assert read.mark == entry.mark


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=6),
    max_leaves=12,
)


@given(st.text() | JSON.map(json.dumps))
@example("[" * 100_000)
@example('{"owner": ""}')
def test_any_text_can_be_read(text: str) -> None:
    """A text that none of us wrote is no failure, whatever is done with what was read."""
    entry = LeaseEntry.parse(text)
    assert LeaseEntry.parse(str(entry)) == entry
    assert entry.is_held(NOW, POLICY) in (True, False)
    entry.holding_off(NOW, POLICY)
    assert entry.blocked_ms(NOW, POLICY) >= 0
    str(entry.taken("one", NOW, POLICY).failed("transient", None, NOW, POLICY, jitter=0.5))


@given(entries, times, kinds)
def test_no_two_texts_are_the_same(entry: LeaseEntry, now: int, kind: FailureKind) -> None:
    """Every change has a text of its own, also one that changes nothing: the compare-and-set needs it."""
    changed = [
        entry.taken("one", now, POLICY),
        entry.taken("one", now, POLICY),
        entry.given_back(),
        entry.given_back(),
        entry.failed(kind, None, now, POLICY, jitter=0.5),
        entry.failed(kind, None, now, POLICY, jitter=0.5),
    ]
    assert len({str(entry), *map(str, changed)}) == 7


@given(st.lists(st.integers(0, 120_000), max_size=60), st.integers(1, 12))
def test_no_window_holds_more_than_the_budget(pauses: list[int], budget: int) -> None:
    """Sent whenever it is allowed, there are never more requests in any window than the budget."""
    policy = RefreshPolicy(budget=budget)
    entry, now, sent = LeaseEntry(), NOW, []
    for pause in pauses:
        now += pause
        if entry.blocked_ms(now, policy) == 0:
            entry = LeaseEntry.parse(str(entry.taken("one", now, policy)))
            sent.append(now)
    for at in sent:
        assert sum(at - WINDOW < other <= at for other in sent) <= budget


@given(entries, st.integers(1, 12), times)
def test_the_budgets_refusal_ends_when_it_says(entry: LeaseEntry, budget: int, now: int) -> None:
    """After the time that it names the next request is allowed; it is two windows at most."""
    policy = RefreshPolicy(budget=budget)
    blocked = entry.blocked_ms(now, policy)
    assert 0 <= blocked < 2 * WINDOW
    if blocked:
        left = LeaseEntry(sent=tuple(at for at in entry.sent if at <= now))
        assert left.blocked_ms(now + blocked, policy) == 0


@given(st.integers(-WINDOW + 1, WINDOW - 1))
def test_a_clock_set_back_forgets_no_request(step: int) -> None:
    """A clock that is set, by less than the window, does not give the budget back."""
    entry = LeaseEntry()
    for _ in range(10):
        entry = entry.taken("one", NOW, POLICY)
    assert entry.blocked_ms(NOW + step, POLICY) > 0


@given(entries, times)
@example(LeaseEntry(failure=RecordedFailure("throttled", None, WINDOW + ms(POLICY.timeout), 0, 1)), 0)
def test_no_failure_holds_off_for_longer_than_a_window_and_a_request(entry: LeaseEntry, now: int) -> None:
    """Whatever a clock did; but what Zoho rejects stays rejected."""
    failure = entry.holding_off(now, POLICY)
    if failure is not None and failure.kind != "rejected":
        assert 0 < failure.until_ms - now <= WINDOW + ms(POLICY.timeout)
        assert entry.holding_off(failure.until_ms, POLICY) is None


@given(entries, times)
def test_no_lease_is_believed_to_last_much_longer_than_a_request(entry: LeaseEntry, now: int) -> None:
    """One that ends much later than a new one would is what a clock that was set back has left."""
    if entry.is_held(now, POLICY):
        assert now < entry.until_ms <= now + 2 * ms(POLICY.timeout)
        assert entry.owner is not None


def test_a_lease_lasts_for_a_request() -> None:
    """It ends with the time limit of one request, to the millisecond."""
    taken = LeaseEntry().taken("one", NOW, RefreshPolicy(timeout=timedelta(seconds=3)))
    assert taken.is_held(NOW + 2_999, POLICY)
    assert not taken.is_held(NOW + 3_000, POLICY)


def test_what_was_not_sent_is_not_counted() -> None:
    """A lease that is given back before its request leaves no trace in the budget."""
    assert LeaseEntry().taken("one", NOW, POLICY).given_back() == LeaseEntry()


@pytest.mark.parametrize("kind", ["transient", "uncertain"])
def test_pauses_grow(kind: FailureKind) -> None:
    """They double from a second to a minute, less up to a half by chance; since when it fails stays noted."""
    entry, pauses = LeaseEntry(), []
    for number in range(8):
        now = NOW + number * 100_000
        entry = entry.failed(kind, "code", now, POLICY, jitter=0.0)
        failure = entry.failure
        assert failure is not None
        pauses.append((failure.until_ms - now) / 1000)
        assert (failure.since_ms, failure.tries) == (NOW, number + 1)
    assert pauses == [1, 2, 4, 8, 16, 32, 60, 60]
    (half,) = [LeaseEntry().failed(kind, None, NOW, POLICY, jitter=1.0).failure]
    assert half is not None
    assert half.until_ms == NOW + 500


def test_a_throttle_lasts_for_zohos_window() -> None:
    """Zoho counts for ten minutes, and each try before makes it longer."""
    failure = LeaseEntry().failed("throttled", None, NOW, POLICY, jitter=0.9).failure
    assert failure == RecordedFailure("throttled", None, NOW + WINDOW, NOW, 1)


def test_a_rejection_has_no_end() -> None:
    """It is remembered for longer than anything else, and a renewal that succeeds forgets it."""
    entry = LeaseEntry().failed("rejected", "invalid_code", NOW, POLICY, jitter=0.5)
    assert entry.holding_off(NOW + 10**12, POLICY) == RecordedFailure("rejected", "invalid_code", 0, NOW, 1)
    assert (entry.keep_ms(), LeaseEntry().keep_ms()) == (ms(KEPT_REJECTED), ms(KEPT))
    assert entry.succeeded(Renewed(NOW, "1", NOW)).failure is None


def test_a_rejection_counts_at_the_server_that_made_it() -> None:
    """At another it is none, unless either is not known; a failure that passes counts at all."""
    here, there = "https://accounts.zoho.eu", "https://accounts.zoho.com"
    for kind in KINDS:
        failed = LeaseEntry().failed(kind, None, NOW, POLICY, jitter=0.0, server=here)
        assert failed.at(here) == failed.at(None) == failed
        assert (failed.at(there).failure is None) is (kind == "rejected")
        unknown = LeaseEntry().failed(kind, None, NOW, POLICY, jitter=0.0)
        assert unknown.at(there) == unknown


def test_a_failure_without_a_server_can_be_read() -> None:
    """It was written when none was noted."""
    entry = LeaseEntry.parse('{"failure":["rejected","invalid_code",0,5,1]}')
    assert entry.failure == RecordedFailure("rejected", "invalid_code", 0, 5, 1, None)


def test_a_pause_holds_on_a_host_whose_clock_is_a_little_behind() -> None:
    """Where leases have no clock of their own, hosts differ by seconds: that cuts no window short."""
    failed = LeaseEntry().failed("throttled", None, NOW, POLICY, jitter=0.0)
    assert failed.holding_off(NOW - 5_000, POLICY) == failed.failure
    assert failed.holding_off(NOW - 3_600_000, POLICY) is None
