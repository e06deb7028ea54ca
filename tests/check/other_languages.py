"""The stores of Zoho's SDKs for Node, TypeScript and PHP, to be checked by name through the drivers we ship.

The drivers open `FileStore`; for `DBStore` they are changed in the line in which users name their own store.

Node and TypeScript come by npm (make .venv-node); a checkout of the SDK for PHP is named in
``ZOHO_TEST_PHP_SDK``. `DBStore` works on the server that ``ZOHO_CHECK_MARIADB`` describes: a JSON object with
host, port, user and password.
"""

from __future__ import annotations

import json
import os
import re
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

_FILE_STORE: Final = re.compile(r"(?<=return )new FileStore\(.*\)(?=;)")
_HERE: Final = Path(__file__).parent / "drivers"
_DB_STORE_OF_NODE: Final = f'(await import("{(_HERE / "db_store.mjs").as_uri()}")).openStore(folder)'
_DB_STORE_OF_PHP: Final = f'require "{_HERE / "db_store.php"}"'


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
    return RemoteStore(command("node"), folder)


def node_db(folder: Path) -> RemoteStore:
    return RemoteStore(command("node", _DB_STORE_OF_NODE), folder)


def typescript_file(folder: Path) -> RemoteStore:
    return RemoteStore(command("typescript"), folder)


def typescript_db(folder: Path) -> RemoteStore:
    return RemoteStore(command("typescript", _DB_STORE_OF_NODE), folder)


def php_file(folder: Path) -> RemoteStore:
    return RemoteStore(command("php"), folder)


def php_db(folder: Path) -> RemoteStore:
    return RemoteStore(command("php", _DB_STORE_OF_PHP), folder)


def command(language: str, opened: str = "") -> list[str]:
    """Return what starts the driver we ship; with an expression in `opened`, changed to open that store."""
    if language == "php":
        sdk, driver, run = os.environ[PHP], DRIVERS / "driver.php", ["php", "-r"]
    else:
        sdk, driver = str(_PACKAGES / _NPM[language]), DRIVERS / "driver.mjs"
        run = ["node", "--input-type=module", "--eval"]
    if not opened:
        return ["env", f"ZOHO_SDK={sdk}", run[0], str(driver)]
    source = _FILE_STORE.sub(lambda _: opened, driver.read_text("utf-8")).removeprefix("<?php")
    return ["env", f"ZOHO_SDK={sdk}", *run, source]


def _sdk(language: str) -> str:
    if language == "php":
        return "PHP 8.0"
    version = json.loads((_PACKAGES / _NPM[language] / "package.json").read_text(encoding="utf-8"))["version"]
    return f"{'Node' if language == 'node' else 'TypeScript'} 8.0 ({version})"
