"""What the tests of the SQL stores share."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final, Protocol

import pytest

from tests.sql import proxy, support
from tests.support import servers
from tests.support.servers import mariadb, postgresql
from zoho_tokenstore.backends.sql import SQLBackend


class Open(Protocol):
    def __call__(self, **options: Any) -> SQLBackend: ...


@pytest.fixture
def url(kind: str, tmp_path: Path) -> str:
    """The URL of an empty database of the kind under test."""
    return support.url(kind, tmp_path)


@pytest.fixture
def open_(url: str) -> Iterator[Open]:
    """Opens the database under test, and closes it after the test."""
    with ExitStack() as stack:

        def open_backend(**options: Any) -> SQLBackend:
            backend = SQLBackend(url, **options)
            stack.callback(backend.close)
            return backend

        yield open_backend


Local = mariadb.Local | postgresql.Local

_OWN: Final[dict[str, Any]] = {support.POSTGRESQL: postgresql, support.MARIADB: mariadb}


@pytest.fixture(scope="session")
def own_servers() -> Iterator[dict[str, Local]]:
    """The servers that were started for `own`, by kind."""
    started: dict[str, Local] = {}
    yield started
    for server in started.values():
        server.stop()


@pytest.fixture(params=support.SERVERS)
def own(request: pytest.FixtureRequest, own_servers: dict[str, Local]) -> Local:
    """A server that the test may stop and cut off; it flushes every commit, as a real one does."""
    kind = request.param
    if kind not in own_servers:
        own_servers[kind] = start_own(kind, durable=True)
    return own_servers[kind]


def start_own(kind: str, **options: Any) -> Local:
    """Start a server that the caller stops; where there is no program for it, skip the test."""
    try:
        found: Local = _OWN[kind].start_local(**options)
    except servers.Unavailable as missing:
        servers.used.setdefault(kind, f"NOT TESTED: {missing}")
        if os.environ.get("CI"):
            pytest.fail(f"In CI every server must be there. {kind}: {missing}")
        pytest.skip(f"no {kind}: {missing}")
    return found


@pytest.fixture
def own_kind(own: Local) -> str:
    """The kind of `own`."""
    return support.POSTGRESQL if isinstance(own, postgresql.Local) else support.MARIADB


@pytest.fixture
def place(own: Local, own_kind: str) -> str:
    """The URL of an empty database of our own server."""
    support.create(own_kind, own.url, "tokens_place")
    return support.place(own_kind, own.url, "tokens_place")


@pytest.fixture
def backend(place: str) -> Iterator[SQLBackend]:
    """A store on our own server, that has little patience."""
    backend = SQLBackend(place, timeout=1, pool_size=3)
    yield backend
    backend.close()


@pytest.fixture
def wire(place: str) -> Iterator[proxy.Proxy]:
    """A wire before our own server."""
    with proxy.before(place) as wire:
        yield wire
