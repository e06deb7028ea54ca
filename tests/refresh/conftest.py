from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.contract.stores import CASES
from tests.refresh.support import Site
from zoho_tokenstore.emulator import Emulator


def pytest_itemcollected(item: pytest.Item) -> None:
    """Fleets on other stores than SQLite take long: each store's own tests prove its leases, too."""
    callspec = getattr(item, "callspec", None)
    if callspec is not None and callspec.params.get("site", "sqlite") != "sqlite":
        item.add_marker("long")


@pytest.fixture
def zoho() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def site(request: pytest.FixtureRequest, zoho: Emulator, tmp_path: Path) -> Site:
    """A site on SQLite, or on the store that a test is parametrised by: its name in `CASES`."""
    name = getattr(request, "param", "sqlite")
    return Site(zoho, tmp_path, None if name == "sqlite" else CASES[name].url(tmp_path))
