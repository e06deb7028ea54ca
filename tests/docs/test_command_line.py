"""The reference of the command line names every command and option that there is, and no other."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.docs.pages import DOCS, Page
from zoho_tokenstore import TokenRecord
from zoho_tokenstore._statuses import Status
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.cli._json import login_of, status_object
from zoho_tokenstore.copying import OnConflict

PAGE = Page(DOCS / "reference" / "command-line.md")
EMULATOR = Page(DOCS / "reference" / "emulator.md")


def commands(command: Any, *path: str) -> Iterator[tuple[str, Any]]:
    """Yield every command that does something, with all its words."""
    if not hasattr(command, "commands") or (path[1:] and command.invoke_without_command):
        yield " ".join(path), command
    for name, inner in getattr(command, "commands", {}).items():
        yield from commands(inner, *path, name)


COMMANDS = dict(commands(typer.main.get_command(app), "zoho-tokens"))
SECTIONS = {
    title.strip(): text
    for title, text in re.findall(r"^## (zoho-tokens .*)\n((?:(?!## ).*\n)*)", PAGE.text, re.M)
}
EVERY_COMMAND = pytest.mark.parametrize("name", COMMANDS)


COMMON = set(
    re.findall(r"^\| `(--[a-z-]+)`", PAGE.text.partition("## Common options")[2].partition("\n## ")[0], re.M)
)
"""Options that mean the same wherever they are, and are explained once."""


def common_of(name: str) -> set[str]:
    """Return those of a command's options that are explained once."""
    return COMMON - ({"--keys"} if name == "zoho-tokens keys generate" else set())


def options(command: Any) -> set[str]:
    return {name for parameter in command.params for name in parameter.opts if name.startswith("--")} - {
        "--help"
    }


def arguments(command: Any) -> set[str]:
    return {one.metavar.strip("[].") for one in command.params if one.param_type_name == "argument"}


def test_every_command_has_a_section() -> None:
    """All commands, and no others."""
    assert set(SECTIONS) == set(COMMANDS)


@pytest.mark.parametrize("name", sorted(set(COMMANDS) - {"zoho-tokens emulator"}))
def test_every_option_of_a_command_is_documented(name: str) -> None:
    """Each stands in the table of its section, and in the synopsis; there are no others."""
    section = SECTIONS[name]
    own = options(COMMANDS[name]) - common_of(name)
    assert set(re.findall(r"^\| `(--[a-z-]+)` \|", section, re.M)) == own
    (synopsis,) = re.findall(r"^```text\n(.*?)```", section, re.M | re.S)
    assert set(re.findall(r"--[a-z-]+", synopsis)) == options(COMMANDS[name])
    assert synopsis.startswith(name)
    assert arguments(COMMANDS[name]) <= set(re.findall(r"[A-Z]+(?::[A-Z]+)?", synopsis))


def test_every_option_of_the_emulator_is_on_its_own_page() -> None:
    """By the name that it has in Python, which the page says how to write on a command line."""
    named = set(re.findall(r"`([^`\n]+)`", EMULATOR.prose))
    assert {parameter.name for parameter in COMMANDS["zoho-tokens emulator"].params} - {"help"} <= named


@EVERY_COMMAND
def test_everything_has_help(name: str) -> None:
    """Each command, option and argument is explained by `--help`."""
    assert COMMANDS[name].help
    assert [
        parameter.name for parameter in COMMANDS[name].params if not getattr(parameter, "help", None)
    ] == []


def test_every_policy_of_a_conflict_is_documented() -> None:
    """In the reference and on the page that explains them."""
    page = Page(DOCS / "how-to" / "move-between-stores.md")
    for policy in OnConflict:
        assert f"`{policy}`" in SECTIONS["zoho-tokens copy"]
        assert f"`{policy}`" in page.text


def test_every_field_of_the_json_is_documented() -> None:
    """Of a login and of its status, in the order in which they are printed."""
    status = Status(token_id="1", state="active")
    for words, values in (("`list`, `login`", login_of(TokenRecord())), ("`status`", status_object(status))):
        (fields,) = re.findall(rf"^\| {words} \| (.*) \|$", PAGE.text, re.M)
        assert re.findall(r"`([a-z_]+)`", fields) == list(values)
