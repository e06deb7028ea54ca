"""The tutorials about own stores and backends lead to ones that pass, by what is on the page alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.console import URL, Command, Session, commands
from tests.docs.pages import DOCS, Page
from tests.docs.tutorials import saved_files
from zoho_tokenstore.emulator import Emulator

STORE = Page(DOCS / "tutorials" / "write-your-own-store.md")


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.timeout(300)
def test_a_store_from_an_empty_class_to_a_passing_one(tmp_path: Path) -> None:
    """After each step the check says what the page shows; at the end every clause holds."""
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
    _, held, _, known, *_ = shown[-1].split()
    assert held == known


def _is_check(command: Command) -> bool:
    return command.words.startswith("zoho-tokens check ")
