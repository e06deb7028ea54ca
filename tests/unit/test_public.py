"""What is public is on one page, says so in `__all__`, has types, and can be looked at without any driver."""

from __future__ import annotations

import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Final

import pytest

import zoho_tokenstore

ROOT: Final = Path(zoho_tokenstore.__file__).parent
PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "api.md"

ROWS: Final = dict(
    re.findall(r"^\| `(zoho_tokenstore[a-z0-9._]*)` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
)
"""The modules of the page, and what it says of each."""

IN_WORDS: Final = {
    *("zoho_tokenstore", "zoho_tokenstore.backends", "zoho_tokenstore.errors"),
    *("zoho_tokenstore.renewal", "zoho_tokenstore.sdk"),
}
"""Modules whose names the page does not list one by one."""


FOUND_BY_DJANGO: Final = {"management", "migrations"}
"""Folders whose names Django prescribes; nobody imports from them."""


def modules() -> list[str]:
    """Return the modules of the package that have no underscore in their path."""
    paths = (path.relative_to(ROOT.parent).with_suffix("") for path in ROOT.rglob("*.py"))
    names = (".".join(path.parts).removesuffix(".__init__") for path in paths)
    return sorted(name for name in names if not any(map(_is_internal, name.split("."))))


def _is_internal(part: str) -> bool:
    return part.startswith("_") or part in FOUND_BY_DJANGO


def imported(name: str) -> ModuleType:
    """Return a module; Django's need a project."""
    if name.startswith("zoho_tokenstore.login.django"):
        import_module("tests.login.django.support")
    return import_module(name)


def test_the_page_lists_the_public_modules() -> None:
    """No module becomes public by accident, and none vanishes."""
    assert sorted(ROWS) == modules()


@pytest.mark.parametrize("name", sorted(set(ROWS) - IN_WORDS))
def test_the_page_lists_the_public_names(name: str) -> None:
    """The page and `__all__` name the same."""
    listed = re.findall(r"`([A-Za-z_]+)`", ROWS[name].partition("](")[0])
    assert sorted(listed) == sorted(imported(name).__all__)


LOOKS: Final = (
    "import pydoc; pydoc.render_doc({name!r}, renderer=pydoc.plaintext)",
    "import inspect, importlib; inspect.getmembers(importlib.import_module({name!r}))",
    "from {name} import *",
)

CORE: Final = (
    *("zoho_tokenstore", "zoho_tokenstore.backend", "zoho_tokenstore.copying", "zoho_tokenstore.errors"),
    *("zoho_tokenstore.events", "zoho_tokenstore.records", "zoho_tokenstore.registry"),
    *("zoho_tokenstore.repository", "zoho_tokenstore.sdk", "zoho_tokenstore.sealing"),
    *("zoho_tokenstore.tokens", "zoho_tokenstore.auth", "zoho_tokenstore.renewal"),
    *("zoho_tokenstore.backends.list", "zoho_tokenstore.backends.memory", "zoho_tokenstore.backends.sqlite"),
)
"""What needs nothing but the SDK, to be looked at."""

WITHOUT_DRIVERS: Final = """
import sys
class Blocker:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {blocked}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Blocker())
"""
DRIVERS: Final = {
    *(
        "filelock",
        "sqlalchemy",
        "psycopg",
        "pymysql",
        "redis",
        "boto3",
        "botocore",
        "cryptography",
        "keyring",
    ),
    *("typer", "rich", "starlette", "uvicorn", "pytest", "opentelemetry", "httpx", "httpx2"),
}


@pytest.mark.parametrize("look", LOOKS)
def test_what_is_public_can_be_looked_at(look: str) -> None:
    """`help()`, `inspect.getmembers` and `import *` work with nothing but the SDK installed."""
    lines = [look.format(name=name) for name in CORE]
    code = WITHOUT_DRIVERS.format(blocked=DRIVERS) + "\n".join(lines)
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr


def test_every_public_name_is_in_the_typing_test() -> None:
    """tests/typing/public.py, which mypy reads, uses every public name."""
    text = (Path(__file__).parents[1] / "typing" / "public.py").read_text("utf-8")
    names = {name for module in ROWS for name in getattr(imported(module), "__all__", ())}
    assert sorted(name for name in names if not re.search(rf"\b{name}\b", text)) == []
