"""Programs of other languages that call a token store of Zoho's, and our own stores in the same form.

A peer is called with a place and with calls, each a method of the stores and its argument, and
answers with what the calls returned: tokens as their ten fields, an error as its name.
"""

from __future__ import annotations

import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.csv import published
from tests.support import servers

Call = tuple[str, Any] | tuple[str]
Place = str | dict[str, str]
Peer = Callable[..., list[Any]]

ROOT: Final = Path(__file__).resolve().parents[2]
PACKAGES: Final = ROOT / ".venv-node"
PATIENCE: Final = 60.0  # seconds for an answer; only a failing test waits so long
NODE: Final = "@zohocrm/nodejs-sdk-8.0"
TYPESCRIPT: Final = "@zohocrm/typescript-sdk-8.0"
NODE_2: Final = "@zohocrm/nodejs-sdk-2.0"
PHP: Final = "zohocrm/php-sdk-8.0"
PHP_VARIABLE: Final = "ZOHO_TEST_PHP_SDK"
"""Names a checkout of the SDK for PHP, which neither Debian nor npm has: tests with it are run by hand."""

_HERE: Final = Path(__file__).parent


class Died(Exception):  # what a program did, no failure of the test
    """The program ended while it was asked."""


def command(package: str) -> list[str]:
    """Return what starts a program with one of the SDKs; where it is missing, skip the test."""
    if package == PHP:
        folder = os.environ[PHP_VARIABLE]
        servers.used[package] = f"{folder}, which {PHP_VARIABLE} names"
        return ["php", str(_HERE / "driver.php"), folder]
    node = shutil.which("node")
    installed = PACKAGES / "node_modules" / package
    if node is None:
        _missing("node is not installed")
    if not installed.is_dir():
        _missing(f"{package} is not installed: make test-languages installs it")
    version = json.loads((installed / "package.json").read_text(encoding="utf-8"))["version"]
    servers.used[package] = f"{version}, on {_version(str(node))}"
    driver = "driver_2.cjs" if package == NODE_2 else "driver.mjs"
    return [str(node), str(_HERE / driver), str(PACKAGES), package]


class Program:
    """A program that answers calls on any place; it takes its time to start, so tests share it."""

    def __init__(self, arguments: list[str]) -> None:
        self._running = subprocess.Popen(
            arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )

    def at(self, place: Place) -> Peer:
        """Return the program as a peer whose store is there; it opens the place anew for each question."""

        def do(*calls: Call) -> list[Any]:
            return self._ask(json.dumps([place, [(*call, None)[:2] for call in calls]]))

        return do

    def stop(self) -> None:
        """End it, if it has not ended."""
        self._running.kill()
        self._running.communicate()

    def _ask(self, line: str) -> list[Any]:
        assert self._running.stdin
        assert self._running.stdout
        self._running.stdin.write(line + "\n")
        self._running.stdin.flush()
        ready, _, _ = select.select([self._running.stdout], [], [], PATIENCE)
        assert ready, f"no answer for {PATIENCE} s"
        answer = self._running.stdout.readline()
        if not answer:
            raise Died(self._running.wait(PATIENCE))
        found: list[Any] = json.loads(answer)
        return found


PYTHON: Final = [sys.executable, "-W", "ignore", published.__file__]
"""What starts a program with the `FileStore` of Zoho's SDK for Python."""


def ours(store: Any) -> Peer:
    """Return a store of this process in the form of a peer."""

    def do(*calls: Call) -> list[Any]:
        return [published.call(store, *(*call, None)[:2]) for call in calls]

    return do


def _version(node: str) -> str:
    done = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=PATIENCE, check=True)
    return f"Node {done.stdout.strip()}"


def _missing(reason: str) -> None:
    servers.used["node"] = f"NOT TESTED: {reason}"
    if os.environ.get("CI"):
        pytest.fail(f"In CI the SDKs of other languages must be there: {reason}")
    pytest.skip(reason)
