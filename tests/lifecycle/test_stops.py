"""What happens at once, is interrupted, or is not meant: jobs and limits touch nothing but their own."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.lifecycle.support import Site
from zoho_tokenstore import Keyset
from zoho_tokenstore.lifecycle import CleanUpReport, LoginFilter, RevocationReport, Revoked, clean_up, revoke
from zoho_tokenstore.lifecycle._ending import Ending

DAY: Final = 86_400.0


@pytest.mark.parametrize("order", [1, -1])
def test_logins_at_once_do_not_end_each_other(
    site: Site, monkeypatch: pytest.MonkeyPatch, order: int
) -> None:
    """Each is stored before any of them looks at the limit; the newest stays, whoever looks first."""
    tokens = site.limited(per_user=1)
    sessions = tokens.lifecycle.sessions
    assert sessions is not None
    monkeypatch.setattr(tokens.lifecycle.renewer.repository._saver, "on_login", lambda _: None)
    logins = []
    for number in range(3):
        logins.append(site.log_in(tokens, api_domain=f"{site.zoho.url}/{number}"))
        site.clock.pass_(1)
    for login in logins[::order]:
        sessions.began(login)
    assert {*site.stored(tokens)} == {logins[-1].id}


def test_an_interrupted_revocation_begins_nothing_more(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """The request in progress ends; what waits for its turn stays for the next run."""
    tokens = site.open()
    for number in range(6):
        site.log_in(tokens, f"user{number}")
    asked: list[str] = []

    def lasts(_: Ending, token_id: str, **__: Any) -> Revoked:
        asked.append(token_id)
        threading.Event().wait(0.2)
        return Revoked.REVOKED

    def stop(_: RevocationReport) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Ending, "revoke", lasts)
    with pytest.raises(KeyboardInterrupt):
        revoke(tokens, LoginFilter(everything=True), workers=1, on_progress=stop)
    assert len(asked) <= 2


def test_a_dry_run_counts_what_a_run_would_do(site: Site) -> None:
    """Owed revocations, retired ids and old entries too; nothing is sent or forgotten."""
    tokens = site.open(audit=True)
    site.zoho.fault("revoke", "status", status=503)
    login = site.log_in(tokens)
    assert tokens.log_out(login.id or "") is Revoked.OWED
    site.zoho.clear_faults()
    site.clock.pass_(30 * DAY)
    ages: dict[str, Any] = {"retired_for": timedelta(days=7), "audit_for": timedelta(days=7)}
    dry = clean_up(tokens, dry_run=True, **ages)
    assert (dry.owed, dry.retired_ids) == (1, 1)
    assert dry.audit_entries > 1
    assert site.is_alive(login)
    done = clean_up(tokens, **ages)
    assert (done.revoked, done.retired_ids) == (1, 1)
    assert done.audit_entries == dry.audit_entries


def test_what_another_run_has_ended_is_not_counted_again(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of two clean-ups at once, the one that ended a login reports it."""
    first, second = (site.limited(idle=timedelta(days=1)) for _ in range(2))
    for number in range(3):
        site.log_in(first, f"user{number}")
    site.clock.pass_(DAY)
    sessions = first.lifecycle.sessions
    assert sessions is not None
    reports: list[CleanUpReport] = []

    def end_late(*arguments: Any, end: Any = sessions.end, **options: Any) -> Any:
        if not reports:
            reports.append(clean_up(second))
        return end(*arguments, **options)

    monkeypatch.setattr(sessions, "end", end_late)
    reports.append(clean_up(first))
    assert [report.overdue for report in reports] == [3, 0]


def test_what_others_owe_is_not_reported(site: Site) -> None:
    """Whose a debt is can be seen without its key; only a run that means it says that it does not open."""
    theirs = site.open(keys=Keyset.generate())
    site.zoho.fault("revoke", "status", status=503)
    theirs.log_out(site.log_in(theirs, "amelia").id or "")
    site.zoho.clear_faults()
    mine = site.open(keys=Keyset.generate())
    site.log_in(mine, "patricia")
    report = revoke(mine, LoginFilter(user_name="patricia"))
    assert (report.revoked, report.owed, report.is_complete) == (1, 0, True)
    report = revoke(mine, LoginFilter(user_name="amelia"))
    assert (report.owed, report.is_complete) == (1, False)
    assert "do not open" in report.reasons[""]


def test_one_login_named_twice_is_one(site: Site) -> None:
    """Two workers would take it for two."""
    tokens = site.open()
    token_id = site.log_in(tokens).id or ""
    report = revoke(tokens, LoginFilter(token_ids=(token_id, token_id)))
    assert (report.matched, report.revoked, report.already_dead) == (1, 1, 0)


def test_reasons_are_given_for_a_few(site: Site) -> None:
    """However many rows cannot be read."""
    tokens = site.open()
    for number in range(30):
        site.log_in(tokens, f"user{number}")
    with closing(sqlite3.connect(tokens.lifecycle.renewer.repository.location)) as connection, connection:
        connection.execute("UPDATE oauthtoken SET access_token = x'ff'")
    report = revoke(tokens, LoginFilter(everything=True), dry_run=True)
    assert (report.kept, len(report.reasons)) == (30, 20)
