"""The commands in the documentation exist."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import shlex
import sqlite3
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
from django.core.management import get_commands
from typer.testing import CliRunner

from tests.docs.pages import ROOT, Page, all_pages
from zoho_tokenstore import open_repository
from zoho_tokenstore.cli._app import app

NEED_NO_CHECK = {
    *("curl", "cd", "export", "git", "printf", "pytest", "umask", "cp", "rm"),
    *("uvicorn", "flask"),  # run by tests/docs/test_tutorials.py
    *("pg_dump", "pg_restore", "mariadb-dump", "mariadb", "redis-cli"),  # run by tests/doctor/test_backups.py
}
RULES = re.findall(r"^([a-z][a-z -]*):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
TARGETS = {target for rule in RULES for target in rule.split()}
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def commands(page: Page) -> Iterator[list[str]]:
    """Yield the commands of a page as words; what a `console` block shows as output is left out."""
    for block in page.blocks("console", "sh"):
        text = block.source.replace("\\\n", " ")
        lines = text.splitlines()
        if block.language == "console" and any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        for line in lines:
            words = shlex.split(line, comments=True)
            if words:
                yield words


def check(words: list[str], folder: Path) -> None:
    while words and re.match(r"[A-Z_]+=", words[0]):
        words = words[1:]
    match words:
        case []:
            pass
        case ["make", *targets]:
            unknown = {word for word in targets if "=" not in word} - TARGETS
            assert not unknown, f"the Makefile lacks {unknown}"
        case ["pip", "install", *what] | ["python" | "python3", "-m", "pip", "install", *what]:
            check_extras(what)
        case ["zoho-tokens", *arguments]:
            check_command_line(arguments)
        case ["python" | "python3" | ".venv/bin/python", "-m", module, *_]:
            assert importlib.util.find_spec(module), f"there is no module {module}"
        case ["django-admin", command, *_] | ["python", "manage.py", command, *_]:
            check_django_command(command)
        case ["sqlite3", database, statement]:
            check_statement(folder / Path(database).name, statement)
        case [command, *_]:
            assert Path(command).name in NEED_NO_CHECK, f"teach this test to check {command}"


def check_django_command(name: str) -> None:
    import_module("tests.login.django.support")
    assert name in get_commands(), f"Django has no command {name}"


def check_extras(requirements: list[str]) -> None:
    for requirement in requirements:
        found = re.fullmatch(r"zoho-tokenstore(?:\[(.*)\])?", requirement)
        if found and found[1]:
            unknown = set(found[1].split(",")) - set(PROJECT["optional-dependencies"])
            assert not unknown, f"there are no extras {unknown}"


def check_command_line(arguments: list[str]) -> None:
    path = command_path(arguments)
    shown = CliRunner().invoke(
        app, [*path, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    )
    assert shown.exit_code == 0, f"zoho-tokens has no command {arguments[:1]}"
    for word in arguments:
        if word.startswith("--"):
            assert word.partition("=")[0] in shown.output, f"zoho-tokens {path} has no {word}"


def command_path(arguments: list[str]) -> list[str]:
    """Return the words that name a command: the names of groups, and what comes behind the last one."""
    command: Any = typer.main.get_command(app)
    path: list[str] = []
    for word in arguments:
        if word.startswith("-") or not hasattr(command, "commands"):
            break
        path.append(word)
        command = command.commands.get(word)
    return path


def check_statement(database: Path, statement: str) -> None:
    open_repository(f"sqlite:///{database}").close()
    connection = sqlite3.connect(database)
    try:
        with contextlib.chdir(database.parent):  # some statements write files
            connection.execute(statement)
    finally:
        connection.close()


def test_commands_of_the_pages_exist(subtests: pytest.Subtests, tmp_path: Path) -> None:
    """Make targets, extras, commands with their options, modules and SQL of each page are there."""
    for page in all_pages():
        for words in commands(page):
            with subtests.test(page=page.name, command=shlex.join(words)):
                check(words, tmp_path)


@pytest.mark.parametrize(
    "wrong",
    [
        "make tee",
        'pip install "zoho-tokenstore[coffee]"',
        "zoho-tokens brew",
        "zoho-tokens keys brew",
        "zoho-tokens keys rotate --cups 2",
        "zoho-tokens emulator --cups 2",
        "python -m zoho_teahouse",
        'sqlite3 zohooauth.db "SELECT cups FROM oauthtoken"',
        "teapot",
    ],
)
def test_commands_that_do_not_exist_are_noticed(wrong: str, tmp_path: Path) -> None:
    """The check fails for a command, target, extra, option, module or column that is not there."""
    with pytest.raises((AssertionError, ModuleNotFoundError, sqlite3.OperationalError)):
        check(shlex.split(wrong), tmp_path)
