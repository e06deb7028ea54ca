"""A job that is killed at any step is finished by the next run, and no report has told too much.

A child process does the job and kills itself, as `kill -9` would, before or after one of its calls: of
the storage, or of Zoho. That is repeated for every call, until a child gets to the end.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from datetime import timedelta
from typing import Any, Final

import pytest

from tests.lifecycle.support import Site
from zoho_tokenstore import SessionPolicy, TokenRecord, Tokens
from zoho_tokenstore.lifecycle import LoginFilter, clean_up, revoke
from zoho_tokenstore.renewal._accounts import Accounts

DAY: Final = 86_400.0
EVERYTHING: Final = LoginFilter(everything=True)
POLICY: Final = SessionPolicy(idle=timedelta(days=1), revoke=True)


class Killer:
    """Counts calls, and kills this process before or after the n-th of them."""

    def __init__(self, at: int) -> None:
        self._left = at

    def wrap(self, owner: Any, name: str) -> None:
        call = getattr(owner, name)

        def counted(*arguments: Any, **options: Any) -> Any:
            self._step()
            result = call(*arguments, **options)
            self._step()
            return result

        setattr(owner, name, counted)

    def _step(self) -> None:
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        self._left -= 1


def in_a_child(site: Site, job: Callable[[Tokens], object], at: int) -> bool:
    """Do a job in a process that dies at a step; return whether it got to the end."""

    def run() -> None:
        tokens = site.open(sessions=POLICY)
        killer, repository = Killer(at), tokens.lifecycle.renewer.repository
        for name in ("write", "remove"):
            killer.wrap(repository._backend, name)
        killer.wrap(repository.leases, "replace")
        killer.wrap(Accounts, "revoke")
        job(tokens)
        os._exit(0)

    process = multiprocessing.get_context("fork").Process(target=run)
    process.start()
    process.join(60)
    assert process.exitcode in (0, -signal.SIGKILL)
    return process.exitcode == 0


def killed_everywhere(
    site: Site, prepare: Callable[[], list[TokenRecord]], job: Callable[[Tokens], object]
) -> int:
    """Kill a job at each of its steps, and check what the next run leaves; return how many steps it has."""
    at = 0
    while True:
        site.zoho.reset()
        logins = prepare()
        has_ended = in_a_child(site, job, at)
        tokens = site.open(sessions=POLICY)
        stored = site.stored(tokens)
        for login in logins:  # what is gone here is dead at Zoho, or somebody still owes it
            debts = {
                tokens.lifecycle.renewer.repository.remembered.open(entry)
                for entry in tokens.lifecycle.ending.debts()
            }
            is_owed = login.refresh_token in {debt.refresh_token for debt in debts}
            assert login.id in stored or not site.is_alive(login) or is_owed
        job(tokens)
        assert site.stored(tokens) == {}
        assert list(tokens.lifecycle.ending.debts()) == []
        assert not any(map(site.is_alive, logins))
        tokens.lifecycle.renewer.repository.clear()
        if has_ended:
            return at
        at += 1


@pytest.fixture
def two_logins(site: Site) -> Callable[[], list[TokenRecord]]:
    """Two users; one has logged in twice, and Zoho keeps both alive."""

    def prepare() -> list[TokenRecord]:
        site.forget_users()
        tokens = site.open(sessions=POLICY)
        logins = [site.log_in(tokens, "one"), site.log_in(tokens, "one"), site.log_in(tokens, "other")]
        tokens.close()
        return logins

    return prepare


def test_a_central_revocation(site: Site, two_logins: Callable[[], list[TokenRecord]]) -> None:
    """At Zoho first, then here."""
    steps = killed_everywhere(site, two_logins, lambda tokens: revoke(tokens, EVERYTHING, workers=1))
    assert steps >= 2 * (3 + 2 + 1)  # three tokens at Zoho, two rows, one remembered token


@pytest.mark.long
def test_a_clean_up_that_revokes(site: Site, two_logins: Callable[[], list[TokenRecord]]) -> None:
    """The debt first, then the row, then Zoho."""

    def prepare() -> list[TokenRecord]:
        logins = two_logins()
        site.clock.pass_(DAY)
        return logins

    steps = killed_everywhere(site, prepare, clean_up)
    assert steps >= 2 * (3 + 2 + 3 + 3)  # three debts noted, two rows, three tokens at Zoho, three debts paid


@pytest.mark.long
def test_the_payment_of_what_is_owed(site: Site, two_logins: Callable[[], list[TokenRecord]]) -> None:
    """After log-outs during an outage."""

    def prepare() -> list[TokenRecord]:
        logins = two_logins()
        tokens = site.open(sessions=POLICY)
        site.zoho.fault("revoke", "status", status=503)
        for login in logins[1:]:
            tokens.log_out(login.id or "")
        site.zoho.clear_faults()
        tokens.close()
        return logins

    steps = killed_everywhere(site, prepare, clean_up)
    assert steps >= 2 * (3 + 3)


@pytest.mark.long
def test_a_log_out_during_an_outage(site: Site, two_logins: Callable[[], list[TokenRecord]]) -> None:
    """Whenever it dies: the login is still here, or its revocation is owed."""

    def prepare() -> list[TokenRecord]:
        logins = two_logins()
        site.zoho.fault("revoke", "status", status=503, times=2)
        return logins

    def job(tokens: Tokens) -> None:
        for token_id in list(site.stored(tokens)):
            tokens.log_out(token_id)
        clean_up(tokens)

    steps = killed_everywhere(site, prepare, job)
    assert steps >= 2 * (3 + 3 + 2)
