from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.sdk.app import check_loopback
from tests.sdk.portal import Portal, forget_sdk_state
from tests.sdk.stores import CASES
from tests.support.sample import words_of
from zoho_tokenstore import Event
from zoho_tokenstore.emulator import Client, Emulator
from zoho_tokenstore.sdk import RepositoryStore


def pytest_itemcollected(item: pytest.Item) -> None:
    """The contract takes the SDK's tokens through every store; in a quick run the SDK itself uses one."""
    if {*words_of(item)} - {"sqlite"}:
        item.add_marker("long")


@pytest.fixture(scope="session")
def _running_zoho() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def zoho(_running_zoho: Emulator) -> Emulator:
    _running_zoho.reset()
    return _running_zoho


@pytest.fixture
def second_client(zoho: Emulator) -> Client:
    return zoho.add_client("1000.SECOND", "second-secret")


@pytest.fixture(autouse=True)
def _clean_sdk(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let every test begin and end with an SDK that has just been imported."""
    # The SDK's log calls are malformed, and pytest would raise what logging only prints.
    monkeypatch.setattr(logging, "raiseExceptions", False)
    forget_sdk_state()
    yield
    forget_sdk_state()


@pytest.fixture(autouse=True)
def _loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    connect = socket.socket.connect

    def checked(self: socket.socket, address: Any) -> None:
        check_loopback(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", checked)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=CASES)
def open_store(
    request: pytest.FixtureRequest, tmp_path: Path, events: list[Event]
) -> Iterator[Callable[[], RepositoryStore]]:
    """Return how a store is opened; after a restart it is opened anew, or lives on in this process."""
    case = CASES[request.param]
    opened: list[RepositoryStore] = []

    def open_again() -> RepositoryStore:
        if not opened:
            opened.append(case.make_store(tmp_path, on_event=events.append))
        elif case.is_shared:
            opened[-1].close()
            opened.append(case.reopen_store(opened[-1], tmp_path, on_event=events.append))
        return opened[-1]

    yield open_again
    for one in opened:
        one.close()


@pytest.fixture
def portal(zoho: Emulator, tmp_path: Path, open_store: Callable[[], RepositoryStore]) -> Portal:
    """The application on each of the stores in turn."""
    return Portal(zoho, tmp_path, open_store)
