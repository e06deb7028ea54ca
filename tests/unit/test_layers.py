"""A module imports only downwards: the table of docs/explanation/architecture.md, held by reading imports."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

import zoho_tokenstore

ROOT: Final = Path(zoho_tokenstore.__file__).parent
PACKAGE: Final = "zoho_tokenstore"

MAY_IMPORT: Final = {
    # part          of the other parts, at most
    "errors": "",
    "clock": "",
    "urls": "",
    "records": "errors",
    "policies": "errors",
    "leases": "clock records",
    "events": "clock records",
    "matching": "errors records",
    "arguments": "errors matching policies urls",
    "backend": "records leases",
    "backends": "errors clock urls records backend leases",
    "crypto": "errors records backend",
    "repository": "errors arguments clock records matching events backend leases crypto",
    "copying": "errors clock records matching backend crypto",
    "renewal": "errors clock records matching events leases policies crypto repository",
    "tokens": "errors records renewal",
    "auth": "errors records renewal tokens",
    "telemetry": "errors events",
    "registry": "errors clock urls matching events policies arguments backend repository renewal tokens",
    "sdk": (
        "errors clock urls records matching events policies arguments backend repository renewal tokens "
        "backends"
    ),
    "cli": (
        "errors clock urls records crypto backend events policies repository renewal tokens copying registry "
        "sdk emulator"
    ),
    "emulator": "",
    "testing": "errors clock records backend leases",
    "": "errors events records policies crypto repository tokens auth registry",  # zoho_tokenstore itself
}
"""A part is a module or a folder of them. A new one needs a line here, and its place in the picture."""

BELONG_TO: Final = {
    "reading": "repository",
    "saving": "repository",
    "logins": "tokens",
    "statuses": "tokens",
}
"""Modules that one part is made of, beside the one of its name."""

ON_USE: Final = {"registry": "sdk", "": "sdk", "renewal": "backends crypto"}
"""What is imported inside a function only, when it is used."""

DRIVERS: Final = {
    "crypto": {"cryptography", "keyring"},
    "backends": {"sqlite3", "filelock", "sqlalchemy", "psycopg", "pymysql", "redis", "boto3", "botocore"},
    "renewal": {"requests", "urllib3"},
    "telemetry": {"opentelemetry"},
    "sdk": {"zohocrmsdk"},
    "cli": {"typer", "rich", "click", "uvicorn"},
    "emulator": {"starlette", "uvicorn", "multipart", "python_multipart"},
    "testing": {"pytest", "zohocrmsdk"},
}
"""Which parts may import what is not ours. sqlite3 counts: only its backends may know it."""

MODULES: Final = sorted(ROOT.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def part_of(module: str) -> str:
    name = module.removeprefix(PACKAGE).removeprefix(".").partition(".")[0]
    return BELONG_TO.get(name, name)


def imports(tree: ast.AST, *, on_use: bool = False) -> Iterator[tuple[str, bool]]:
    """Yield the imported modules, and whether each is imported only inside a function or for types."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, on_use) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from ((name, on_use) for name in _targets(node))
        else:
            inner = isinstance(node, ast.FunctionDef) or _is_for_types(node)
            yield from imports(node, on_use=on_use or inner)


def _targets(node: ast.ImportFrom) -> list[str]:
    assert node.level == 0, "imports are absolute"
    assert node.module is not None
    if node.module == PACKAGE or node.module.endswith((".backends", ".sdk")):
        return [f"{node.module}.{alias.name}" for alias in node.names]
    return [node.module]


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


