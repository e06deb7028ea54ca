"""What holds for every command: help, how fast it comes, completion, and the module that can be run."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.test_command_line import COMMANDS
from tests.support.terminal import environment, on_terminal, through_pipes
from zoho_tokenstore.records import Row
from zoho_tokenstore.registry import open_backend

WORDS = [name.split()[1:] for name in COMMANDS] + [[], ["keys"]]
EVERY = pytest.mark.parametrize("words", WORDS, ids=lambda words: " ".join(words) or "none")

HEAVY = {
    *(
        "rich",
        "requests",
        "urllib3",
        "filelock",
        "sqlalchemy",
        "psycopg",
        "pymysql",
        "redis",
        "boto3",
        "botocore",
    ),
    *("cryptography", "keyring", "sqlite3", "zohocrmsdk", "starlette", "uvicorn", "http.server", "asyncio"),
    *(
        "zoho_tokenstore.sdk",
        "zoho_tokenstore.emulator",
        "zoho_tokenstore.registry",
        "zoho_tokenstore.tokens",
    ),
    *("pydantic", "zoho_tokenstore.repository", "zoho_tokenstore._demo"),
}
"""What takes longer to import than the help to print: no `-h` may load it."""


@EVERY
def test_help_loads_nothing_heavy(words: list[str]) -> None:
    """No SDK, driver, HTTP client or web framework, nor what knows stores: the help comes at once."""
    code = (
        "import sys\nfrom zoho_tokenstore.cli import main\n"
        f"sys.argv[1:] = {[*words, '-h']!r}\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = _python(code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"Usage: zoho-tokens {' '.join(words)}".rstrip())
    assert sorted(HEAVY & set(done.stderr.split())) == []


@pytest.mark.clear
@pytest.mark.parametrize(
    "command", ["list", "status", "show", "delete", "refresh", "export", "copy", "keys status"]
)
def test_a_command_loads_no_sdk(command: str, tmp_path: Path) -> None:
    """Nor another driver than that of its store."""
    code = (
        "import sys\nfrom zoho_tokenstore.registry import open_backend\n"
        f"open_backend('sqlite:///{tmp_path}/t.db').close()\n"
        "from zoho_tokenstore.cli import main\n"
        "rest = {'show': ['1'], 'delete': ['1'], 'refresh': ['1'], 'export': ['--unsealed', '-'],"
        f" 'copy': ['sqlite:///{tmp_path}/t.db', 'sqlite:///{tmp_path}/u.db']}}\n"
        f"sys.argv[1:] = {command.split()!r} + rest.get({command!r}, [])\n"
        "try:\n    main()\nfinally:\n    print(*sys.modules, file=sys.stderr)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=environment(ZOHO_TOKENSTORE_URL=f"sqlite:///{tmp_path}/t.db"),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    loaded = set(done.stderr.split())
    assert "sqlite3" in loaded, done.stderr
    others = {"zohocrmsdk", "sqlalchemy", "redis", "boto3", "starlette", "uvicorn", "zoho_tokenstore.sdk"}
    assert sorted(others & loaded) == []


@pytest.mark.parametrize("columns", [40, 80, 200])
@EVERY
def test_help_fits_the_terminal(words: list[str], columns: int) -> None:
    """It is plain text without escapes; on a wide terminal it stays readable."""
    text, status = on_terminal(*words, "-h", columns=columns)
    assert (status, "\x1b" in text) == (0, False)
    if columns > 40:  # narrower, a word may be longer than the line
        assert max(map(len, text.splitlines())) <= min(columns, 102)


def test_without_a_command() -> None:
    """The help is shown, and every command is in it."""
    out, err, status = through_pipes()
    assert status in (0, 2)  # by the release of typer
    shown = out + err
    assert all(f"\n  {words[0]} " in shown for words in WORDS if words)


def test_the_installed_command_and_the_module_are_one() -> None:
    """`zoho-tokens` and `python -m zoho_tokenstore` print the same."""
    script = Path(sys.executable).with_name("zoho-tokens")
    done = subprocess.run(
        [script, "-h"], env=environment(), capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout == through_pipes("-h").out
    assert through_pipes("--version").out.startswith("zoho-tokens 0.")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion(shell: str) -> None:
    """A shell that has it asks for the words that can follow, and gets the commands."""
    asked = {
        "bash": {"COMP_WORDS": "zoho-tokens ke", "COMP_CWORD": "1"},
        "zsh": {"_TYPER_COMPLETE_ARGS": "zoho-tokens ke"},
        "fish": {"_TYPER_COMPLETE_ARGS": "zoho-tokens ke", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
    }
    script = Path(sys.executable).with_name("zoho-tokens")
    done = subprocess.run(
        [script],
        env=environment(_ZOHO_TOKENS_COMPLETE=f"complete_{shell}", **asked[shell]),
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert "keys" in done.stdout
    assert "login" not in done.stdout


@pytest.fixture
def stored(tmp_path: Path) -> dict[str, str]:
    """The environment of a store with a login."""
    url = f"sqlite:///{tmp_path}/t.db"
    with contextlib.closing(open_backend(url)) as backend:
        backend.write(Row("1", "amelia", access_token="a"), expect=None)
    return environment(ZOHO_TOKENSTORE_URL=url)


@pytest.mark.clear
@pytest.mark.parametrize("command", ["list", "show 1", "status --json", "export --unsealed -", "doctor"])
def test_an_output_that_is_full(command: str, stored: dict[str, str]) -> None:
    """A sentence says so, without a traceback."""
    done = _through_shell(f"{sys.executable} -m zoho_tokenstore {command} > /dev/full", stored)
    said = "Error: The output cannot be written: No space left on device.\n"
    assert (done.returncode, done.stderr) == (1, said)


@pytest.mark.clear
@pytest.mark.parametrize(
    ("command", "status", "said"),
    [
        ("delete 1 <&-", 2, "there is nobody to ask"),
        ("login <&-", 1, "Client id is missing"),
        ("import - <&-", 0, "There is no login in standard input"),
        ("list >&-", 0, ""),
        ("list --user nobody 2>&-", 0, ""),
    ],
)
def test_streams_that_are_closed(command: str, status: int, said: str, stored: dict[str, str]) -> None:
    """As a daemon's: there is nobody to ask, and nobody to read."""
    done = _through_shell(f"{sys.executable} -m zoho_tokenstore {command}", stored)
    assert (done.returncode, said in done.stderr, "Traceback" in done.stderr) == (status, True, False)


def test_an_empty_url_is_a_slip(stored: dict[str, str]) -> None:
    """A variable of the shell that is not set must not lead to the store of the environment."""
    for words in (["list"], ["delete", "1", "--yes"], ["audit", "verify"], ["doctor", "--quick"]):
        done = through_pipes(*words, "--store", "", env=stored)
        assert (done.status, done.out) == (1, "")
        assert done.err.startswith("Error: There is no store URL: pass --store")


def _through_shell(line: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["/bin/sh", "-c", line], env=env, capture_output=True, text=True, timeout=60, check=False
    )


def test_interrupted_before_it_has_begun() -> None:
    """While the commands are loaded, too, Ctrl+C ends it without a traceback."""
    code = (
        "import sys\n"
        "class Stop:\n    def find_spec(self, name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Stop())\nfrom zoho_tokenstore.cli import main\nmain()"
    )
    done = _python(code)
    assert (done.returncode, done.stderr) == (130, "")


def _python(code: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
