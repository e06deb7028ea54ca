"""What is told of renewals: each change once, with what an operator needs, and no flood."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import pytest

from zoho_tokenstore import TokenRecord
from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    BackendTimeoutError,
    InvalidGrantError,
    RateLimitedError,
    TokenStoreError,
)
from zoho_tokenstore.events import EventKind
from zoho_tokenstore.renewal import _reporting as reporting
from zoho_tokenstore.renewal._reporting import RenewalReporter

ALICE, BOB = TokenRecord(id="1"), TokenRecord(id="2")
REFUSED = InvalidGrantError("Zoho refuses it.", error_code="invalid_code")
GONE = AccountsUnavailableError("Zoho is gone.")


class Told:
    """What has been told, as kind, id and the rest."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, dict[str, Any]]] = []
        self.reports = RenewalReporter(self)

    def __call__(self, kind: EventKind, record: TokenRecord, **values: Any) -> None:
        self.told.append((str(kind), record.id, values))

    @property
    def kinds(self) -> list[tuple[str, str | None]]:
        return [(kind, token_id) for kind, token_id, _ in self.told]


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_renewal_is_told_with_its_duration_and_waiters(told: Told) -> None:
    """How long it took, and how many callers it has served."""
    told.reports.renewed(ALICE, seconds=0.25, waiters=20)
    assert told.told == [("renewed", "1", {"reason": None, "seconds": 0.25, "waiters": 20})]


def test_the_first_token_of_a_login_is_told_as_that(told: Told) -> None:
    """Nothing was renewed: the exchange of a login is told apart by its reason."""
    told.reports.renewed(ALICE, is_login=True, seconds=0.25, waiters=1)
    assert told.told == [("renewed", "1", {"reason": "login", "seconds": 0.25, "waiters": 1})]


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (REFUSED, "login_needed", "rejected"),
        (RateLimitedError("too many"), "throttled", "throttled"),
        (GONE, "renewal_failed", "transient"),
        (AccountsUnavailableError("no answer", kind="uncertain"), "renewal_failed", "uncertain"),
        (BackendTimeoutError("locked"), "renewal_failed", "store"),
    ],
)
def test_failures_by_kind(told: Told, error: TokenStoreError, kind: str, reason: str) -> None:
    """Who has to act, and what about, is told apart."""
    told.reports.failed(ALICE, error, has_sent=True)
    assert told.told[-1:] == [(kind, "1", {"reason": reason, "error": error})]


def test_what_zoho_denies_is_told_each_time(told: Told) -> None:
    """A request that Zoho refused is told with its code; an earlier refusal that is only repeated is not."""
    told.reports.failed(ALICE, REFUSED, has_sent=True)
    assert told.told[0] == ("denied", "1", {"reason": REFUSED.error_code, "error": REFUSED})
    assert told.kinds[1:] == [("login_needed", "1")]
    told.reports.failed(BOB, REFUSED, has_sent=False)
    assert told.kinds[2:] == [("login_needed", "2")]


def test_a_recovery_is_told_once(told: Told) -> None:
    """After a failure the next success is one, for this token alone."""
    told.reports.failed(ALICE, GONE, has_sent=True)
    for record in (BOB, ALICE, ALICE):
        told.reports.renewed(record, seconds=0, waiters=0)
    assert told.kinds[1:] == [("renewed", "2"), ("renewed", "1"), ("recovered", "1"), ("renewed", "1")]


@pytest.mark.parametrize("credential", ["grant_token", "refresh_token", "user_name"])
def test_first_logins_are_told_apart(told: Told, credential: str) -> None:
    """None has an id yet: what is told of one says nothing of another, and no other's success mends it."""
    one, other = (TokenRecord(**{credential: value}) for value in ("one", "other"))  # type: ignore[arg-type]
    for record in (one, other, one):
        told.reports.failed(record, GONE, has_sent=False)
    told.reports.recovered(TokenRecord(**{credential: "a third"}))  # type: ignore[arg-type]
    assert told.kinds == [("renewal_failed", None)] * 2


def test_another_process_may_bring_the_recovery(told: Told) -> None:
    """A token that is good again is told as such, whoever has renewed it."""
    told.reports.recovered(ALICE)
    told.reports.failed(ALICE, GONE, has_sent=False)
    told.reports.recovered(ALICE)
    assert told.kinds == [("renewal_failed", "1"), ("recovered", "1")]


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that passes only when told."""
    at = [1000.0]
    monkeypatch.setattr(reporting, "time", SimpleNamespace(monotonic=lambda: at[0]))
    return at


def test_who_only_waited_repeats_nothing(told: Told, now: list[float]) -> None:
    """What is known is told again after a minute, or if Zoho was asked again; another kind is news."""
    for record, error in ((ALICE, GONE), (ALICE, GONE), (BOB, GONE), (ALICE, REFUSED), (ALICE, REFUSED)):
        told.reports.failed(record, error, has_sent=False)
    assert told.kinds == [("renewal_failed", "1"), ("renewal_failed", "2"), ("login_needed", "1")]
    told.reports.failed(ALICE, REFUSED, has_sent=True)
    now[0] += 59
    told.reports.failed(ALICE, REFUSED, has_sent=False)
    assert told.kinds[3:] == [("denied", "1"), ("login_needed", "1")]
    now[0] += 2
    told.reports.failed(ALICE, REFUSED, has_sent=False)
    assert told.kinds[5:] == [("login_needed", "1")]


def test_the_log_is_throttled(told: Told, now: list[float], caplog: pytest.LogCaptureFixture) -> None:
    """A token that fails in the same way is a line a minute at most; every request to Zoho is an event."""
    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        for _ in range(50):
            told.reports.failed(ALICE, GONE, has_sent=True)
            now[0] += 1
        told.reports.failed(BOB, GONE, has_sent=True)
        told.reports.failed(ALICE, REFUSED, has_sent=True)
        now[0] += 61
        told.reports.failed(ALICE, REFUSED, has_sent=True)
    gone, refused = (f"A token could not be renewed: {error}" for error in (GONE, REFUSED))
    assert [record.getMessage() for record in caplog.records] == [gone, gone, refused, refused]
    assert len([kind for kind, _ in told.kinds if kind != "denied"]) == 53
