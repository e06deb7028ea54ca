from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.auth.support import CLIENTS, Call, Site, log_in
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.registry import open_tokens


@pytest.fixture
def zoho() -> Iterator[Emulator]:
    with Emulator() as running:
        yield running


@pytest.fixture
def site(zoho: Emulator, tmp_path: Path) -> Iterator[Site]:
    url = f"sqlite:///{tmp_path}/tokens.db"
    with open_tokens(url, accounts_url=zoho.accounts_url) as tokens:
        yield Site(zoho, tokens, url, log_in(zoho, tokens))


@pytest.fixture(params=CLIENTS)
def call(request: pytest.FixtureRequest) -> Call:
    """Each of the clients in turn."""
    return CLIENTS[request.param]
