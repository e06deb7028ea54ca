"""The process of a callback is killed once the login is stored: no session is left that nobody can end."""

from __future__ import annotations

import multiprocessing
import os
import signal
from typing import Any

import pytest

from tests.login.support import Browser, Site, consent, failure_of
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.login import LoginFlow

STEPS = range(6)
"""After the save: the note of the session, the session, the note that it is open; before and after each."""


def killed(flow: LoginFlow, answer: dict[str, str], kept: dict[str, Any], at: int) -> None:
    """Answer a callback in a process that kills itself at a step."""

    def run() -> None:
        backend, leases = flow._repository._backend, flow._repository.leases
        steps: list[bool] = []

        def step() -> None:
            if len(steps) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            steps.append(True)

        def write(*arguments: Any, **options: Any) -> object:
            etag = save(*arguments, **options)
            leases.replace = replace_and_count  # type: ignore[assignment,method-assign]
            return etag

        def replace_and_count(*arguments: Any) -> bool:
            step()
            is_replaced = replace(*arguments)
            step()
            return is_replaced

        save, replace = backend.write, leases.replace
        backend.write = write  # type: ignore[method-assign]
        flow.finish(answer, kept)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL


@pytest.mark.parametrize("at", STEPS)
def test_a_reload_lets_the_browser_in(
    site: Site, browser: Browser, zoho: Emulator, patricia: str, at: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Into the one session; with its log-out the login ends, also at Zoho. Before the note, it fails."""
    answer = consent(zoho, browser.start(), patricia)
    killed(site.flow, answer, browser.kept, at)
    if at == 0:
        monkeypatch.setattr("zoho_tokenstore.login._once._WAIT_S", 0.1)
        assert failure_of(lambda: browser.come_back(answer)).kind == "expired"
        browser.log_in(patricia)
    else:
        browser.come_back(answer)
    (login,) = site.stored
    assert browser.user == login
    assert len(site.flow.sessions_of(login.id or "")) == 1
    site.flow.log_out(browser.session)
    assert site.stored == []
    assert zoho.counters().live_refresh_tokens == 0


@pytest.mark.parametrize("at", STEPS)
def test_a_new_login_takes_the_place_of_the_old_one(
    site: Site, browser: Browser, zoho: Emulator, patricia: str, at: int
) -> None:
    """The browser has never heard of its first session, so that ends. Other browsers stay logged in."""
    other = Browser(site)
    other.log_in(patricia)
    killed(site.flow, consent(zoho, browser.start(), patricia), browser.kept, at)
    browser.log_in(patricia)
    assert len(site.flow.sessions_of(site.stored[0].id or "")) == 2
    site.flow.log_out(browser.session)
    assert other.user is not None
    site.flow.log_out(other.session)
    assert site.stored == []
    assert zoho.counters().live_refresh_tokens == 0


def test_a_login_that_has_ended_meanwhile(
    site: Site, browser: Browser, zoho: Emulator, patricia: str
) -> None:
    """A reload does not open a session of it."""
    answer = consent(zoho, browser.start(), patricia)
    killed(site.flow, answer, browser.kept, 1)
    site.flow.end(site.stored[0].id or "")
    assert failure_of(lambda: browser.come_back(answer)).kind == "expired"
    assert browser.user is None


def test_another_browser_with_the_address(
    site: Site, browser: Browser, zoho: Emulator, patricia: str
) -> None:
    """It opens no session of its own, with all but the verifier of what this browser kept."""
    answer = consent(zoho, browser.start(), patricia)
    ((state, (at_ms, _, *rest)),) = browser.kept.items()
    killed(site.flow, answer, browser.kept, 1)
    assert failure_of(lambda: site.flow.finish(answer, {state: [at_ms, "guess", *rest]})).kind == "expired"
    assert browser.come_back(answer).login == browser.user
