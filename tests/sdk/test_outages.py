"""A storage that is really gone when a login is to be saved, on every store that outlives the process."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, quote, urlencode, urlsplit

import pytest

from tests.contract.stores import SHARED
from tests.sdk import app
from tests.sdk.portal import Portal, of_kind
from tests.support import Fault, os_faults, wait_until
from tests.support.relay import Relay
from zoho_tokenstore import (
    BackendError,
    BackendTimeoutError,
    BackendUnavailableError,
    Event,
    RepositoryStore,
    TokenRecord,
    open_store,
)
from zoho_tokenstore.emulator import Emulator

Outage = Callable[[], AbstractContextManager[None]]


@contextmanager
def _locked(database: Path) -> Iterator[None]:
    with closing(sqlite3.connect(database, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield


@contextmanager
def _full(folder: Path) -> Iterator[None]:
    with os_faults(folder) as faults:
        faults.arm(fault=Fault.ENOSPC, once=False)
        yield


def _with_option(url: str, name: str, value: str) -> str:
    parts = urlsplit(url)
    options = [*((key, text) for key, text in parse_qsl(parts.query) if key != name), (name, value)]
    return parts._replace(query=urlencode(options, quote_via=quote)).geturl()


@contextmanager
def breakable(name: str, folder: Path) -> Iterator[tuple[str, Outage]]:
    """Yield the URL of a store, and how its storage is taken away for a while."""
    url = SHARED[name].url(folder)
    if name in ("sqlite", "sql"):
        yield f"{url}?timeout=0.1", lambda: _locked(folder / "tokens.db")
    elif name == "csv":
        yield url, lambda: _full(folder)
    else:
        with Relay(url) as relay:
            yield _with_option(relay.url, "timeout", "2"), relay.cut


@contextmanager
def gone_at_the_save(store: RepositoryStore, outage: Outage) -> Iterator[None]:
    """Take the storage away in the moment of the next save, when Zoho has answered."""
    with ExitStack() as stack, pytest.MonkeyPatch.context() as patch:
        save = store.repository.save

        def save_in_vain(record: TokenRecord, **options: Any) -> TokenRecord:
            patch.undo()
            stack.enter_context(outage())
            return save(record, **options)

        patch.setattr(store.repository, "save", save_in_vain)
        yield


@pytest.mark.parametrize("name", SHARED)
def test_outage_at_the_save(zoho: Emulator, tmp_path: Path, events: list[Event], name: str) -> None:
    """A login whose save finds the storage gone is told, kept, and stored as soon as it is back."""
    with breakable(name, tmp_path) as (url, outage), open_store(url, on_event=events.append) as store:
        portal = Portal(zoho, tmp_path, lambda: store)
        grant = portal.grant()
        with gone_at_the_save(store, outage):
            portal.start(app.token_of(**grant))
        (failed,) = of_kind(events, "save_failed")
        assert isinstance(failed.error, (BackendUnavailableError, BackendTimeoutError)), failed.error
        assert portal.records == []
        portal.restart()
        token = portal.start(app.token_of(**grant))
        wait_until(lambda: portal.records != [])
        app.create_lead("Kumar")
        assert app.leads() == {"Kumar": zoho.default_users[0].full_name}
    with SHARED[name].make_store(tmp_path) as store:
        assert store.find_token_by_id(token.get_id()).get_access_token() == token.get_access_token()
    assert zoho.counters().minted == 1


@pytest.mark.parametrize("name", [name for name in SHARED if name not in ("csv", "sqlite", "sql")])
def test_outage_at_the_look_up(zoho: Emulator, tmp_path: Path, name: str) -> None:
    """A server that is gone at the start is an error of ours: no grant code is spent on it."""
    with breakable(name, tmp_path) as (url, outage), open_store(url) as store:
        portal = Portal(zoho, tmp_path, lambda: store)
        grant = portal.grant()
        with outage(), pytest.raises(BackendError) as caught:
            portal.start(app.token_of(**grant))
        assert isinstance(caught.value, (BackendUnavailableError, BackendTimeoutError))
        portal.restart()
        portal.start(app.token_of(**grant))
    assert zoho.counters().minted == 1
