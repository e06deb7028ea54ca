"""Logins that end, before a local Zoho, by a clock that passes when told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.lifecycle.support import Site
from zoho_tokenstore.emulator import Emulator


@pytest.fixture
def site(zoho: Emulator, tmp_path: Path) -> Iterator[Site]:
    """A store in a SQLite file."""
    with ExitStack() as opened:
        yield Site(zoho, f"sqlite:///{tmp_path}/tokens.db", opened)
