"""Peers on one file or one table, and the values that all of them keep."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import pytest
from sqlalchemy.engine import make_url

from tests.languages import peers
from tests.languages.peers import NODE, PHP, PHP_VARIABLE, TYPESCRIPT, Peer, Program
from tests.sql import support

Login = Callable[..., dict[str, str]]
Start = Callable[[list[str]], Program]

DDL: Final = (
    "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
    "client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), "
    "grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), "
    "api_domain varchar(255), PRIMARY KEY (id))"
)
"""The table as Zoho documents it, for every language."""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The file that all share; nobody has made it yet."""
    return tmp_path / "sdk_tokens.txt"


LANGUAGES: Final = {
    "node": NODE,
    "typescript": TYPESCRIPT,
    **({"php": PHP} if PHP_VARIABLE in os.environ else {}),
}
NODE_ALONE: Final = pytest.mark.parametrize("package", [NODE, TYPESCRIPT], ids=["node", "typescript"])
"""About what the SDKs for Node and TypeScript do, and the one for PHP does not."""


@pytest.fixture(params=LANGUAGES.values(), ids=list(LANGUAGES))
def package(request: pytest.FixtureRequest) -> str:
    """The SDK of the other language."""
    return str(request.param)


@pytest.fixture(scope="session")
def started() -> Iterator[Start]:
    """Starts the program of a command, once for all tests."""
    running: dict[str, Program] = {}

    def program(command: list[str]) -> Program:
        key = " ".join(command)
        if key not in running:
            running[key] = Program(command)
        return running[key]

    yield program
    for one in running.values():
        one.stop()


@pytest.fixture
def program(package: str, started: Start) -> Program:
    """A program with the SDK of the other language."""
    return started(peers.command(package))


@pytest.fixture
def python(path: Path, started: Start) -> Peer:
    """The `FileStore` of Zoho's SDK for Python on the file."""
    return started(peers.PYTHON).at(str(path))


@pytest.fixture
def opened() -> Iterator[Callable[[Any], Peer]]:
    """Makes a peer of a store of ours, which is closed after the test."""
    with ExitStack() as stack:

        def peer_of(store: Any) -> Peer:
            stack.callback(store.close)
            return peers.ours(store)

        yield peer_of


@pytest.fixture
def login() -> Login:
    """Makes a token as it is after a login."""

    def made(user_name: str, mark: str = "1", **more: str) -> dict[str, str]:
        return {
            "user_name": user_name,
            "client_id": "1000.PORTAL",
            "client_secret": "secret",
            "refresh_token": f"1000.refresh.{user_name}",
            "access_token": f"1000.access.{user_name}.{mark}",
            "expires_in": "4102444800000",
            "api_domain": "https://www.zohoapis.eu",
            **more,
        }

    return made


@pytest.fixture
def url(tmp_path: Path) -> str:
    """The URL of a database with the documented table, empty."""
    found = support.url(support.MARIADB, tmp_path)
    support.query(found, DDL)
    return found


@pytest.fixture
def place(url: str) -> dict[str, str]:
    """What `DBStore` is told of the database."""
    parts = make_url(url)
    return {
        "host": str(parts.host),
        "port": str(parts.port or 3306),
        "database": str(parts.database),
        "user": str(parts.username),
        "password": str(parts.password or ""),
    }
