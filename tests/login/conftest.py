"""A site on a SQLite store, and people of the local Zoho."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.login.support import AUTH, CALLBACK, MOUNTED, SECURE, Browser, Site
from tests.login.web import SITES, Visit, Web
from zoho_tokenstore.emulator import Emulator


@pytest.fixture(scope="session")
def _running() -> Iterator[Emulator]:
    callbacks = CALLBACK, SECURE, MOUNTED, AUTH
    with Emulator(refresh_limit=None, code_limit=None, redirect_uris=callbacks) as zoho:
        yield zoho


@pytest.fixture
def zoho(_running: Emulator) -> Emulator:
    _running.reset()
    return _running


@pytest.fixture
def site(zoho: Emulator, tmp_path: Path) -> Iterator[Site]:
    with ExitStack() as opened:
        yield Site(zoho, f"sqlite:///{tmp_path}/tokens.db", opened)


@pytest.fixture
def browser(site: Site) -> Browser:
    return Browser(site)


@pytest.fixture(params=sorted(SITES))
def visit(request: pytest.FixtureRequest, zoho: Emulator, tmp_path: Path) -> Iterator[Visit]:
    with ExitStack() as opened:

        def visited(root: str = "", pages: dict[str, Any] | None = None, **options: Any) -> Callable[[], Web]:
            site = Site(zoho, f"sqlite:///{tmp_path}/tokens.db", opened, **options)
            open_ = SITES[request.param](site, root, **(pages or {}))
            return lambda: Web(site, opened.enter_context(open_()))

        yield visited


@pytest.fixture
def another(visit: Visit) -> Callable[[], Web]:
    """Opens one more browser."""
    return visit()


@pytest.fixture
def web(another: Callable[[], Web]) -> Web:
    return another()


@pytest.fixture
def patricia(zoho: Emulator) -> str:
    return zoho.default_users[0].email


@pytest.fixture
def rajesh(zoho: Emulator) -> str:
    return zoho.default_users[1].email
