"""What survives a restart: every login, without a request to Zoho's accounts server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.sdk import app
from tests.sdk.portal import Portal
from zoho_tokenstore import SQLiteStore
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


@pytest.fixture
def sqlite_portal(zoho: Emulator, tmp_path: Path) -> Portal:
    return Portal(zoho, tmp_path, lambda: SQLiteStore(tmp_path / "other.db"))


def test_other_processes_find_the_login(sqlite_portal: Portal, tmp_path: Path) -> None:
    """A second process with the spent grant, and a third with the id alone, need no login."""
    portal, database = sqlite_portal, tmp_path / "zohooauth.db"
    grant = portal.grant()
    answers: list[dict[str, Any]] = []
    for token in (grant, grant):
        done = portal.process(database, token=token, create=f"Kumar {len(answers)}")
        assert done.returncode == 0, done.stderr
        answers.append(json.loads(done.stdout))
    token_id = answers[0]["id"]
    done = portal.process(database, token={"id": token_id})
    assert done.returncode == 0, done.stderr
    name = portal.zoho.default_users[0].full_name
    assert json.loads(done.stdout) == {"id": token_id, "leads": {"Kumar 0": name, "Kumar 1": name}}
    assert answers[1]["id"] == token_id
    counters = portal.zoho.counters()
    assert (counters.count("token"), counters.minted) == (1, 1)


def test_two_processes_on_one_database(zoho: Emulator, tmp_path: Path) -> None:
    """A running application sees the token that another process has refreshed, and uses it."""
    database = tmp_path / "zohooauth.db"
    with SQLiteStore(database) as store:
        portal = Portal(zoho, tmp_path, lambda: store)
        token = portal.log_in()
        portal.let_expire(token)
        done = portal.process(database, token={"id": token.get_id()})
        assert done.returncode == 0, done.stderr
        portal.trace.take()
        app.create_lead("Kumar")
        assert "token:refresh_token" not in portal.trace.take()
        assert app.leads() == {"Kumar": zoho.default_users[0].full_name}
    assert zoho.counters().refreshes == 1
