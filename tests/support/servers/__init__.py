"""The servers that tests run on, and the browser.

For each kind there is a module here with `start()`. It returns the server that the environment
variable ``ZOHO_TEST_<KIND>_URL`` names, which must work, or one of its own, started from local
binaries. Where there is neither, the test is skipped and says why; in CI it fails. The end of the
run tells which servers were really used (tests/conftest.py).
"""

from __future__ import annotations

import atexit
import os
from importlib import import_module
from typing import Final, Protocol

import pytest

KINDS: Final = ("postgresql", "mariadb", "redis", "moto", "secretservice", "chromium")


class Server(Protocol):
    """A running server."""

    @property
    def url(self) -> str:
        """Where it is, in the form that the store's URL has (moto: the HTTP endpoint)."""

    @property
    def about(self) -> str:
        """What it is and where it came from, for the end of the run: no password in it."""

    def stop(self) -> None:
        """End it, if it was started here."""


class Unavailable(Exception):  # a state, told to the reader
    """There is no such server here; the text says what is missing."""


used: Final[dict[str, str]] = {}
"""What the tests of this process ran on, or why they did not, by kind."""

_running: Final[dict[str, Server]] = {}


def server(kind: str) -> Server:
    """Return the server of this kind that all tests of this process share, starting it if need be."""
    if kind in _running:
        return _running[kind]
    try:
        found: Server = import_module(f"{__name__}.{kind}").start()
    except Unavailable as missing:
        used[kind] = f"NOT TESTED: {missing}"
        if os.environ.get("CI"):
            pytest.fail(f"In CI every server must be there. {kind}: {missing}")
        pytest.skip(f"no {kind}: {missing}")
    _running[kind] = found
    used[kind] = found.about
    atexit.register(found.stop)
    return found


def given_url(kind: str) -> str | None:
    """Return the URL of a server of this kind that the environment names."""
    return os.environ.get(f"ZOHO_TEST_{kind.upper()}_URL") or None
