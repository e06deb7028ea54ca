"""A login was stored, and the answer of the storage was lost."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Literal

import pytest

from tests.login.support import Browser, Site, fail_with, failure_of
from zoho_tokenstore import BackendUnavailableError, EventKind, SessionPolicy
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import Row


def lose_answers(site: Site, patch: pytest.MonkeyPatch) -> None:
    """The storage writes rows, and its answers are lost."""
    backend = site.flow._repository._backend
    write = backend.write

    def lose(row: Row, *, expect: object) -> object:
        write(row, expect=expect)
        raise BackendUnavailableError("The connection was cut.")

    patch.setattr(backend, "write", lose)


@pytest.mark.parametrize("prompt", ["consent", None])
@pytest.mark.parametrize("is_known", [False, True])
def test_the_answer_of_the_save_is_lost(
    site: Site,
    browser: Browser,
    zoho: Emulator,
    patricia: str,
    monkeypatch: pytest.MonkeyPatch,
    is_known: bool,
    prompt: Literal["consent"] | None,
) -> None:
    """The login is stored, so the browser is let in, and nothing is revoked; nor are others' logins."""
    other = Browser(site)
    if is_known or prompt is None:
        other.log_in(patricia)
    lose_answers(site, monkeypatch)
    login = browser.log_in(patricia, prompt=prompt).login
    assert site.stored == [login] == [browser.user]
    assert zoho.is_live(login.refresh_token or "")
    assert zoho.is_live(login.access_token or "")
    assert (other.user is not None) is (is_known or prompt is None)
    assert [event.token_id for event in site.events if event.kind is EventKind.SAVED_LATE] == [login.id]


def test_it_is_lost_for_a_user_with_too_many_logins(
    zoho: Emulator, patricia: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The oldest ends, as with any login."""
    with ExitStack() as opened:
        policy = SessionPolicy(per_user=1)
        site = Site(zoho, f"sqlite:///{tmp_path}/tokens.db", opened, sessions=policy)
        repository = site.tokens.lifecycle.renewer.repository
        former = Browser(site).log_in(patricia).login
        repository.clear()
        repository.save(former.changed(id=None, client_id="another"))
        site.clock.pass_(1)
        lose_answers(site, monkeypatch)
        login = Browser(site).log_in(patricia).login
        assert site.stored == [login]


def test_nobody_knows_whether_it_was_saved(
    site: Site, browser: Browser, zoho: Emulator, patricia: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stored, so it stays alive; that is said. Its user's next log-out ends it."""
    with monkeypatch.context() as patch:
        lose_answers(site, patch)
        patch.setattr(site.flow._repository, "find", fail_with(BackendUnavailableError))
        failed = failure_of(lambda: browser.log_in(patricia))
    assert failed.kind == "unavailable"
    assert "may be stored, without this browser, and was not revoked" in str(failed)
    (login,) = site.stored
    assert zoho.is_live(login.refresh_token or "")
    browser.log_in(patricia)
    site.flow.log_out(browser.session)
    assert site.stored == []
    assert zoho.counters().live_refresh_tokens == 0
