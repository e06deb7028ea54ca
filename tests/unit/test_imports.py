"""What importing the package loads, and what it says when something is missing."""

from __future__ import annotations

import subprocess
import sys
from modulefinder import ModuleFinder
from pathlib import Path

import pytest

import zoho_tokenstore

DRIVERS = {
    *("sqlite3", "filelock", "sqlalchemy", "psycopg", "pymysql", "mysql", "redis", "boto3", "botocore"),
    *("cryptography", "keyring"),
}

HEAVY = DRIVERS | {
    *("zohocrmsdk", "requests", "typer", "rich", "click", "starlette", "uvicorn"),
    *("pytest", "hypothesis", "asyncio"),
    *(f"zoho_tokenstore.{part}" for part in ("sdk", "cli", "emulator", "testing")),
}

BLOCK = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == {name!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """Run code in an interpreter of its own."""
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, timeout=60, check=False
    )


def output(code: str) -> str:
    done = run(code)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("name", ["TokenRecord", "TokenRepository", "open_repository", "open_store"])
def test_the_package_loads_nothing_heavy(name: str) -> None:
    """Neither the import nor its names load an SDK, driver, web framework, command line or test tool."""
    loaded = output(f"import sys, zoho_tokenstore; zoho_tokenstore.{name}; print(*sys.modules)").split()
    assert "zoho_tokenstore.records" in loaded
    assert sorted(HEAVY & set(loaded)) == []


def test_the_registry_loads_nothing_heavy() -> None:
    """The registry knows its backends by text: it loads none of them, and no driver."""
    loaded = output("import sys, zoho_tokenstore.registry; print(*sys.modules)").split()
    assert sorted(HEAVY & set(loaded)) == []
    assert [name for name in loaded if name.startswith("zoho_tokenstore.backends")] == []


@pytest.mark.clear
def test_a_repository_loads_its_own_driver_only() -> None:
    """Opening a repository by URL loads the backend that the URL names, and still no SDK."""
    code = "import sys, zoho_tokenstore as z; z.open_repository('list://').close(); print(*sys.modules)"
    loaded = output(code).split()
    assert "zoho_tokenstore.backends.list" in loaded
    assert sorted(HEAVY & set(loaded)) == []


def test_a_bundler_finds_the_backends() -> None:
    """PyInstaller follows import statements: they lead to all of a store's modules, but to no inspection."""
    source = Path(zoho_tokenstore.__file__).parents[1]
    files = (source / "zoho_tokenstore" / "backends").rglob("*.py")
    names = {".".join(file.relative_to(source).with_suffix("").parts) for file in files}
    finder = ModuleFinder(path=[str(source)])
    for name in ("zoho_tokenstore", *(name for name in names if name.endswith("._inspection"))):
        finder.import_hook(name)
    assert sorted({name.removesuffix(".__init__") for name in names} - set(finder.modules)) == []


NOBODY = "127.0.0.1:1"  # where no server is
AWS = f"eu-central-1/name?endpoint_url=http://{NOBODY}&timeout=0.5"

OWN_DRIVERS = {
    "memory://": "sqlite3",
    "sqlite:///{folder}/tokens.db": "sqlite3",
    "csv:///{folder}/tokens.csv": "filelock",
    "sql+sqlite:///{folder}/tokens.db": "sqlalchemy sqlite3",
    f"postgresql://u@{NOBODY}/d": "sqlalchemy psycopg",
    f"mysql://u@{NOBODY}/d": "sqlalchemy pymysql cryptography",
    f"mariadb://u@{NOBODY}/d": "sqlalchemy pymysql cryptography",
    f"redis://{NOBODY}/0": "redis cryptography",
    f"dynamodb://{AWS}": "boto3 botocore",
    f"secretsmanager://{AWS}": "boto3 botocore",
}
"""What opening a store may load, by its URL. pymysql and redis-py load cryptography where it is installed."""


@pytest.mark.clear
@pytest.mark.parametrize("url", OWN_DRIVERS)
def test_a_store_loads_its_own_driver_only(url: str, tmp_path: Path) -> None:
    """Whoever opens one store pays for the driver of that store, and for no other."""
    place = url.format(folder=tmp_path)
    code = (
        "import os, sys, zoho_tokenstore as z\n"
        "os.environ.update(AWS_ACCESS_KEY_ID='testing', AWS_SECRET_ACCESS_KEY='testing')\n"
        f"try:\n    z.open_repository({place!r}).close()\n"
        "except z.BackendUnavailableError:\n    pass\n"
        "print(*sys.modules)"
    )
    loaded = DRIVERS & set(output(code).split())
    assert loaded <= set(OWN_DRIVERS[url].split())
    assert OWN_DRIVERS[url].split()[0] in loaded


