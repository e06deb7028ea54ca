"""`zoho-tokens emulator` as a real process."""

from __future__ import annotations

import ast
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

import zoho_tokenstore.emulator

COMMAND = [sys.executable, "-c", "from zoho_tokenstore.cli import main; main()"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX signals")


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Start the command; yield the process and the text it prints when it is ready."""
    command = [*COMMAND, "emulator", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process, _read_introduction(process)
        finally:
            process.kill()


def _read_introduction(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if line.startswith("Press"):
            break
    return "".join(lines)


def _find(pattern: str, text: str) -> str:
    match = re.search(pattern, text)
    assert match is not None, text
    return match[1]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_end_it_cleanly(number: int) -> None:
    """Ctrl+C and a termination end it with status 0, and nothing on stderr."""
    with running() as (process, text):
        url = _find(r"at (http://127\.0\.0\.1:\d+)", text)
        assert httpx2.get(f"{url}/_emulator/").status_code == 200
        process.send_signal(number)
        output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (0, "")
    assert "Stopped." in output


def test_introduction_is_enough_to_log_in() -> None:
    """Address, demo client, its redirect URI and the users are printed; requests are not logged."""
    with running("--user", "mia@a.example", "--access-token-lifetime", "20s", "--refresh-limit", "off") as (
        process,
        text,
    ):
        accounts_url = _find(r"accounts URL +(\S+)", text)
        control = _find(r"control +(\S+)", text)
        assert "mia@a.example" in text
        assert "http://localhost:8000/callback" in text
        code = httpx2.post(f"{control}codes", json={"user": "mia@a.example"}).json()["code"]
        form = {
            "grant_type": "authorization_code",
            "client_id": _find(r"client id +(\S+)", text),
            "client_secret": _find(r"client secret +(\S+)", text),
            "code": code,
        }
        body = httpx2.post(accounts_url, params=form).json()
        process.send_signal(signal.SIGTERM)
        output, errors = process.communicate(timeout=20)
    assert body["expires_in"] == 20
    assert body["access_token"] not in output + errors
    assert code not in output + errors


def test_impossible_start_is_a_sentence_and_status_1() -> None:
    """No traceback."""
    done = _run("emulator", "--auto-consent", "nobody@a.example")
    assert done.returncode == 1
    assert "auto_consent names nobody@a.example" in done.stderr
    assert "Traceback" not in done.stderr


def test_missing_extra_is_named() -> None:
    """Without the web framework or typer, the message says what to install."""
    for module, extra, arguments in (
        ("starlette", "emulator", ["emulator"]),
        ("uvicorn", "emulator", ["emulator"]),
        ("typer", "cli", ["--help"]),
    ):
        done = _run_without(module, arguments)
        assert done.returncode == 1
        assert f'pip install "zoho-tokenstore[{extra}]"' in done.stderr
        assert "Traceback" not in done.stderr


def test_importing_the_command_line_loads_neither_sdk_nor_framework() -> None:
    """The command answers before the SDK would have been imported."""
    code = (
        "import sys, zoho_tokenstore.cli, zoho_tokenstore.cli._app;"
        "print([m for m in ('zohocrmsdk', 'starlette', 'uvicorn', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_emulator_imports_nothing_else_of_the_package() -> None:
    """It plays the other side: standard library, the web framework, and its own modules."""
    folder = Path(zoho_tokenstore.emulator.__file__).parent
    imported = {name for path in folder.rglob("*.py") for name in _imports(path)}
    own = {name for name in imported if name.startswith("zoho_tokenstore")}
    assert {name for name in own if not name.startswith("zoho_tokenstore.emulator")} == set()
    foreign = {name.partition(".")[0] for name in imported - own} - set(sys.stdlib_module_names)
    assert foreign == {"starlette", "uvicorn"}


def test_version() -> None:
    """`--version` tells the version."""
    assert _run("--version").stdout.startswith("zoho-tokens ")


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*COMMAND, *arguments], capture_output=True, text=True, timeout=30, check=False)


def _run_without(module: str, arguments: list[str]) -> subprocess.CompletedProcess[str]:
    code = (
        f"import sys; sys.modules[{module!r}] = None; sys.argv[1:] = {arguments!r};"
        "from zoho_tokenstore.cli import main; main()"
    )
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=False
    )
