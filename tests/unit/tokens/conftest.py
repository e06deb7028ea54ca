"""The logins of a store, before a local Zoho."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from zoho_tokenstore import Client, Event
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.registry import open_tokens
from zoho_tokenstore.tokens import Tokens


@pytest.fixture(scope="module")
def _running_zoho() -> Iterator[Emulator]:
    with Emulator(device_interval=timedelta(seconds=1)) as running:
        yield running


@pytest.fixture
def zoho(_running_zoho: Emulator) -> Emulator:
    _running_zoho.reset()
    return _running_zoho


@pytest.fixture
def client(zoho: Emulator) -> Client:
    return Client(zoho.default_client.client_id, zoho.default_client.client_secret)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def tokens(zoho: Emulator, tmp_path: Path, events: list[Event]) -> Iterator[Tokens]:
    url = f"sqlite:///{tmp_path}/tokens.db"
    with open_tokens(url, accounts_url=zoho.accounts_url, on_event=events.append) as opened:
        yield opened
