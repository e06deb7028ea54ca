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
from zoho_tokenstore.renewal import reports
from zoho_tokenstore.renewal.reports import Reports

ALICE, BOB = TokenRecord(id="1"), TokenRecord(id="2")
REFUSED = InvalidGrantError("Zoho refuses it.", error_code="invalid_code")
GONE = AccountsUnavailableError("Zoho is gone.")


class Told:
    """What has been told, as kind, id and the rest."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str | None, dict[str, Any]]] = []
        self.reports = Reports(self)

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
    assert told.told == [("renewed", "1", {"seconds": 0.25, "waiters": 20})]


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
    told.reports.failed(ALICE, error, waited=False)
    assert told.told == [(kind, "1", {"reason": reason, "error": error})]


def test_a_recovery_is_told_once(told: Told) -> None:
    """After a failure the next success is one, for this token alone."""
    told.reports.failed(ALICE, GONE, waited=False)
    for record in (BOB, ALICE, ALICE):
        told.reports.renewed(record, seconds=0, waiters=0)
    assert told.kinds[1:] == [("renewed", "2"), ("renewed", "1"), ("recovered", "1"), ("renewed", "1")]


def test_who_only_waited_repeats_nothing(told: Told) -> None:
    """A failure that is known is not told again by those who did not send; another kind, or a new try, is."""
    told.reports.failed(ALICE, GONE, waited=True)
    told.reports.failed(ALICE, GONE, waited=True)
    told.reports.failed(BOB, GONE, waited=True)
    told.reports.failed(ALICE, REFUSED, waited=True)
    told.reports.failed(ALICE, REFUSED, waited=False)
    assert told.kinds == [
        ("renewal_failed", "1"), ("renewal_failed", "2"), ("login_needed", "1"), ("login_needed", "1"),
    ]  # fmt: skip


def test_the_log_is_throttled(
    told: Told, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same failure of the same token is a line a minute at most; another token or kind has its own."""
    now = [1000.0]
    monkeypatch.setattr(reports, "time", SimpleNamespace(monotonic=lambda: now[0]))
    with caplog.at_level(logging.WARNING, "zoho_tokenstore"):
        for _ in range(50):
            told.reports.failed(ALICE, GONE, waited=False)
            now[0] += 1
        told.reports.failed(BOB, GONE, waited=False)
        told.reports.failed(ALICE, REFUSED, waited=False)
        now[0] += 10
        told.reports.failed(ALICE, GONE, waited=False)
    lines = [record.getMessage() for record in caplog.records]
    gone = "A token could not be renewed: Zoho is gone."
    assert lines == [gone, gone, "A token could not be renewed: Zoho refuses it.", gone]
    assert len(told.told) == 53
