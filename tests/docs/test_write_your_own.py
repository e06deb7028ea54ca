"""The tutorials about own stores and backends lead to ones that pass, by what is on the page alone."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import pytest

from tests.docs.console import URL, Command, Session, commands
from tests.docs.pages import DOCS, ROOT, Page
from tests.docs.tutorials import saved_files
from tests.support.terminal import environment
from zoho_tokenstore.emulator import Emulator

STORE, BACKEND = (Page(DOCS / "tutorials" / f"write-your-own-{what}.md") for what in ("store", "backend"))

ONE_RENEWAL = {"E16", "E17"}
"""The clauses that a store cannot hold by storing alone, which the page says."""

SAMPLE = """
from tests.support.sample import sampled

def pytest_collection_modifyitems(items):
    items[:] = sampled(items, 1)
"""
CHOSEN = (
    "(TestBackend and not hostile) or (TestLeases and not texts and not names)"
    " or user_name or duplicates or damage"
)
"""What takes long is left out; above a backend, most clauses of token stores are about this package."""


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(300)
def test_a_store_from_an_empty_class_to_a_passing_one(tmp_path: Path) -> None:
    """After each step the check says what the page shows; at the end every clause about storing holds."""
    folder = tmp_path / "empty"
    folder.mkdir()
    files = saved_files(STORE)
    reader = Session(folder, Emulator(public_url=URL))
    shown: list[str] = []
    for command in filter(_is_check, commands(STORE)):
        while files and files[0].line < command.line:
            file = files.pop(0)
            (folder / file.name).write_text(file.source, encoding="utf-8")
        shown = reader.run(command)
        assert reader.is_shown(command, shown), "\n".join([f"line {command.line}:", *shown])
    assert not files
    failed = {found[1] for found in re.finditer(r"^  ([A-Z]+\d+) ", "\n".join(shown), re.MULTILINE)}
    assert failed <= ONE_RENEWAL


def _is_check(command: Command) -> bool:
    return command.words.startswith("zoho-tokens check ")


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(300)
def test_a_backend_for_s3(tmp_path: Path) -> None:
    """It is opened by its scheme, passes the three contracts with a case of each test, and can be used."""
    for file in saved_files(BACKEND):
        (tmp_path / file.name).write_text(file.source, encoding="utf-8")
    _install(tmp_path)
    (tmp_path / "sample.py").write_text(SAMPLE, encoding="utf-8")
    *_, use = BACKEND.blocks("python")
    with (tmp_path / "test_s3_tokens.py").open("a", encoding="utf-8") as tests:
        tests.write(f"\n\ndef test_use_by_user_name():\n{textwrap.indent(use.source, '    ')}")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "sample", "test_s3_tokens.py", "-k", CHOSEN],
        cwd=tmp_path,
        env=environment(PYTHONPATH=f"{tmp_path}:{ROOT / 'src'}:{ROOT}", PYTEST_DISABLE_PLUGIN_AUTOLOAD="1"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert int(re.findall(r"(\d+) passed", done.stdout)[0]) >= 45


def _install(folder: Path) -> None:
    """Install the project of a folder, as `pip install --editable` does."""
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    info = folder / f"{project['name']}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: 1.0\n")
    points = project["entry-points"]["zoho_tokenstore.backends"]
    lines = [f"{scheme} = {target}" for scheme, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[zoho_tokenstore.backends]", *lines, ""]))
