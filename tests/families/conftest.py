from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from zoho_tokenstore.emulator import Emulator


@pytest.fixture(scope="session")
def _running_zoho() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def zoho(_running_zoho: Emulator) -> Emulator:
    _running_zoho.reset()
    return _running_zoho


@pytest.fixture(autouse=True)
def _quiet_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    # The SDKs' log calls are malformed, and pytest would raise what logging only prints.
    monkeypatch.setattr(logging, "raiseExceptions", False)
