"""A module imports only downwards: the table of docs/explanation/architecture.md, held by reading imports."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

import pytest

import zoho_tokenstore

ROOT: Final = Path(zoho_tokenstore.__file__).parent
PACKAGE: Final = "zoho_tokenstore"

MAY_IMPORT: Final = {
    # part          of the other parts, at most
    "errors": "",
    "_util": "errors",
    "records": "errors",
    "_options": "",
    "_policies": "errors",
    "events": "errors _util records",
    "_matching": "errors records",
    "_arguments": "errors events _matching _policies _util",
    "backend": "errors records",
    "audit": "errors _util records events backend",
    "_local_leases": "_util backend",
    "_inspection": "records backend",
    "backends": "errors _options _util records backend _inspection _local_leases",
    "_unrevoked": "errors _util records backend",
    "sealing": "errors _util records events backend audit _unrevoked",
    "repository": (
        "errors _arguments _util records _matching events backend audit _local_leases _unrevoked sealing"
    ),
    "copying": "errors _util records _matching events backend audit sealing registry",
    "renewal": "errors _util records _matching events backend audit _policies sealing repository",
    "lifecycle": "errors _util records events _unrevoked sealing _policies repository renewal",
    "tokens": "errors _util records renewal lifecycle",
    "auth": "errors records renewal tokens",
    "login": "errors _util records backend renewal lifecycle tokens",
    "login.django": (
        "errors _util records events _policies lifecycle renewal tokens login registry doctor sdk cli"
    ),
    "telemetry": "_util errors events",
    "registry": (
        "errors _util sealing _matching events _options _policies _arguments backend _inspection repository "
        "renewal lifecycle tokens"
    ),
    "doctor": "errors _util records _inspection _policies _unrevoked sealing renewal registry",
    "sdk": (
        "errors _util records _matching events sealing _options _policies _arguments backend repository "
        "renewal lifecycle tokens backends registry"
    ),
    "_demo": "records repository sdk emulator",
    "cli": (
        "errors _util records _matching sealing backend audit events _policies repository renewal lifecycle "
        "tokens login copying registry doctor sdk emulator testing _demo"
    ),
    "emulator": "",
    "testing": "errors records backend events backends emulator",
    "_pytest_plugin": "",
    # the package
    "": "errors _util events records _policies sealing repository lifecycle tokens auth registry",
}
"""A part is a module or a folder of them. A new one needs a line here, and its place in the picture."""

BELONG_TO: Final = {
    "_ids": "_matching",
    "_reading": "repository",
    "_saving": "repository",
    "_health": "tokens",
    "_logins": "tokens",
    "_device_login": "tokens",
    "_async_tokens": "tokens",
    "__main__": "cli",
    "_statuses": "tokens",
}
"""Modules that one part is made of, beside the one of its name."""

ON_USE: Final = {
    "_options": "_matching _policies _util events sealing",
    "registry": "sdk",
    "": "sdk",
    "renewal": "sealing",
    "_unrevoked": "sealing",
    "tokens": "sdk",
    "_pytest_plugin": "emulator sdk testing tokens",
}
"""What is imported inside a function only, when it is used."""

DRIVERS: Final = {
    "_util": {"filelock"},
    "sealing": {"cryptography", "keyring"},
    "backends": {"sqlite3", "filelock", "sqlalchemy", "psycopg", "pymysql", "redis", "boto3", "botocore"},
    "renewal": {"requests", "urllib3"},
    "login": {"starlette", "fastapi", "flask"},
    "login.django": {"django", "asgiref"},
    "telemetry": {"opentelemetry"},
    "sdk": {"zohocrmsdk", "zcrmsdk", "officeintegrator"},
    "_demo": {"rich", "sqlite3", "zohocrmsdk"},
    "cli": {"typer", "rich", "click", "uvicorn"},
    "emulator": {"starlette", "uvicorn", "multipart", "python_multipart"},
    "testing": {"pytest", "requests", "zohocrmsdk"},
    "_pytest_plugin": {"pytest"},
}
"""Which parts may import what is not ours. sqlite3 counts: only its backends may know it."""

MODULES: Final = sorted(ROOT.rglob("*.py"))


def dotted(path: Path) -> str:
    return ".".join((PACKAGE, *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")


def part_of(module: str) -> str:
    path = module.removeprefix(PACKAGE).removeprefix(".")
    if f"{path}.".startswith(
        "login.django."
    ):  # an application of its own, with commands like the command line's
        return "login.django"
    name = path.partition(".")[0]
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


@cache
def imports_of(path: Path) -> list[tuple[str, bool]]:
    return list(imports(ast.parse(path.read_text(encoding="utf-8"))))


def test_modules_import_only_downwards() -> None:
    """No module imports a part that the table does not allow."""
    upwards = []
    for path in MODULES:
        part = part_of(dotted(path))
        assert part in MAY_IMPORT, f"{part} has no line in the table"
        allowed = {part, *MAY_IMPORT[part].split()}
        later = allowed | set(ON_USE.get(part, "").split())
        for name, on_use in imports_of(path):
            if name.split(".")[0] == PACKAGE and part_of(name) not in (later if on_use else allowed):
                upwards.append(f"{dotted(path)} imports {name}")
    assert upwards == []


def test_only_its_own_part_knows_a_driver() -> None:
    """What is neither ours nor in the standard library is imported where the table says."""
    strangers = []
    for path in MODULES:
        known = DRIVERS.get(part_of(dotted(path)), set())
        for name, _ in imports_of(path):
            top = name.split(".")[0]
            is_driver = top == "sqlite3" or (top != PACKAGE and top not in sys.stdlib_module_names)
            if is_driver and top not in known:
                strangers.append(f"{dotted(path)} imports {name}")
    assert strangers == []


SHARES_WITH: Final = {"memory": "sqlite"}
"""The store in memory is SQLite's memory mode."""


