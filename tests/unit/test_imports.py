"""What importing the package loads, and what it says when something is missing."""

from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = {
    *("zohocrmsdk", "requests", "sqlite3", "typer", "rich", "click", "starlette", "uvicorn"),
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


def test_a_repository_loads_its_own_driver_only() -> None:
    """Opening a repository by URL loads the backend that the URL names, and still no SDK."""
    code = "import sys, zoho_tokenstore as z; z.open_repository('list://').close(); print(*sys.modules)"
    loaded = output(code).split()
    assert "zoho_tokenstore.backends.list" in loaded
    assert sorted(HEAVY & set(loaded)) == []


@pytest.mark.parametrize("name", ["ListStore", "open_store('list://')", "sdk"])
def test_without_the_sdk(name: str) -> None:
    """Without Zoho's SDK a store says so, how to install one, and what works without it."""
    use = "import zoho_tokenstore.sdk" if name == "sdk" else f"zoho_tokenstore.{name}"
    code = BLOCK.format(name="zohocrmsdk") + (
        "import zoho_tokenstore\n"
        "assert zoho_tokenstore.open_repository('list://').count() == 0\n"
        f"try:\n    {use}\n"
        "except zoho_tokenstore.MissingDependencyError as error:\n"
        "    assert isinstance(error, ImportError)\n    print(error)\n"
    )
    told = output(code)
    assert "pip install zohocrmsdk8-0" in told
    assert "open_repository" in told


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


def test_an_unknown_name_is_an_attribute_error() -> None:
    """The lazy names hide no misspelling."""
    done = run("import zoho_tokenstore; zoho_tokenstore.SQLStoer")
    assert done.returncode == 1
    assert "AttributeError: module 'zoho_tokenstore' has no attribute 'SQLStoer'" in done.stderr
