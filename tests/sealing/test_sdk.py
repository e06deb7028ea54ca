"""Zoho's unmodified SDK on sealed stores: a whole life, and what it shows while keys are missing."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk import app
from tests.sdk.conftest import _clean_sdk, _loopback_only, _running_zoho, zoho
from tests.sdk.portal import Portal, of_kind
from tests.sealing.support import (
    FOREIGN,
    KINDS,
    NEW,
    OLD,
    box_of,
    bytes_of,
    change,
    make_backend,
    rows,
    stored,
)
from zoho_tokenstore import Event, Keyset, RepositoryStore, SealingError, TokenRecord, TokenRepository
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.sealing import SealingKey, count_by_key, reseal

__all__ = ["_clean_sdk", "_loopback_only", "_running_zoho", "zoho"]

pytestmark = pytest.mark.usefixtures("no_keys")

Open = Callable[..., Portal]


@pytest.fixture(params=[kind for kind in ("list", "sqlite") if kind in KINDS])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    backend = make_backend(request.param, tmp_path)
    yield backend
    backend.close()


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def open_portal(zoho: Emulator, tmp_path: Path, backend: Backend, events: list[Event]) -> Open:
    """Opens the application on the one backend, with these keys or none, as a new process would."""

    def open_(*keys: SealingKey) -> Portal:
        repository = TokenRepository(backend, keys=Keyset(keys) if keys else None, on_event=events.append)
        portal = Portal(zoho, tmp_path, lambda: RepositoryStore(repository))
        portal.restart()
        return portal

    return open_


def test_a_login_lives_on_a_sealed_store(open_portal: Open, backend: Backend, tmp_path: Path) -> None:
    """Log in, call, refresh, restart by every key, log out; no token is in a stored byte."""
    portal = open_portal(OLD)
    grant = portal.grant()
    token = portal.start(app.token_of(**grant))
    app.create_lead("Kumar")
    portal.let_expire(token)
    app.create_lead("Peters")
    record = portal.record(token)
    starts: list[dict[str, Any]] = [grant, {"id": record.id}, {"access_token": record.access_token}]
    starts.append({"refresh_token": record.refresh_token, **portal.credentials()})
    for start in starts:
        portal = open_portal(OLD)
        assert portal.start(app.token_of(**start)).get_id() == record.id
        assert portal.trace.take() in (["find_token"], ["find_token_by_id"])
        assert set(app.leads()) == {"Kumar", "Peters"}
    image = bytes_of(backend, tmp_path)
    texts = [grant["grant_token"], grant["client_secret"], record.access_token, record.refresh_token]
    assert [text for text in texts if text is None or text.encode() in image] == []
    portal.store.delete_token(record.id or "")
    assert portal.records == []


def test_keys_are_rotated_under_a_running_application(open_portal: Open, backend: Backend) -> None:
    """A new key before the old one, everything sealed anew, the old key away: no login, no lost refresh."""
    token = open_portal(OLD).log_in()
    for keys in ((NEW, OLD), (NEW,)):
        portal = open_portal(*keys)
        portal.start(app.token_of(id=token.get_id()))
        app.create_lead("Kumar")
        portal.let_expire(token)
        app.create_lead("Peters")
        assert reseal(backend, Keyset(keys)).refused == set()
    assert portal.zoho.counters().minted == 3  # the login, and a refresh with each ring


WRONG: dict[str, tuple[SealingKey, ...]] = {
    "no key": (),
    "another key": (FOREIGN,),
    "a newer key alone": (NEW,),
}


@pytest.mark.parametrize("keys", WRONG.values(), ids=WRONG)
def test_a_start_without_the_keys_shows_our_error(
    open_portal: Open, backend: Backend, keys: tuple[SealingKey, ...]
) -> None:
    """`initialize` raises it as it is, by whatever the token is looked up; Zoho is not asked."""
    portal = open_portal(OLD)
    grant = portal.grant()
    record = portal.record(portal.start(app.token_of(portal.zoho.default_users[0].user_name, **grant)))
    before = rows(backend)
    starts: list[dict[str, Any]] = [
        grant,
        {"id": record.id},
        {"user_name": record.user_name},
        {"access_token": record.access_token},
        {"refresh_token": record.refresh_token, **portal.credentials()},
    ]
    for start in starts:
        portal = open_portal(*keys)
        with pytest.raises(SealingError, match=f"The secrets of row '{record.id}' do not open"):
            portal.start(app.token_of(**start))
        assert portal.trace.take() in (["find_token"], ["find_token_by_id"])
    assert rows(backend) == before


@pytest.mark.parametrize("keys", WRONG.values(), ids=WRONG)
def test_a_new_login_without_the_keys_spends_no_code(
    open_portal: Open, backend: Backend, keys: tuple[SealingKey, ...]
) -> None:
    """It is refused before the exchange: with the right keys the same code logs in."""
    portal = open_portal(OLD)
    portal.log_in()
    before = rows(backend)
    grant = portal.grant(portal.zoho.default_users[1])
    portal = open_portal(*keys)
    with pytest.raises(SealingError):
        portal.start(app.token_of(**grant))
    assert portal.trace.take() == ["find_token"]
    assert rows(backend) == before
    portal = open_portal(OLD)
    portal.start(app.token_of(**grant))
    assert len(portal.records) == 2


def test_a_named_login_without_the_keys_spends_no_code(open_portal: Open) -> None:
    """Also where the application gives the user's name with the code."""
    portal = open_portal(OLD)
    portal.log_in()
    user = portal.zoho.default_users[1]
    grant = portal.grant(user)
    portal = open_portal(FOREIGN)
    with pytest.raises(SealingError):
        portal.start(app.token_of(user.user_name, **grant))
    assert portal.trace.take() == ["find_token"]


