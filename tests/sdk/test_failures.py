"""A storage that fails: what the application sees in each generation of the SDK, and what we tell."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zohocrmsdk.src.com.zoho.api.authenticator.token import Token

from tests.sdk import app
from tests.sdk.generation import SDK
from tests.sdk.portal import Portal, of_kind
from tests.sdk.stores import CASES
from zoho_tokenstore import (
    BackendTimeoutError,
    BackendUnavailableError,
    Event,
    InvalidTokenError,
    ListStore,
    RepositoryStore,
    TokenRepository,
)
from zoho_tokenstore.emulator import Emulator


class Flaky:
    """A backend of which some methods fail on demand."""

    def __init__(self, backend: Any) -> None:
        self._backend = backend
        self.broken: set[str] = set()

    __class__: Any = property(lambda self: type(self._backend))  # what that one declares counts

    def __getattr__(self, name: str) -> Any:
        if name in self.broken:
            raise BackendUnavailableError("The storage is not there.")
        return getattr(self._backend, name)


@pytest.fixture(params=CASES)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Flaky]:
    flaky = Flaky(CASES[request.param].make_backend(tmp_path))
    yield flaky
    flaky.close()


@pytest.fixture
def flaky_portal(zoho: Emulator, tmp_path: Path, backend: Any, events: list[Event]) -> Portal:
    """An application of which nothing outlives a restart but what is in the backend."""

    def open_store() -> RepositoryStore:
        repository = TokenRepository(backend, on_event=events.append)
        return RepositoryStore(repository, refresh=None)

    return Portal(zoho, tmp_path, open_store)


def _start_with_failing_save(portal: Portal, token: Any) -> None:
    """Start; SDK 5 hands our error on, which is an SDKException, too; the others do not notice."""
    if SDK.swallows_failed_saves:
        portal.start(token)
        return
    with pytest.raises(app.SDKException) as caught:
        portal.start(token)
    assert isinstance(caught.value, BackendUnavailableError)


def test_failed_save(flaky_portal: Portal, backend: Flaky) -> None:
    """SDK 5 hands a failed save on as an SDKException; later ones go on with the token in memory."""
    backend.broken = {"write"}
    token = app.token_of(**flaky_portal.grant())
    _start_with_failing_save(flaky_portal, token)
    assert flaky_portal.records == []
    assert token.get_id() is None
    if SDK.swallows_failed_saves:
        app.create_lead("Kumar")
        assert app.leads() == {"Kumar": flaky_portal.zoho.default_users[0].full_name}


def test_failed_save_spends_the_grant(flaky_portal: Portal, backend: Flaky) -> None:
    """After a failed save the grant code is spent: the next start has to log in again."""
    backend.broken = {"write"}
    grant = flaky_portal.grant()
    _start_with_failing_save(flaky_portal, app.token_of(**grant))
    backend.broken = set()
    flaky_portal.restart()
    with pytest.raises(app.SDKException) as caught:
        flaky_portal.start(app.token_of(**grant))
    assert caught.value.code == "INVALID TOKEN ERROR"


def test_failed_save_can_be_made_good(flaky_portal: Portal, backend: Flaky) -> None:
    """The token object still has everything: saved again, nothing is lost."""
    backend.broken = {"write"}
    grant = flaky_portal.grant()
    token = app.token_of(**grant)
    _start_with_failing_save(flaky_portal, token)
    backend.broken = set()
    flaky_portal.store.save_token(token)
    flaky_portal.restart()
    flaky_portal.start(app.token_of(**grant))
    assert flaky_portal.trace.take() == ["find_token"]


def test_failed_save_is_kept(zoho: Emulator, tmp_path: Path, backend: Any) -> None:
    """By default the process keeps what it could not save: the spent grant still starts it."""
    store = RepositoryStore(TokenRepository(backend))
    portal = Portal(zoho, tmp_path, lambda: store)
    backend.broken = {"write"}
    grant = portal.grant()
    portal.start(app.token_of(**grant))
    assert portal.records == []
    backend.broken = set()
    portal.restart()
    portal.start(app.token_of(**grant))
    assert portal.trace.take()[0] == "find_token"
    assert zoho.counters().minted == 1
    app.create_lead("Kumar")
    assert app.leads() == {"Kumar": zoho.default_users[0].full_name}


def test_failed_save_is_told(
    flaky_portal: Portal,
    backend: Flaky,
    events: list[Event],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Whatever the SDK does with it, a failed save is an event and a line in the log."""
    backend.broken = {"write"}
    _start_with_failing_save(flaky_portal, app.token_of(**flaky_portal.grant()))
    (failed,) = of_kind(events, "save_failed")
    assert isinstance(failed.error, BackendUnavailableError)
    assert failed.client_id == flaky_portal.zoho.default_client.client_id
    assert failed.user_name == (flaky_portal.zoho.default_users[0].user_name if SDK.looks_users_up else None)
    told = [one for one in caplog.records if one.name == "zoho_tokenstore"]
    (line,) = [one for one in told if one.levelno == logging.ERROR]
    assert line.getMessage().endswith("The storage is not there.")