@pytest.mark.parametrize(
    ("url", "driver", "extra"),
    [
        ("csv:///tokens.csv", "filelock", "csv"),
        ("sql+sqlite:///tokens.db", "sqlalchemy", "sql"),
        (f"postgresql://u@{NOBODY}/d", "sqlalchemy", "postgresql"),
        (f"postgresql://u@{NOBODY}/d", "psycopg", "postgresql"),
        (f"mysql://u@{NOBODY}/d", "sqlalchemy", "mysql"),
        (f"mysql://u@{NOBODY}/d", "pymysql", "mysql"),
        (f"mariadb://u@{NOBODY}/d", "pymysql", "mysql"),
        (f"redis://{NOBODY}/0", "redis", "redis"),
        (f"rediss+cluster://{NOBODY}", "redis", "redis"),
        (f"dynamodb://{AWS}", "boto3", "dynamodb"),
        (f"secretsmanager://{AWS}", "boto3", "secretsmanager"),
    ],
)
def test_a_missing_driver_is_told_by_its_extra(url: str, driver: str, extra: str) -> None:
    """Without its driver a store says what to install, and the other stores work."""
    code = BLOCK.format(name=driver) + (
        "import zoho_tokenstore as z\n"
        "assert z.open_repository('list://').count() == 0\n"
        f"try:\n    z.open_repository({url!r})\n"
        "except z.MissingDependencyError as error:\n"
        "    assert isinstance(error, ImportError)\n    print(error)\n"
    )
    told = output(code)
    assert "pip install" in told
    assert f'"zoho-tokenstore[{extra}]"' in told


@pytest.mark.parametrize("name", ["ListStore", "open_store('list://')", "sdk"])
def test_without_the_sdk(name: str) -> None:
    """Without Zoho's SDK a store says so, how to install one, and what works without it."""
    use = "from zoho_tokenstore.sdk import SQLiteStore" if name == "sdk" else f"zoho_tokenstore.{name}"
    code = BLOCK.format(name="zohocrmsdk") + (
        "import zoho_tokenstore\n"
        "assert zoho_tokenstore.open_repository('list://').count() == 0\n"
        f"try:\n    {use}\n"
        "except zoho_tokenstore.MissingDependencyError as error:\n"
        "    assert isinstance(error, ImportError)\n    print(error)\n"
    )
    told = output(code)
    assert "pip install zohocrmsdk8-0" in told
    assert "open_tokens" in told


def test_contract_without_the_sdk() -> None:
    """The backend's contract needs no SDK; the store's says which one to install."""
    code = BLOCK.format(name="zohocrmsdk") + (
        "from zoho_tokenstore.errors import MissingDependencyError\n"
        "from zoho_tokenstore.testing import BackendContract\n"
        "try:\n    from zoho_tokenstore.testing import TokenStoreContract\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    assert "pip install zohocrmsdk8-0" in output(code)


def test_contract_without_pytest() -> None:
    """Without pytest the contract names the extra to install."""
    code = BLOCK.format(name="pytest") + (
        "from zoho_tokenstore.errors import MissingDependencyError\n"
        "try:\n    import zoho_tokenstore.testing\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    assert 'pip install "zoho-tokenstore[testing]"' in output(code)


LAZY = {"Keyset": "cryptography"} | dict.fromkeys(
    [name for name in zoho_tokenstore.__all__ if name.endswith("Store")], "zohocrmsdk"
)
"""The names that need something which may not be installed."""


@pytest.mark.clear
@pytest.mark.parametrize(
    "missing", [[], ["cryptography"], ["zohocrmsdk"], ["cryptography", "zohocrmsdk"]], ids=str
)
def test_a_star_import_takes_what_there_is(missing: list[str]) -> None:
    """`from zoho_tokenstore import *` works whatever is installed, and brings all that can be used."""
    code = "".join(BLOCK.format(name=name) for name in missing) + (
        "names = {}\nexec('from zoho_tokenstore import *', names)\n"
        "print(*sorted(names.keys() - {'__builtins__'}))"
    )
    known = set(zoho_tokenstore.__all__)
    assert set(output(code).split()) == known - {name for name, needed in LAZY.items() if needed in missing}


@pytest.mark.parametrize("name", LAZY)
def test_a_lazy_name_says_what_it_needs(name: str) -> None:
    """Imported by its name, what cannot be had is a `MissingDependencyError` that says what to install."""
    code = BLOCK.format(name=LAZY[name]) + (
        "from zoho_tokenstore import MissingDependencyError\n"
        f"try:\n    from zoho_tokenstore import {name}\n"
        "except MissingDependencyError as error:\n    print(error)\n"
    )
    told = output(code)
    assert "pip install" in told
    assert {"cryptography": "zoho-tokenstore[sealing]", "zohocrmsdk": "zohocrmsdk8-0"}[LAZY[name]] in told


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy names hide no misspelling."""
    done = run("import zoho_tokenstore; zoho_tokenstore.SQLStoer")
    assert done.returncode == 1
    assert "AttributeError: module 'zoho_tokenstore' has no attribute 'SQLStoer'" in done.stderr
