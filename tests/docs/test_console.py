"""What the documentation shows of `zoho-tokens` is what a terminal shows."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.console import Command, Session, commands, session
from tests.docs.pages import DOCS, ROOT, Page
from tests.docs.test_command_line import COMMANDS

REFERENCE = Page(DOCS / "reference" / "command-line.md")
PAGES = [REFERENCE, Page(ROOT / "README.md")]

WITHOUT_EXAMPLE = {"zoho-tokens emulator"}
"""It runs until Ctrl+C; tests/emulator/test_command.py has it."""


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_shows_what_the_page_says(page: Page, tmp_path: Path) -> None:
    """All commands of the page, typed one after the other in a terminal of 80 columns."""
    folder = tmp_path / "portal"
    folder.mkdir()
    with session(folder) as person:
        for command in commands(page):
            lines = person.run(command)
            assert person.is_shown(command, lines), "\n".join([f"line {command.line}:", *lines])


def test_every_command_has_an_example() -> None:
    """With its output, on the page of the command line."""
    shown = {command.words for command in commands(REFERENCE)}
    without = {name for name in COMMANDS if not any(name in words for words in shown)}
    assert without == WITHOUT_EXAMPLE


@pytest.fixture
def person(tmp_path: Path) -> Session:
    folder = tmp_path / "portal"
    folder.mkdir()
    with session(folder) as person:
        return person


@pytest.mark.parametrize(
    ("shown", "real", "is_shown"),
    [
        ("2 logins", "2 logins", True),
        ("2 logins", "3 logins", False),
        ("at 2026-01-01T00:00:00.000Z", "at 2030-12-31T23:59:59.999Z", True),
        ("at 2026-01-01T00:00:00.000Z", "at noon", False),
        ("Key … was made", "Key 0123abcd was made", True),
        ("900000001 900000001", "912345678 912345678", True),
        ("900000001 900000001", "912345678 987654321", False),
        ("a.c", "abc", False),
        ("one\n…\nthree", "one\ntwo\nthree", True),
        ("one\n…\nthree", "one\ntwo\n3", False),
    ],
)
def test_what_a_page_may_leave_open(person: Session, shown: str, real: str, is_shown: bool) -> None:
    """Times, ids and what `…` stands for; nothing else."""
    assert person.is_shown(Command(1, "", shown.splitlines()), real.splitlines()) is is_shown


def test_an_id_stays_the_same_on_a_page(person: Session) -> None:
    """Once it is known which id a page means, no other one passes for it."""
    assert person.is_shown(Command(1, "", ["900000001"]), ["912345678"])
    assert person.is_shown(Command(2, "", ["900000001"]), ["912345678"])
    assert not person.is_shown(Command(3, "", ["900000001"]), ["912345679"])
