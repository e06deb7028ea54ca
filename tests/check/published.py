"""Checks the stores that Zoho publishes, the package `zoho`, and ours, and writes their page.

Run it as ``python -m tests.check.published``, after ``make test-sdks`` has made the environments of older
SDKs. What else it needs, nothing of which is shipped here:

- ``ZOHO_CHECK_SAMPLES``: the folder ``samples/custom_store`` of your copy of Zoho's SDK for Python;
- ``ZOHO_CHECK_PYTHON``: a Python 3.12 or newer, for the package `zoho`, if this one is older. An
  environment with the package is made for it.

What cannot be checked is left out, and said.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from sqlalchemy.engine import make_url

from tests.check import other_languages
from tests.check.subjects import MARIADB, SAMPLES
from tests.check.tables import Checked, Subject, tables
from tests.contract.stores import ALL
from tests.support.processes import ROOT
from tests.support.servers import mariadb
from zoho_tokenstore.testing import TokenStoreContract, catalogue

PAGE: Final = ROOT / "docs" / "reference" / "checked-stores.md"
BEGIN: Final = "<!-- results: python -m tests.check.published -->\n"
END: Final = "<!-- end of results -->\n"
PYTHON: Final = "ZOHO_CHECK_PYTHON"

_HERE: Final = Path(sys.executable)
_ON_A_SERVER: Final = "persistent,shared"
_SAMPLES: Final = {
    "sample_sqlite": "custom_store_sqlite.py",
    "sample_in_memory": "custom_store_in_memory.py",
    "sample_list": "custom_store_list.py",
}
_ZOHO: Final = ("zoho==0.1.3", f"zohocrmsdk8-0=={version('zohocrmsdk8-0')}", "-e", ".[testing]")
_BY_THE_SDK: Final = tuple(
    clause.number for clause in catalogue(TokenStoreContract) if clause.name.startswith("sdk-")
)


def published() -> Iterator[Subject]:
    """Yield Zoho's stores with its newest SDK and an old one, and its samples."""
    for sdk, python in (("8.0", _HERE), ("5.0", ROOT / ".venv-sdk-5.0" / "bin" / "python")):
        yield Subject("`FileStore`", sdk, "tests.check.subjects:file_store", python)
        yield Subject("`DBStore` on MariaDB", sdk, "tests.check.subjects:db_store", python, _ON_A_SERVER)
    if SAMPLES not in os.environ:
        _say(f"Zoho's samples are left out: {SAMPLES} names no copy.")
        return
    for factory, file in _SAMPLES.items():
        yield Subject(f"`{file}`", "8.0", f"tests.check.subjects:{factory}", _HERE)


def of_other_languages() -> Iterator[Subject]:
    """Yield the stores of Zoho's SDKs for Node, TypeScript and PHP that are here."""
    for name, sdk, factory in other_languages.subjects():
        abilities = _ON_A_SERVER if factory.endswith("_db") else "persistent,shared,files"
        yield Subject(name, sdk, factory, _HERE, abilities)


def others() -> Iterator[Subject]:
    """Yield the package `zoho`: by the clauses that need no more than a program, as it has no six methods."""
    python = os.environ.get(PYTHON) or (sys.executable if sys.version_info >= (3, 12) else None)
    if python is None:
        _say(f"The package zoho is left out: {PYTHON} names no Python 3.12 or newer.")
        return
    place = ROOT / ".venv-zoho"
    uv = _HERE.with_name("uv")
    subprocess.run([uv, "venv", "-q", "--allow-existing", "--python", python, place], check=True, cwd=ROOT)
    environment = place / "bin" / "python"
    subprocess.run([uv, "pip", "install", "-q", "--python", environment, *_ZOHO], check=True, cwd=ROOT)
    yield Subject(
        "the package `zoho` 0.1.3", "8.0", "tests.check.zoho_package:make", environment, only=_BY_THE_SDK
    )


def ours() -> Iterator[Subject]:
    """Yield the stores of this package."""
    for name, case in ALL.items():
        abilities = "persistent,shared,files" if case.has_files else _ON_A_SERVER
        yield Subject(f"`{name}`", "8.0", f"tests.check.ours:{name}", _HERE, abilities)


def checked(subject: Subject) -> Checked:
    """Return what became of each clause."""
    command = [
        str(subject.python),
        "-m",
        "tests.check.run",
        subject.factory,
        subject.abilities,
        *subject.only,
    ]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    if done.returncode not in (0, 1) or not done.stdout:
        raise SystemExit(f"{subject.name}: {done.stderr}")
    results: dict[str, Any] = {one["number"]: one for one in map(json.loads, done.stdout.splitlines())}
    found = Checked(subject, results)
    _say(f"{subject.name}, SDK {subject.sdk}: {found.holding} of {found.counted} clauses hold")
    return found


def main() -> None:
    server = mariadb.start_local()
    try:
        url = make_url(server.url)
        given = {"host": url.host, "port": url.port, "user": url.username, "password": url.password}
        os.environ[MARIADB] = json.dumps(given)
        theirs = [checked(subject) for subject in (*published(), *of_other_languages(), *others())]
        own = [checked(subject) for subject in ours()]
    finally:
        server.stop()
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    after = rest.partition(END)[2]
    PAGE.write_text(before + BEGIN + "\n".join(tables(theirs, own)) + "\n" + END + after, encoding="utf-8")


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
