"""What survives a restart: every login, without a request to Zoho's accounts server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.contract.stores import SHARED, Case
from tests.sdk import app
from tests.sdk.portal import Portal
from zoho_tokenstore import ListStore
from zoho_tokenstore.emulator import Emulator


def test_restart_with_a_spent_grant(portal: Portal) -> None:
    """The grant code in the configuration file is spent, and still starts the application."""
    grant = portal.grant()
    first = portal.start(app.token_of(**grant))
    portal.restart()
    token = portal.start(app.token_of(**grant))
    assert portal.trace.take() == ["find_token"]
    assert (token.get_id(), token.get_access_token()) == (first.get_id(), first.get_access_token())
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": portal.zoho.default_users[0].full_name}


def test_restart_with_the_same_refresh_token(portal: Portal) -> None:
    """A second start with the same refresh token shares the access token of the first."""
    start = portal.refresh()
    first = portal.start(app.token_of(**start))
    portal.restart()
    token = portal.start(app.token_of(**start))
    assert portal.trace.take() == ["find_token"]
    assert token.get_access_token() == first.get_access_token()
    assert portal.zoho.counters().refreshes == 1


def test_many_restarts_leave_one_row(portal: Portal) -> None:
    """However often one user starts, by whatever key, there is one row."""
    grant = portal.grant()
    first = portal.start(app.token_of(portal.zoho.default_users[0].user_name, **grant))
    starts: list[dict[str, str]] = [
        grant,
        {"id": first.get_id()},
        {"user_name": portal.zoho.default_users[0].user_name},
        {"refresh_token": first.get_refresh_token(), **portal.credentials()},
        {"access_token": first.get_access_token()},
    ]
    for start in starts:
        portal.restart()
        assert portal.start(app.token_of(**start)).get_id() == first.get_id()
    assert len(portal.records) == 1
    assert portal.zoho.counters().minted == 1


def _answer(portal: Portal, **task: Any) -> dict[str, Any]:
    done = portal.process(**task)
    assert done.returncode == 0, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@pytest.mark.long
def test_other_processes_find_the_login(zoho: Emulator, tmp_path: Path) -> None:
    """A second process with the spent grant, and a third with the id alone, need no login."""
    portal, url = Portal(zoho, tmp_path, ListStore), f"sqlite:///{tmp_path}/tokens.db"
    grant = portal.grant()
    first, second = (_answer(portal, url=url, token=grant, create=f"Kumar {number}") for number in range(2))
    name = zoho.default_users[0].full_name
    third = _answer(portal, url=url, token={"id": first["id"]})
    assert third == {"id": first["id"], "leads": {"Kumar 0": name, "Kumar 1": name}}
    assert second["id"] == first["id"]
    counters = zoho.counters()
    assert (counters.count("token"), counters.minted) == (1, 1)


@pytest.mark.long
@pytest.mark.parametrize(
    "case",
    [pytest.param(SHARED[name], id=name) for name in SHARED if name in ("sqlite", "postgresql")],
)
def test_two_processes_on_one_store(zoho: Emulator, tmp_path: Path, case: Case) -> None:
    """A running application sees the token that another process has refreshed, and uses it."""
    with case.make_store(tmp_path) as store:
        portal = Portal(zoho, tmp_path, lambda: store)
        token = portal.log_in()
        portal.let_expire(token)
        _answer(portal, url=case.url(tmp_path), token={"id": token.get_id()})
        portal.trace.take()
        app.create_lead("Kumar")
        assert "token:refresh_token" not in portal.trace.take()
        assert app.leads() == {"Kumar": zoho.default_users[0].full_name}
    assert zoho.counters().refreshes == 1
