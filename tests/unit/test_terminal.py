"""Ids, names, paths and errors are other people's texts: a terminal shows them, and obeys nothing in them."""

from __future__ import annotations

import ast
import re
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from typer.testing import CliRunner

from zoho_tokenstore import Keyset, cli
from zoho_tokenstore.backend import Backend
from zoho_tokenstore.cli import _emulator as emulator
from zoho_tokenstore.cli import _shared as shared
from zoho_tokenstore.cli import _texts as texts
from zoho_tokenstore.cli._app import app
from zoho_tokenstore.emulator import Emulator
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_backend

HOSTILE = {
    "colour": "\x1b[31mred",
    "title": "\x1b]0;owned\x07",
    "eight-bit": "\x9b31m",
    "return": "all is well\rbad",
    "line": "1\nError: none",
    "backspace": "12\x08\x08",
    "delete": "12\x7f",
    "tab": "1\t2",
    "right-to-left": "\u202etxt.exe",
    "line-separator": "1\u2028Error: none",
    "nothing": "1\u200b2",
    "feed": "1\x0c\x0b2",
}


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ZOHO_TOKENSTORE_KEYS", raising=False)
    monkeypatch.delenv("ZOHO_TOKENSTORE_URL", raising=False)
    monkeypatch.chdir(tmp_path)


def check(output: str) -> None:
    """Nothing but printable characters, in the lines that we end."""
    assert [line for line in output.split("\n") if not line.isprintable()] == []


def test_progress_leaves_no_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """However its job ends: the error that follows stands by itself."""
    monkeypatch.setattr(shared, "_SECONDS_UNTIL_LIVE", 0.0)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)

    def job() -> None:
        with shared.Progress("rows") as progress:
            progress.tell(1, "read")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        job()
    assert capsys.readouterr().err == f"1 rows, read\r{' ' * 12}\r"


def run(*arguments: str, status: int = 0) -> str:
    """Run a command as on a terminal; return what it printed, found harmless."""
    done = CliRunner().invoke(app, list(arguments), color=True, env={"COLUMNS": "400", "TERM": "dumb"})
    assert done.exit_code == status, done.output
    check(done.output)
    return done.output


def fill(url: str, user: str = "somebody", **columns: str) -> None:
    backend: Backend = open_backend(url)
    for number, text in enumerate(HOSTILE.values()):
        values: dict[str, Any] = {
            "client_id": "c",
            "client_secret": "s",
            "refresh_token": f"1000.refresh.{number}",
        } | columns
        backend.write(Row(id=text, user_name=f"{user} {number} {text}", **values), expect=None)
    backend.close()


def keys(name: str) -> str:
    path = Path(name)
    path.write_text(Keyset.generate().to_text(), encoding="ascii")
    path.chmod(0o600)
    return f"file:{name}"


@pytest.mark.clear
def test_keys_commands_over_hostile_ids() -> None:
    """Each command on keys lists ids that refuse, and shows what would steer a terminal as text."""
    url, good, other = "sqlite:///tokens.db", keys("good"), keys("other")
    fill(url)
    assert r"'\x1b[31mred'" in run("keys", "status", "--store", url, "--keys", good, "--verify", status=1)
    run("keys", "seal", "--store", url, "--keys", good)
    run("keys", "status", "--store", url, "--keys", good, "--verify")
    assert r"'1\nError: none'" in run("keys", "status", "--store", url, "--keys", other, "--verify", status=1)
    assert r"'\u202etxt.exe'" in run("keys", "rotate", "--store", url, "--keys", other, status=1)


@pytest.mark.clear
def test_copy_over_hostile_ids() -> None:
    """What was not copied is listed so that it can be read."""
    source, destination = "sqlite:///source.db", "sqlite:///destination.db"
    fill(source)
    fill(destination, "somebody else", client_id="another")
    assert r"\x1b[31mred" in run("copy", source, destination, status=1)


@pytest.mark.clear
@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_path(text: str, tmp_path: Path) -> None:
    """The name of a file is shown likewise: of one that is there, and of one that is not."""
    url = f"sqlite:///{quote(text)}.db"
    assert "There is no store" in run("keys", "status", "--store", url, status=1)
    open_backend(url).close()
    assert "0 rows in" in run("keys", "status", "--store", url)
    assert "0 rows in" in run("copy", url, "sqlite:///other.db")


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_the_emulator_introduces_a_hostile_user(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Names that were given on a command line or by a script are shown likewise."""
    with Emulator(
        users=(f"{quote(text, safe='')}@zylker.example",), redirect_uris=("http://localhost/",)
    ) as zoho:
        user = zoho.default_users[0]
        object.__setattr__(user, "email", text)
        emulator._introduce(zoho, made_up=False)
    printed = capsys.readouterr().out
    check(printed)
    assert texts.visible(text) in printed


def test_what_a_stream_cannot_write_is_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A terminal of few letters gets an escape, and a lone surrogate does not end the command."""
    with (tmp_path / "out").open("w", encoding="ascii") as narrow:
        monkeypatch.setattr("sys.stdout", narrow)
        shared.say("naïve … \ud800 \x1b")
    assert (tmp_path / "out").read_text() == "na\\xefve \\u2026 \\ud800 \\x1b\n"


@pytest.mark.parametrize(
    ("row_id", "shown"),
    [
        ("17", "17"),
        ("é…", "é…"),
        ("", "''"),
        (" 17", "' 17'"),
        ("1, 2", "'1, 2'"),
        ("\x1b[1m", "'\\x1b[1m'"),
        ("x" * 41, "x" * 40 + "…"),
    ],
)
def test_how_an_id_is_shown(row_id: str, shown: str) -> None:
    """A plain id as it is; a strange one in quotes, so that it can be told from the list around it."""
    assert texts.shown_id(row_id) == shown


ALLOWED = {
    "_shared.py": 3,  # `say`, and a line of progress that changes
    "_keys.py": 1,  # the key that `generate --reveal` prints, for a file or a pipe
    "_app.py": 1,  # our own version
}


@pytest.mark.parametrize("path", sorted(Path(cli.__file__).parent.glob("*.py")), ids=lambda path: path.name)
def test_everything_is_printed_by_one_function(path: Path) -> None:
    """No command prints by itself, or a new one would forget what this is about."""
    calls = [
        ast.unparse(node.func) for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    printing = [
        call for call in calls if re.fullmatch(r"print|(typer|click)\.(echo|secho)|sys\.std\w+\.write", call)
    ]
    assert len(printing) == ALLOWED.get(path.name, 0)