def test_backends_import_no_other_backend() -> None:
    """What two of them need is in `_aws`, `_rows` or `_util`."""
    others = []
    for path in [*(ROOT / "backends").glob("*/*.py"), *(ROOT / "backends").glob("[a-z]*.py")]:
        for name, _ in imports_of(path):
            if name.startswith(f"{PACKAGE}.backends."):
                own, other = (module.split(".")[2] for module in (dotted(path), name))
                if other not in (own, "_aws", "_rows", SHARES_WITH.get(own)):
                    others.append(f"{dotted(path)} imports {name}")
    assert others == []


ZOHO_CLIENT: Final = {
    *("accounts", "addresses", "answers", "authorization", "connections", "datacenters", "device"),
    *("transport", "users"),
}
"""The modules of `renewal` that ask Zoho. They know nothing of stores."""


@pytest.mark.parametrize("name", sorted(ZOHO_CLIENT))
def test_the_client_of_zoho_knows_nothing_of_stores(name: str) -> None:
    """It could be used on its own: it imports itself, errors and the clock."""
    for imported, _ in imports_of(ROOT / "renewal" / f"_{name}.py"):
        if imported.startswith(PACKAGE):
            part, _, module = imported.removeprefix(f"{PACKAGE}.").partition(".")
            assert part in ("errors", "_util") or module.removeprefix("_") in ZOHO_CLIENT, imported


PURE: Final = {"protocol", "lease_entry"}
"""The modules of `renewal` that say what is to be done, and do none of it: tests/simulation runs them."""

WITHOUT_IO: Final = {
    *("__future__", "collections.abc", "dataclasses", "datetime", "itertools", "json", "secrets", "typing")
}
"""What of the standard library neither waits, nor reads a clock, a file or a socket."""


@pytest.mark.parametrize("name", sorted(PURE))
def test_the_protocol_does_no_io(name: str) -> None:
    """It has its time from whoever runs it, and waits for nothing."""
    for imported, _ in imports_of(ROOT / "renewal" / f"_{name}.py"):
        part, _, module = imported.removeprefix(f"{PACKAGE}.").partition(".")
        ours = imported.startswith(PACKAGE) and (
            part in ("errors", "_policies", "records")
            or module == "durations"
            or module.removeprefix("_") in PURE
        )
        assert ours or imported in WITHOUT_IO, imported


def test_the_contract_uses_public_names_only() -> None:
    """What the contract does, anyone's own test can do: outside itself it imports nothing private."""
    private = []
    for path in (ROOT / "testing").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and not (node.module or "").startswith(f"{PACKAGE}.testing"):
                names = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
                private += [f"{dotted(path)} imports {name}" for name in names if re.match(r"_(?!_)", name)]
    assert private == []


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


def test_every_folder_of_modules_is_a_package() -> None:
    """What is in a folder without an `__init__.py` is unknown to `pyright --verifytypes`."""
    assert [path for path in {path.parent for path in MODULES} if not (path / "__init__.py").exists()] == []


def test_a_module_holds_one_thing() -> None:
    """More than 350 lines are probably two."""
    assert [dotted(path) for path in MODULES if len(path.read_text("utf-8").splitlines()) > 350] == []
