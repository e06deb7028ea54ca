"""Every block of code in the documentation does what it says, or says that it is only text."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import ROOT, Block, Page, all_pages
from zoho_tokenstore.sealing._sources import VARIABLE

RUNNER = Path(__file__).with_name("run_page.py")
LANGUAGES = {"setup", "python", "console", "sh", "text", "json", "toml", "sql"}
"""What a block may be; a spelling that no test knows would be a block that nobody runs."""

CLEAR = {
    "docs/how-to/adopt-a-published-database.md",
    "docs/how-to/seal-a-store.md",
    "docs/how-to/share-with-other-languages.md",
}
"""Pages about stores whose secrets are not sealed."""

RUN_BY_OTHERS = {
    "docs/tutorials/login-django.md": "tests/docs/test_tutorial_django.py",
    "docs/tutorials/write-your-own-backend.md": "tests/docs/test_write_your_own.py",
    "docs/tutorials/write-your-own-store.md": "tests/docs/test_write_your_own.py",
}
"""Pages whose blocks are files of a project, and the tests that make and run it."""

WITH_CODE = [
    pytest.param(page, marks=pytest.mark.clear if page.name in CLEAR else (), id=page.name)
    for page in all_pages()
    if page.blocks("python") and page.name not in RUN_BY_OTHERS
]


def run(name: str, blocks: list[Block], folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {
        key: value for key, value in os.environ.items() if key == VARIABLE or not key.startswith("ZOHO_")
    }
    return subprocess.run(
        [sys.executable, "-W", "error", str(RUNNER), name],
        input=json.dumps([(block.line, block.source) for block in blocks]),
        env={
            **environment,
            "PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}",
            "NO_PROXY": "127.0.0.1",
            "no_proxy": "127.0.0.1",
        },
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize("page", WITH_CODE)
def test_python_blocks_of_a_page_run_in_order(page: Page, tmp_path: Path) -> None:
    """The Python blocks of a page run one after the other in an empty folder, without a warning."""
    done = run(page.name, page.blocks("python", "setup"), tmp_path)
    assert done.returncode == 0, done.stderr


def test_failing_block_fails_with_the_page_and_its_line(tmp_path: Path) -> None:
    """A block that fails is reported at its own line of the page."""
    blocks = [Block("python", "lead = 1\n", 3), Block("python", "\nassert lead == 2\n", 7)]
    done = run("docs/example.md", blocks, tmp_path)
    assert done.returncode == 1
    assert 'File "docs/example.md", line 8' in done.stderr


def test_every_block_names_a_language_that_is_checked() -> None:
    """No block escapes by a missing or unusual language."""
    found = {(page.name, block.line): block.language for page in all_pages() for block in page.blocks()}
    assert {place: language for place, language in found.items() if language not in LANGUAGES} == {}


def test_no_shown_block_imports_what_is_private() -> None:
    """What a reader copies is public: no part of a module's name has an underscore in front."""
    private = re.compile(r"^ *(?:from|import) +zoho_tokenstore[\w.]*(?:\.| +import +)_\w+", re.MULTILINE)
    shown = [(page.name, block) for page in all_pages() for block in page.blocks("python")]
    assert [(name, block.line) for name, block in shown if private.search(block.source)] == []


@pytest.mark.parametrize(("language", "parse"), [("json", json.loads), ("toml", tomllib.loads)])
def test_data_blocks_can_be_parsed(language: str, parse: Callable[[str], object]) -> None:
    """JSON and TOML blocks are JSON and TOML."""
    for page in all_pages():
        for block in page.blocks(language):
            try:
                parse(block.source)
            except ValueError as error:
                pytest.fail(f"{page.name}, line {block.line}: {error}")


def test_readme_shows_code_within_the_first_screen() -> None:
    """The README's first block is Python, has at most twelve lines of code, and starts in the first ten."""
    readme = Page(ROOT / "README.md")
    first = next(block for block in readme.blocks() if block.language != "setup")
    hidden = sum(block.source.count("\n") + 2 for block in readme.blocks("setup") if block.line < first.line)
    assert first.language == "python"
    assert first.line - hidden <= 10
    assert len([line for line in first.source.splitlines() if line.strip()]) <= 12