def test_failed_save_of_an_access_token(flaky_portal: Portal, backend: Flaky) -> None:
    """Where SDK 5 has asked Zoho for nothing, it hands our own error on."""
    backend.broken = {"write"}
    token = app.token_of(access_token=flaky_portal.access_token())
    if SDK.swallows_failed_saves:
        flaky_portal.start(token)
    else:
        with pytest.raises(BackendUnavailableError):
            flaky_portal.start(token)
    assert flaky_portal.records == []


def test_failed_save_of_a_refresh(flaky_portal: Portal, backend: Flaky) -> None:
    """A refresh that cannot be saved leaves the stored token as it was, refresh token included."""
    token = flaky_portal.log_in()
    flaky_portal.let_expire(token)
    before = flaky_portal.record(token)
    backend.broken = {"write"}
    if SDK.swallows_failed_saves:
        app.create_lead("Kumar")
    else:
        with pytest.raises(app.SDKException):
            app.create_lead("Kumar")
    assert flaky_portal.record(token) == before
    backend.broken = set()
    flaky_portal.restart()
    flaky_portal.start(app.token_of(id=token.get_id()))
    app.create_lead("Peters")
    assert flaky_portal.record(token).access_token != before.access_token


def test_failed_look_up_at_the_start(flaky_portal: Portal, backend: Flaky) -> None:
    """A storage that cannot be read stops the start with our error; no grant code is spent on it."""
    backend.broken = {"find", "load"}
    with pytest.raises(BackendUnavailableError):
        flaky_portal.start(app.token_of(**flaky_portal.grant()))
    assert flaky_portal.trace.take() == ["find_token"]


def test_failed_look_up_in_a_call(flaky_portal: Portal, backend: Flaky) -> None:
    """In an API call the SDK hands our error on, which is its own, too; the next call may succeed."""
    flaky_portal.log_in()
    backend.broken = {"find", "load"}
    with pytest.raises(app.SDKException) as caught:
        app.create_lead("Kumar")
    assert isinstance(caught.value, BackendUnavailableError)
    backend.broken = set()
    app.create_lead("Peters")
    assert set(app.leads()) == {"Peters"}


def test_locked_database(zoho: Emulator, tmp_path: Path, events: list[Event]) -> None:
    """A database that others keep locked is a failed save, after the time allowed; the login goes on."""
    with app.locked_out_store(tmp_path / "zohooauth.db", on_event=events.append) as store:
        portal = Portal(zoho, tmp_path, lambda: store)
        portal.log_in()
        assert [type(one.error) for one in of_kind(events, "save_failed")] == [BackendTimeoutError]
        assert store.get_tokens() == []


@pytest.mark.parametrize("refresh", [True, False], ids=["by the store", "by the SDK"])
def test_failed_save_shows_no_secret(zoho: Emulator, tmp_path: Path, refresh: bool) -> None:
    """Nothing that a process prints of a failed save, the SDK's broken log calls included, is a secret."""
    portal = Portal(zoho, tmp_path, ListStore)
    grant = portal.grant()
    done = portal.process(token=grant, locked=str(tmp_path / "zohooauth.db"), refresh=refresh)
    assert (done.returncode == 0) is (refresh or SDK.swallows_failed_saves), done.stderr
    assert "A token could not be saved in" in done.stderr
    for secret in (grant["grant_token"], grant["client_secret"], "1000."):
        assert secret not in done.stdout + done.stderr


class _LookAlike:
    """Has the methods of a token, and is none."""

    def __getattr__(self, name: str) -> Any:
        return lambda: "text"


class _OtherToken(Token):  # type: ignore[misc]  # the SDK has no types
    def authenticate(self, url_connection: Any) -> None:
        """Do nothing."""

    def remove(self) -> bool:
        """Do nothing."""
        return False

    def generate_token(self) -> None:
        """Do nothing."""


@pytest.mark.parametrize("method", ["find_token", "save_token"])
@pytest.mark.parametrize(
    "not_a_token",
    [None, "1000.text", {"id": "1"}, _LookAlike(), _OtherToken()],
    ids=lambda it: type(it).__name__,
)
def test_what_is_no_token_is_refused(portal: Portal, method: str, not_a_token: Any) -> None:
    """Only tokens of the installed SDK are looked up and saved; anything else is an error."""
    with pytest.raises(InvalidTokenError, match=type(not_a_token).__name__):
        getattr(portal.store, method)(not_a_token)
    assert portal.records == []


def test_subclass_of_the_sdk_token(portal: Portal) -> None:
    """An application may derive its own class from the SDK's token."""

    class PortalToken(app.OAuthToken):  # type: ignore[misc]  # the SDK has no types
        """A token with something of the application's own."""

    token = portal.start(PortalToken(**portal.grant()))
    app.create_lead("Kumar")
    assert portal.record(token).access_token == token.get_access_token()