def imports_of(path: Path) -> list[tuple[str, bool]]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_a_module_imports_only_downwards(path: Path) -> None:
    """No module imports a part that the table does not allow."""
    part = part_of(dotted(path))
    assert part in MAY_IMPORT, f"{part} has no line in the table"
    allowed = {part, *MAY_IMPORT[part].split()}
    later = allowed | set(ON_USE.get(part, "").split())
    for name, on_use in imports_of(path):
        if name.split(".")[0] == PACKAGE:
            assert part_of(name) in (later if on_use else allowed), f"{dotted(path)} imports {name}"


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_only_its_own_part_knows_a_driver(path: Path) -> None:
    """What is neither ours nor in the standard library is imported where the table says."""
    part = part_of(dotted(path))
    for name, _ in imports_of(path):
        top = name.split(".")[0]
        if top == "sqlite3" or (top != PACKAGE and top not in sys.stdlib_module_names):
            assert top in DRIVERS.get(part, set()), f"{dotted(path)} imports {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "backends").rglob("*.py")), ids=dotted)
def test_a_backend_imports_no_other_backend(path: Path) -> None:
    """Backends share private modules only."""
    for name, _ in imports_of(path):
        if name.startswith(f"{PACKAGE}.backends."):
            assert name.split(".")[2].startswith("_"), f"{dotted(path)} imports {name}"


ZOHO_CLIENT: Final = {
    *("accounts", "addresses", "answers", "authorization", "connections", "datacenters", "device"),
    *("transport", "users"),
}
"""The modules of `renewal` that ask Zoho. They know nothing of stores."""


@pytest.mark.parametrize("name", sorted(ZOHO_CLIENT))
def test_the_client_of_zoho_knows_nothing_of_stores(name: str) -> None:
    """It could be used on its own: it imports itself, errors and the clock."""
    for imported, _ in imports_of(ROOT / "renewal" / f"{name}.py"):
        if imported.startswith(PACKAGE):
            part, _, module = imported.removeprefix(f"{PACKAGE}.").partition(".")
            assert part in ("errors", "clock") or module in ZOHO_CLIENT, imported


PURE: Final = {"protocol", "entries"}
"""The modules of `renewal` that say what is to be done, and do none of it: tests/simulation runs them."""

WITHOUT_IO: Final = {
    *("__future__", "collections.abc", "dataclasses", "datetime", "itertools", "json", "secrets", "typing")
}
"""What of the standard library neither waits, nor reads a clock, a file or a socket."""


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_protocol_does_no_io(name: str) -> None:
    """It has its time from whoever runs it, and waits for nothing."""
    for imported, _ in imports_of(ROOT / "renewal" / f"{name}.py"):
        part, _, module = imported.removeprefix(f"{PACKAGE}.").partition(".")
        ours = imported.startswith(PACKAGE) and (part in ("errors", "policies", "records") or module in PURE)
        assert ours or imported in WITHOUT_IO, imported


@pytest.mark.parametrize("path", sorted((ROOT / "testing").rglob("*.py")), ids=dotted)
def test_the_contract_uses_public_names_only(path: Path) -> None:
    """What the contract does, anyone's own test can do: outside itself it imports nothing private."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(f"{PACKAGE}.testing"):
            names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            private = [name for name in names if name.startswith("_") and not name.startswith("__")]
            assert not private, f"{dotted(path)} imports {private}"


def test_the_reader_sees_every_form_of_import() -> None:
    """Plain, aliased, nested and type-only imports are all read, and told apart."""
    source = (
        "import zoho_tokenstore.sdk as a\n"
        "from zoho_tokenstore import renewal\n"
        "if TYPE_CHECKING:\n    from zoho_tokenstore.cli import app\n"
        "def f():\n    if x:\n        from zoho_tokenstore.backends import csv\n"
        "class A:\n    from zoho_tokenstore.errors import B\n"
    )
    assert list(imports(ast.parse(source))) == [
        ("zoho_tokenstore.sdk", False),
        ("zoho_tokenstore.renewal", False),
        ("zoho_tokenstore.cli", True),
        ("zoho_tokenstore.backends.csv", True),
        ("zoho_tokenstore.errors", False),
    ]


def test_the_table_has_no_circle() -> None:
    """The parts can be put in an order in which each imports only earlier ones."""
    left = {part: set(allowed.split()) for part, allowed in MAY_IMPORT.items()}
    while left:
        ready = [part for part, needed in left.items() if not needed & set(left)]
        assert ready, f"a circle among {sorted(left)}"
        for part in ready:
            del left[part]
