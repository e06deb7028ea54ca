"""A callback that comes twice, and a session that ends."""

from __future__ import annotations

import threading
import time
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest

from tests.login.support import CALLBACK, Browser, Site, consent, fail_with, failure_of
from zoho_tokenstore import (
    BackendUnavailableError,
    ConflictError,
    SealingError,
    TokenRecord,
    TokenStoreError,
)
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import LoginFlow


class TestTwice:
    """A callback comes more than once: reloaded, by the back button, or by a double click."""

    def test_a_reload(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        """Nothing happens: the browser stays logged in, and Zoho is not asked."""
        answer = consent(zoho, browser.start(next="/courses"), patricia)
        browser.come_back(answer)
        before = browser.session
        failed = failure_of(lambda: browser.come_back(answer))
        assert (failed.kind, failed.next) == ("used", "/courses")
        assert browser.session == before
        assert len(zoho.journal("token:authorization_code")) == 1

    def test_a_reload_after_a_refusal(self, browser: Browser, zoho: Emulator, patricia: str) -> None:
        answer = consent(zoho, browser.start(), patricia, "reject")
        failure_of(lambda: browser.come_back(answer))
        assert failure_of(lambda: browser.come_back(answer)).kind == "used"

    @pytest.mark.parametrize("processes", [1, 2])
    def test_a_double_click(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str, processes: int
    ) -> None:
        """Both requests have the session of before: one exchange, one session, whichever answer is shown."""
        answer, kept = consent(zoho, browser.start(), patricia), browser.kept
        flows = [site.flow, site.flow if processes == 1 else site.another_process()]
        zoho.fault("token:authorization_code", "slow", seconds=0.3)
        done: list[Any] = []
        threads = [
            threading.Thread(target=lambda flow=flow: done.append(flow.finish(answer, kept)))
            for flow in flows
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len({each.login.id for each in done}) == 1
        assert [site.flow.identify(each.session) is not None for each in done] == [True, True]
        assert len(site.flow.sessions_of(done[0].login.id or "")) == 1
        assert len(zoho.journal("token:authorization_code")) == 1

    def test_the_first_answer_is_lost(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str
    ) -> None:
        """The second lets the browser in, by the session of the first: with its log-out the login ends."""
        answer = consent(zoho, browser.start(), patricia)
        first = site.flow.finish(answer, browser.kept)
        second = browser.come_back(answer)
        assert (second.login, second.session) == (first.login, first.session)
        assert len(site.flow.sessions_of(second.login.id or "")) == 1
        site.flow.log_out(browser.session)
        assert site.stored == []
        assert not zoho.is_live(second.login.refresh_token or "")

    def test_a_failure_is_the_same_for_both(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str
    ) -> None:
        answer = consent(zoho, browser.start(), patricia)
        zoho.advance(181)
        kinds = [failure_of(lambda: site.flow.finish(answer, browser.kept)).kind for _ in range(2)]
        assert kinds == ["expired", "expired"]
        assert len(zoho.journal("token:authorization_code")) == 1

    def test_long_after_a_login(
        self,
        browser: Browser,
        site: Site,
        zoho: Emulator,
        patricia: str,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """A copy of the address and of the session of before lets nobody in, while the login lives on."""
        answer, old = consent(zoho, browser.start(), patricia), browser.kept
        browser.come_back(answer)
        monkeypatch.setattr("zoho_tokenstore.login._once._JOINED_MS", -1)
        assert failure_of(lambda: site.flow.finish(answer, old)).kind == "expired"
        assert site.flow.identify(browser.session) is not None

    def test_zoho_fails_for_both(self, browser: Browser, site: Site, zoho: Emulator, patricia: str) -> None:
        """The second callback learns at once that the first had no answer; the code is not sent again."""
        answer = consent(zoho, browser.start(), patricia)
        zoho.fault("token:authorization_code", "status", status=503)
        began = time.monotonic()
        kinds = [failure_of(lambda: site.flow.finish(answer, browser.kept)).kind for _ in range(2)]
        assert kinds == ["unavailable", "unavailable"]
        assert time.monotonic() - began < 10
        assert len(zoho.journal("token:authorization_code")) == 1

    def test_another_browser_with_the_address(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str
    ) -> None:
        """The address lets nobody in, nor does it with all but the verifier of what this browser kept."""
        answer, old = consent(zoho, browser.start(), patricia), browser.kept
        browser.come_back(answer)
        assert failure_of(lambda: site.flow.finish(answer, {})).kind == "foreign"
        ((state, (at_ms, _, *rest)),) = old.items()
        other = {state: [at_ms, "guess", *rest]}
        assert failure_of(lambda: site.flow.finish(answer, other)).kind == "expired"
        assert len(site.flow.sessions_of(site.stored[0].id or "")) == 1

    def test_a_log_out_before_the_second_comes(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str
    ) -> None:
        """The session has ended, and stays so while another browser keeps the login alive."""
        Browser(site).log_in(patricia)
        answer, old = consent(zoho, browser.start(), patricia), browser.kept
        session = browser.come_back(answer).session
        site.flow.log_out(session)
        assert failure_of(lambda: site.flow.finish(answer, old)).kind == "expired"
        assert site.flow.identify(session) is None

    def test_after_a_log_out(self, browser: Browser, site: Site, zoho: Emulator, patricia: str) -> None:
        """An old session cookie with the callback of an ended login does not bring it back."""
        started = browser.start()
        old = dict(browser.kept)
        answer = consent(zoho, started, patricia)
        browser.come_back(answer)
        site.flow.log_out(browser.session)
        failed = failure_of(lambda: site.flow.finish(answer, old))
        assert failed.kind == "expired"
        assert site.stored == []


class TestStore:
    """The storage fails in the middle of a login."""

    @pytest.mark.parametrize("error", [BackendUnavailableError, SealingError])
    @pytest.mark.parametrize("is_known", [False, True])
    def test_after_the_exchange(
        self,
        site: Site,
        zoho: Emulator,
        patricia: str,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        is_known: bool,
        error: type[TokenStoreError],
    ) -> None:
        """What is given back to Zoho is not stored later, and nothing is left in the spool."""
        before = [Browser(site).log_in(patricia).login] if is_known else []
        tokens = site.open(spool=tmp_path / "spool")
        repository = tokens.lifecycle.renewer.repository
        site.flow = LoginFlow(tokens, site.client, CALLBACK)
        with monkeypatch.context() as patch:
            patch.setattr(repository._backend, "write", fail_with(error))
            assert failure_of(lambda: Browser(site).log_in(patricia)).kind == "unavailable"
        tokens.find(TokenRecord(user_name="somebody"))
        tokens.lifecycle.renewer.pending_saves.save(at_once=True)
        assert site.stored == before
        assert list((tmp_path / "spool").glob("*.token")) == []
        assert zoho.counters().live_refresh_tokens == len(before)

    @pytest.mark.parametrize("step", ["sessions.open", "_once.settle"])
    @pytest.mark.parametrize("error", [BackendUnavailableError, ConflictError])
    def test_after_the_save(
        self,
        browser: Browser,
        site: Site,
        zoho: Emulator,
        patricia: str,
        monkeypatch: pytest.MonkeyPatch,
        step: str,
        error: type[TokenStoreError],
    ) -> None:
        """No browser is in the login, so it ends, here and at Zoho; one that others are in stays."""
        owner, name = attrgetter(step.partition(".")[0])(site.flow), step.partition(".")[2]
        other = Browser(site)
        for is_used in (False, True):
            if is_used:
                other.log_in(patricia)
            with monkeypatch.context() as patch:
                patch.setattr(owner, name, fail_with(error))
                assert failure_of(lambda: browser.log_in(patricia)).kind == "unavailable"
            assert len(site.stored) == is_used
            assert (zoho.counters().live_refresh_tokens > 0) is is_used
        assert len(site.flow.sessions_of(site.stored[0].id or "")) == 1
        assert other.user is not None

    def test_after_the_save_and_still(
        self, browser: Browser, site: Site, patricia: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """It cannot be ended either: it is said that it stays, until its user logs in again, and out."""
        with monkeypatch.context() as patch:
            patch.setattr(site.flow.sessions, "_change", fail_with(BackendUnavailableError))
            failed = failure_of(lambda: browser.log_in(patricia))
        (login,) = site.stored
        assert f"The login {login.id!r} stays stored" in str(failed)
        browser.log_in(patricia)
        site.flow.log_out(browser.session)
        assert site.stored == []


class TestEnd:
    """Logging out: this browser, all of them, and what Zoho says."""

    def test_the_last_browser_ends_the_login(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str
    ) -> None:
        """Here and at Zoho. A copy of the session lets nobody in."""
        other = Browser(site)
        login = browser.log_in(patricia).login
        latest = other.log_in(patricia).login
        copy = browser.session
        site.flow.log_out(browser.session)
        assert site.flow.identify(copy) is None
        assert site.flow.identify(other.session) is not None
        assert zoho.is_live(latest.refresh_token or "")
        site.flow.log_out(other.session)
        assert site.flow.identify(other.session) is None
        assert not zoho.is_live(latest.refresh_token or "")
        assert not zoho.is_live(login.refresh_token or "")
        assert site.stored == []

    def test_another_browser_logs_in_meanwhile(
        self, browser: Browser, site: Site, zoho: Emulator, patricia: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The last session ends, and with it the login that it was of; the new one stays."""
        former, other, end = browser.log_in(patricia).login, Browser(site), site.flow.sessions.end

        def slowly(login_id: str, session_id: str) -> int:
            left = end(login_id, session_id)
            other.log_in(patricia)
            return left

        monkeypatch.setattr(site.flow.sessions, "end", slowly)
        site.flow.log_out(browser.session)
        assert (browser.user, other.user) == (None, site.stored[0])
        live = [zoho.is_live(each.refresh_token or "") for each in (former, site.stored[0])]
        assert live == [False, True]

    def test_everywhere(self, browser: Browser, site: Site, patricia: str) -> None:
        other = Browser(site)
        browser.log_in(patricia)
        other.log_in(patricia)
        site.flow.log_out(browser.session, everywhere=True)
        assert [each.user for each in (browser, other)] == [None, None]
        assert site.stored == []

    def test_while_zoho_is_down(self, browser: Browser, site: Site, zoho: Emulator, patricia: str) -> None:
        """The session ends, and the revocation is owed."""
        browser.log_in(patricia)
        zoho.fault("revoke", "status", status=503)
        site.flow.log_out(browser.session)
        assert (browser.user, site.stored) == (None, [])
        assert len(list(site.tokens.lifecycle.ending.debts())) == 1

    def test_somebody_elses_log_out(self, browser: Browser, site: Site, patricia: str) -> None:
        """Knowing a login's id ends nothing."""
        login = browser.log_in(patricia).login
        for guess in (None, "", login.id, f"{login.id}.", f"{login.id}.guess", "\udce9.x"):
            site.flow.log_out(guess, everywhere=True)
            assert site.flow.identify(guess) is None
        assert browser.user is not None

    def test_a_new_login_has_a_new_session(
        self, browser: Browser, site: Site, patricia: str, rajesh: str
    ) -> None:
        """Whoever logs in with a browser in which somebody else was logged in."""
        first = browser.log_in(patricia).session
        second = browser.log_in(rajesh).session
        assert first != second
        assert site.flow.identify(first) is not None  # the framework's module ends it

    def test_sessions_of_mine(self, browser: Browser, site: Site, patricia: str) -> None:
        """They are listed with what tells them apart, and ended one by one."""
        login = browser.log_in(patricia).login
        other = Browser(site)
        other.come_back(consent(site.zoho, other.start(), patricia), label="Firefox on a phone")
        mine, theirs = site.flow.sessions_of(login.id or "")
        assert (mine.label, theirs.label) == ("", "Firefox on a phone")
        assert mine.began_ms <= theirs.began_ms
        for session_id in (theirs.id, theirs.id, "unknown"):
            site.flow.end_session(login.id or "", session_id)
            assert other.user is None
            assert browser.user is not None
        assert site.flow.sessions.login_of(f"{login.id}.{mine.id}") is None  # what is listed lets nobody in
        site.flow.end_session(login.id or "", mine.id)
        assert (browser.user, site.stored) == (None, [])
        site.flow.end_session(login.id or "", mine.id)
