from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.refresh.support import Site
from zoho_tokenstore.emulator import Emulator


@pytest.fixture
def zoho() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def site(zoho: Emulator, tmp_path: Path) -> Site:
    return Site(zoho, tmp_path)
