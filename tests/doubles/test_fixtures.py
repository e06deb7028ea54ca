"""The fixtures for applications, as one uses them: nothing is imported, and three lines are a test."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from zoho_tokenstore import (
    BackendTimeoutError,
    BackendUnavailableError,
    TokenRecord,
    TokenRepository,
    open_tokens,
)
from zoho_tokenstore.records import Row
from zoho_tokenstore.testing.doubles import FakeClock, FlakyBackend, RecordedEvents

SUITE = """
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from zohocrmsdk.src.com.zoho.crm.api import ParameterMap, HeaderMap
from zohocrmsdk.src.com.zoho.crm.api.record import GetRecordsParam, RecordOperations

from zoho_tokenstore import Client
from zoho_tokenstore.login import LoginFlow
from zoho_tokenstore.login.starlette import ZohoLogin


def count():
    parameters = ParameterMap()
    parameters.add(GetRecordsParam.fields, "Last_Name")
    answer = RecordOperations("Leads").get_records(parameters, HeaderMap())
    return 0 if answer.get_status_code() == 204 else len(answer.get_object().get_data())


@pytest.fixture
def client(zoho, token_store):
    client = Client(zoho.default_client.client_id, zoho.default_client.client_secret)
    login = ZohoLogin(LoginFlow(token_store.tokens, client, "http://testserver/callback"))
    app = FastAPI(middleware=[login.session_middleware("0123456789abcdef")], routes=login.routes)

    @app.get("/")
    async def home(request: __import__("starlette.requests").requests.Request):
        user = await login.user(request)
        return None if user is None else [user.user_name, await login.run_as(user, count)]

    return TestClient(app, follow_redirects=False)


def test_portal(client, browser_login):
    client.get(browser_login(client.get("/login").headers["location"]))
    assert client.get("/").json() == ["patricia@zylker.example:20000000001", 0]


def test_refusal(client, browser_login):
    answer = client.get(browser_login(client.get("/login").headers["location"], accepts=False))
    assert answer.status_code == 403
    assert client.get("/").json() is None


def test_a_user(zoho, token_store, logged_in_user):
    with token_store.tokens.acting_as(logged_in_user.id) as login:
        assert login.user_name == logged_in_user.user_name
        assert count() == 0
    assert [entry.user for entry in zoho.journal("records")] == [logged_in_user.email]


def test_as_new(zoho, token_store):
    assert zoho.journal() == []
    assert token_store.get_tokens() == []


def test_a_wrong_address(zoho, browser_login):
    with pytest.raises(ValueError, match="asks nobody there"):
        browser_login(zoho.url + "/oauth/v2/auth?client_id=x")


def test_an_unknown_user(client, browser_login):
    with pytest.raises(ValueError, match="takes no decision of 'nobody@zylker.example': .* not open"):
        browser_login(client.get("/login").headers["location"], "nobody@zylker.example")
"""


def test_an_applications_suite(tmp_path: Path) -> None:
    """Portal, refusal, a user who is logged in, and all as new for each test."""
    (tmp_path / "test_portal.py").write_text(SUITE)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", "."],
        capture_output=True,
        text=True,
        timeout=110,
        cwd=tmp_path,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "6 passed" in done.stdout


def test_a_clock_that_lets_time_pass(tmp_path: Path) -> None:
    """It goes on by itself, and as far as the test wants."""
    clock = FakeClock()
    before = clock()
    clock.pass_(timedelta(hours=2))
    assert 7_200_000 <= clock() - before < 7_260_000
    clock.pass_(timedelta(hours=-3))
    assert clock() < before


def test_events_are_recorded(tmp_path: Path) -> None:
    """In their order, and found by their kind."""
    events = RecordedEvents()
    with open_tokens(f"sqlite:///{tmp_path}/tokens.db", on_event=events) as tokens:
        repository = tokens.lifecycle.renewer.repository
        saved = repository.save(TokenRecord(user_name="ann", access_token="1000.a"))
        repository.delete(saved.id or "")
    assert [event.kind for event in events] == ["created", "logged_in", "deleted"]
    assert [event.token_id for event in events.of("deleted")] == [saved.id]


def test_a_storage_that_fails_when_a_test_wants_it() -> None:
    """So many calls, or a block; then it is as before."""
    flaky = FlakyBackend()
    repository = TokenRepository(flaky)
    saved = repository.save(TokenRecord(user_name="ann", access_token="1000.a"))
    flaky.fail(1, BackendTimeoutError("slow"))
    with pytest.raises(BackendTimeoutError):
        repository.find(TokenRecord(user_name="ann"))
    with flaky.down(), pytest.raises(BackendUnavailableError):
        repository.find(TokenRecord(user_name="ann"))
    found = repository.find(TokenRecord(user_name="ann"))
    assert found is not None
    assert found.id == saved.id
    repository.close()


@pytest.mark.parametrize(
    "call",
    [
        lambda flaky: flaky.load("1"),
        lambda flaky: flaky.find("user_name", "ann"),
        lambda flaky: flaky.scan(),
        lambda flaky: flaky.write(Row("1"), expect=None),
        lambda flaky: flaky.remove("1"),
        lambda flaky: flaky.clear(),
    ],
)
def test_every_call_counts_as_one_failure(call: Callable[[FlakyBackend], object]) -> None:
    """Whatever is asked of the storage, it fails as often as the test wants, and no further."""
    flaky = FlakyBackend()
    flaky.fail(1)
    with pytest.raises(BackendUnavailableError):
        call(flaky)
    call(flaky)
