from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from zoho_tokenstore.emulator import Emulator


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what drives the CRM SDK 5 to 8, and other processes: those see the same stores as ever."""
    not_here = ("test_sdk_", "test_processes_", "test_killed_")
    here = [item for item in items if item.nodeid.startswith("tests/families/") and "::Test" in item.nodeid]
    out = {item for item in here if item.name.startswith(not_here)}
    config.hook.pytest_deselected(items=[*out])
    items[:] = [item for item in items if item not in out]


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