def test_a_call_on_a_row_that_was_changed(open_portal: Open, backend: Backend) -> None:
    """In an API call the SDK wraps our error; once the row is as it was sealed, calls go on."""
    portal = open_portal(OLD)
    token = portal.log_in()
    good = box_of(stored(backend, token.get_id()))
    change(backend, token.get_id(), client_secret=good[:-8] + "AAAAAAAA")
    with pytest.raises(app.SDKException) as caught:
        app.create_lead("Kumar")
    refused = caught.value.cause or caught.value  # ours is one of the SDK's, which it need not wrap
    assert isinstance(refused, SealingError)
    assert "zoho-tokens keys status --verify" in str(refused)
    change(backend, token.get_id(), client_secret=good)
    app.create_lead("Peters")
    assert set(app.leads()) == {"Peters"}


def test_a_refused_save_is_kept_until_the_keys_are_back(
    zoho: Emulator, tmp_path: Path, backend: Backend, events: list[Event], caplog: pytest.LogCaptureFixture
) -> None:
    """A row that gets an unknown key between look-up and save: the new token is kept, and saved late."""
    ring = Keyset([OLD])
    store = RepositoryStore(TokenRepository(backend, keys=ring, on_event=events.append))
    portal = Portal(zoho, tmp_path, lambda: store)
    token = portal.log_in()
    portal.let_expire(token)
    save, given = store.repository.save, []

    def save_without_the_key(record: TokenRecord, **options: Any) -> TokenRecord:
        reseal(backend, Keyset([NEW, OLD]))
        given.append(record.access_token)
        return save(record, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store.repository, "save", save_without_the_key)
        app.create_lead("Kumar")
    failed = of_kind(events, "save_failed")
    assert {type(event.error) for event in failed} == {SealingError}
    told = [record.levelno for record in caplog.records if record.name == "zoho_tokenstore"]
    assert told.count(logging.ERROR) == len(failed)
    assert count_by_key(backend).by_key == {NEW.id: 1}
    app.create_lead("Peters")  # the token is known here
    ring.current = Keyset([NEW, OLD]).current
    assert store._renewer is not None
    store._renewer.close()  # as the end of the process does
    assert len(of_kind(events, "saved_late")) == 1
    stored_token = TokenRepository(backend, keys=[NEW]).get(token.get_id())
    assert stored_token is not None
    assert {stored_token.access_token} == set(given)
    assert zoho.counters().minted == 2
