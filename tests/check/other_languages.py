"""The stores of Zoho's SDKs for Node, TypeScript and PHP, to be checked by name through the drivers we ship.

Node and TypeScript come by npm (make .venv-node); a checkout of the SDK for PHP is named in
``ZOHO_TEST_PHP_SDK``. `DBStore` works on the server that ``ZOHO_CHECK_MARIADB`` describes: a JSON object with
host, port, user and password.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import zoho_tokenstore.testing
from tests.support.processes import ROOT
from zoho_tokenstore.testing import RemoteStore

DRIVERS: Final = Path(zoho_tokenstore.testing.__file__).with_name("drivers")
PHP: Final = "ZOHO_TEST_PHP_SDK"

_PACKAGES: Final = ROOT / ".venv-node" / "node_modules" / "@zohocrm"
_STORES: Final = {"file": "FileStore", "db": "DBStore"}
_NPM: Final = {"node": "nodejs-sdk-8.0", "typescript": "typescript-sdk-8.0"}


class Subject(NamedTuple):
    """A store of another language: what to call it, its SDK, and what makes one."""

    name: str
    sdk: str
    factory: str


def subjects() -> Iterator[Subject]:
    """Yield the stores whose SDK is here."""
    node = [name for name, package in _NPM.items() if shutil.which("node") and (_PACKAGES / package).is_dir()]
    for language in [*node, *(["php"] if PHP in os.environ else [])]:
        for kind, store in _STORES.items():
            place = " on MariaDB" if kind == "db" else ""
            yield Subject(f"`{store}`{place}", _sdk(language), f"{__name__}:{language}_{kind}")


def node_file(folder: Path) -> RemoteStore:
    return RemoteStore(command("node", "FileStore"), folder)


def node_db(folder: Path) -> RemoteStore:
    return RemoteStore(command("node", "DBStore"), folder)


def typescript_file(folder: Path) -> RemoteStore:
    return RemoteStore(command("typescript", "FileStore"), folder)


def typescript_db(folder: Path) -> RemoteStore:
    return RemoteStore(command("typescript", "DBStore"), folder)


def php_file(folder: Path) -> RemoteStore:
    return RemoteStore(command("php", "FileStore"), folder)


def php_db(folder: Path) -> RemoteStore:
    return RemoteStore(command("php", "DBStore"), folder)


def command(language: str, store: str) -> list[str]:
    """Return what starts a driver."""
    if language == "php":
        return ["env", f"ZOHO_SDK={os.environ[PHP]}", "php", str(DRIVERS / "driver.php"), store]
    return ["env", f"ZOHO_SDK={_PACKAGES / _NPM[language]}", "node", str(DRIVERS / "driver.mjs"), store]


def _sdk(language: str) -> str:
    if language == "php":
        return "PHP 8.0"
    version = json.loads((_PACKAGES / _NPM[language] / "package.json").read_text(encoding="utf-8"))["version"]
    return f"{'Node' if language == 'node' else 'TypeScript'} 8.0 ({version})"
