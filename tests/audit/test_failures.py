"""A trail that cannot be written breaks nothing: it is an event and a log line, and the gap shows."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.audit.support import ALICE, TRAILS, entries_of, execute, opened, table_of, trail_of
from tests.sql import support as databases
from tests.sql.conftest import Local
from tests.support.sqlite_faults import Fault, sqlite_faults
from zoho_tokenstore import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    Event,
    EventKind,
    TokenRecord,
    TokenRepository,
    open_repository,
)
from zoho_tokenstore._util.deadlines import Deadline
from zoho_tokenstore.audit import _trail
from zoho_tokenstore.backend import AuditRow


@contextmanager
def lost_table(case: str, folder: Path) -> Iterator[None]:
    """Let the trail's table be elsewhere for a while."""
    table = table_of(case)
    execute(case, folder, f"ALTER TABLE {table} RENAME TO elsewhere")
    try:
        yield
    finally:
        execute(case, folder, f"ALTER TABLE elsewhere RENAME TO {table}")


def failures(seen: list[Event]) -> list[Event]:
    return [event for event in seen if event.kind is EventKind.AUDIT_FAILED]


@pytest.mark.parametrize("case", [name for name in TRAILS if name != "sqlite"])  # see test_a_full_disk
def test_a_login_is_saved_without_its_entry(
    case: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The login counts, somebody can be alarmed, and the next entry says how many are missing before it."""
    monkeypatch.setattr(_trail, "_PAUSE_FACTOR", 0)
    seen: list[Event] = []
    with opened(case, tmp_path, on_event=seen.append) as repository:
        with lost_table(case, tmp_path):
            saved = repository.save(ALICE)
            repository.save(ALICE.changed(access_token="second"))
        assert repository.get(saved.id or "") is not None
        assert len(failures(seen)) == 2
        assert isinstance(failures(seen)[0].error, BackendError)
        assert failures(seen)[0].token_id == saved.id
        assert [record.levelno for record in caplog.records].count(logging.ERROR) == 2
        assert "the entry that" in caplog.text
        repository.save(ALICE.changed(access_token="third"))
        repository.save(ALICE.changed(access_token="fourth"))
        assert [(entry.what, entry.missed) for entry in entries_of(repository)] == [
            ("audit_started", 0),
            ("renewed", 2),
            ("renewed", 0),
        ]
        report = trail_of(repository).verify()
        assert (report.is_intact, report.missed) == (True, 2)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """SQLite cannot write the entry: what happened stays, and the gap shows once there is room again."""
    monkeypatch.setattr(_trail, "_PAUSE_FACTOR", 0)
    seen: list[Event] = []
    with sqlite_faults() as faults, opened("sqlite", tmp_path, on_event=seen.append) as repository:
        saved = repository.save(ALICE)
        faults.arm(fault=Fault.ENOSPC, once=False)
        repository.emit(EventKind.DENIED, saved, reason="invalid_code")
        faults.disarm()
        assert "the disk is full" in str(failures(seen)[0].error)
        repository.clear()
        assert [(entry.what, entry.missed) for entry in entries_of(repository)][1:] == [
            ("logged_in", 0),
            ("cleared", 1),
        ]
        assert trail_of(repository).verify().is_intact


def test_a_server_that_only_reads(own: Local, place: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The trail is read and verified meanwhile, and goes on by itself; what is missing is counted."""
    monkeypatch.setattr(_trail, "_PAUSE_FACTOR", 0)
    seen: list[Event] = []
    with open_repository(place, audit=True, on_event=seen.append) as repository:
        saved = repository.save(ALICE)
        own.set_read_only(True)
        try:
            until(lambda: bool(tried(repository, saved)), seen)
            assert isinstance(failures(seen)[0].error, BackendUnavailableError)
            assert trail_of(repository).verify().is_intact
        finally:
            own.set_read_only(False)
        missed = len(failures(seen))
        deadline = Deadline(20, longest_delay=0.2)
        while trail_of(repository).verify().missed == 0 and deadline.delay():
            before = len(failures(seen))
            tried(repository, saved)
            missed += len(failures(seen)) - before
        report = trail_of(repository).verify()
        assert (report.is_intact, report.missed) == (True, missed)


def tried(repository: TokenRepository, saved: TokenRecord) -> bool:
    repository.emit(EventKind.DENIED, saved, reason="invalid_code")
    return True


def until(attempt: Callable[[], bool], seen: list[Event]) -> None:
    """Try until an entry could not be written: processes of a server learn late that they may only read."""
    deadline = Deadline(20, longest_delay=0.2)
    while not failures(seen):
        attempt()
        assert deadline.delay()


def test_rights_to_append_only(own: Local, own_kind: str, place: str) -> None:
    """A program that may only insert and read keeps a trail that it cannot change, as the server sees to."""
    open_repository(place, audit=True).close()
    name, password = "appender", "appender-0123"
    if own_kind == databases.POSTGRESQL:
        own.admin("DROP ROLE IF EXISTS appender")
        own.admin(f"CREATE ROLE {name} LOGIN PASSWORD '{password}'")
        own.admin(f"GRANT USAGE ON SCHEMA tokens_place TO {name}", "tokens")
        tables, on = "tokens", "tokens_place."
    else:
        own.admin(f"CREATE OR REPLACE USER {name} IDENTIFIED BY '{password}'")
        tables, on = "tokens_place", "tokens_place."
    for rights, table in (
        ("SELECT, INSERT, UPDATE, DELETE", "oauthtoken"),
        ("SELECT, INSERT, UPDATE, DELETE", "zoho_tokenstore_lease"),
        ("SELECT, INSERT, DELETE", "oauthtoken_retired"),
        ("SELECT, UPDATE", "zoho_tokenstore"),
        ("SELECT, INSERT", "oauthtoken_audit"),
    ):
        own.admin(f"GRANT {rights} ON {on}{table} TO {name}", tables)
    url = sa.make_url(place).set(username=name, password=password).render_as_string(hide_password=False)
    with open_repository(url) as repository:
        repository.save(ALICE)
        assert [entry.what for entry in entries_of(repository)] == ["audit_started", "logged_in"]
        for statement in ("UPDATE oauthtoken_audit SET text = 'x'", "DELETE FROM oauthtoken_audit"):
            with pytest.raises(Exception, match=r"(?i)denied"):
                databases.query(url, statement)
        assert trail_of(repository).verify().is_intact


def test_others_always_win(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry is tried again for a limited time; then it is missing, and the caller goes on."""
    monkeypatch.setattr(_trail, "_APPEND_TIMEOUT", 0.2)
    seen: list[Event] = []
    with opened("sqlite", tmp_path, on_event=seen.append) as repository:
        log = trail_of(repository)._log
        monkeypatch.setattr(log, "append", lambda _: False)
        began = time.monotonic()
        repository.save(ALICE)
        assert time.monotonic() - began < 2
        assert isinstance(failures(seen)[0].error, BackendTimeoutError)


def test_a_slow_failure_is_not_repeated_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure that took long, acts do not wait again for a while; they are counted."""
    calls: list[AuditRow] = []
    with opened("sqlite", tmp_path) as repository:
        trail = trail_of(repository)
        append = trail._log.append

        def fail(row: AuditRow) -> bool:
            calls.append(row)
            time.sleep(0.2)
            raise BackendTimeoutError("It is locked.")

        with monkeypatch.context() as patch:
            patch.setattr(trail._log, "append", fail)
            for number in range(5):
                repository.save(ALICE.changed(user_name=f"{number}", refresh_token=f"{number}"))
        assert len(calls) == 1
        assert trail._log.append == append
        monkeypatch.setattr(trail, "_not_before", 0.0)
        repository.clear()
        assert entries_of(repository)[-1].missed == 5


def test_what_is_missing_is_noted_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that ends says how many entries it could not write, if it can by then."""
    with opened("sqlite", tmp_path) as repository:
        trail = trail_of(repository)
        with monkeypatch.context() as patch:
            patch.setattr(trail._log, "append", _refuse)
            repository.save(ALICE)
    with opened("sqlite", tmp_path) as repository:
        assert [(entry.what, entry.missed) for entry in entries_of(repository)][1:] == [("audit_failed", 1)]


def test_what_cannot_be_noted_at_the_end_is_an_event(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closing a store does not fail for it."""
    seen: list[Event] = []
    with opened("sqlite", tmp_path, on_event=seen.append) as repository:
        monkeypatch.setattr(trail_of(repository)._log, "append", _refuse)
        repository.save(ALICE)
    assert len(failures(seen)) == 2


def _refuse(*_: Any) -> bool:
    raise BackendUnavailableError("The disk is full.")


def test_an_answer_that_was_lost(case: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An entry that was stored though nobody heard of it is neither lost nor written twice."""
    with opened(case, tmp_path) as repository:
        trail = trail_of(repository)
        append = trail._log.append
        monkeypatch.setattr(trail._log, "append", lambda row: append(row) and append(row))
        repository.save(ALICE)
        assert [entry.what for entry in entries_of(repository)] == ["audit_started", "logged_in"]
