"""`make demo` shows what it claims, and notices when it is not so."""

from __future__ import annotations

import contextlib
import io
import os
import re
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from tests.docs.pages import ROOT
from zoho_tokenstore._demo import steps
from zoho_tokenstore._demo.steps import Checks

BROKEN = """
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.sdk._token_store import RepositoryStore
{defect}
from zoho_tokenstore._demo import run
raise SystemExit(run())
"""

DEFECTS = {
    "saves are lost": (
        "TokenRepository.save = lambda self, record, **_: record.changed(id='1')",
        "1. ",
    ),
    "names are ignored": (
        "RepositoryStore.find_token = lambda self, token: None",
        "5. ",
    ),
    "any row will do": (
        "RepositoryStore.find_token_by_id = lambda self, id: self.get_tokens()[0]",
        "4. ",
    ),
}


def run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "PYTHONUTF8": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def secrets_in(database: Path) -> set[str]:
    with contextlib.closing(sqlite3.connect(database)) as connection:
        rows = connection.execute(
            "SELECT client_secret, refresh_token, access_token, grant_token FROM oauthtoken"
        ).fetchall()
    return {value for row in rows for value in row if value}


@pytest.mark.long
@pytest.mark.clear
def test_demo_passes_and_shows_no_secret(tmp_path: Path) -> None:
    """The demo ends with status 0, also over what an earlier run left, and prints no secret.

    The command that it prints at its end lists the three stored tokens.
    """
    left = tmp_path / "demo-output" / "zohooauth.db"
    left.parent.mkdir()
    left.write_text("an earlier run, cut short")
    done = run(tmp_path, "-m", "zoho_tokenstore", "demo")
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert "\x1b" not in done.stdout
    assert "make portal" in done.stdout.splitlines()[-2]
    secrets = secrets_in(left) | secrets_in(left.with_name("published.db"))
    assert len(secrets) > 30
    assert [secret for secret in secrets if secret in done.stdout] == []
    assert not re.search(r"1000\.[0-9a-f]{32}", done.stdout)
    (source,) = re.findall(r'python3 -c "(.*)"', done.stdout)
    assert run(tmp_path, "-c", source).stdout.count("@zylker.example") == 3


@pytest.mark.long
@pytest.mark.clear
@pytest.mark.parametrize("name", DEFECTS)
def test_demo_fails_at_the_step_that_shows_a_defect(name: str, tmp_path: Path) -> None:
    """With a store that has a defect the demo stops at the right step, with status 1."""
    defect, step = DEFECTS[name]
    done = run(tmp_path, "-c", BROKEN.format(defect=defect))
    assert done.returncode == 1, done.stdout
    last = re.findall(r"^\d\. ", done.stdout, re.MULTILINE)[-1]
    assert (last, "✗" in done.stdout) == (step, True), done.stdout


def played(*story: steps.Step) -> tuple[bool, str]:
    output = io.StringIO()
    passed = steps.run(story, Console(file=output, width=200))
    return passed, output.getvalue()


def good(checks: Checks) -> None:
    """Tea is made"""
    checks.equal("cups", 2, 2)


def wrong(checks: Checks) -> None:
    """Tea is spilled"""
    checks.equal("cups", 1, 2)


def raising(checks: Checks) -> None:
    """The kettle leaks"""
    checks.true("kettle found", fact=True)
    raise RuntimeError("token 1000.0123456789abcdef0123456789abcdef.0123456789abcdef0123456789abcdef")


def empty(checks: Checks) -> None:
    """Nobody looks"""


def test_steps_that_pass() -> None:
    """Passed checks are shown with what was found."""
    passed, output = played(good, good)
    assert passed
    assert output.count("✓ cups: 2") == 2
    assert "All 2 checks of 2 steps passed." in output


def test_failed_check_stops_the_story() -> None:
    """A failed check tells what was expected and found; the next step is not begun."""
    passed, output = played(wrong, good)
    assert not passed
    assert "✗ cups: expected 2, found 1" in output
    assert "2. Tea is made" not in output


def test_error_in_a_step_is_a_failure_and_its_secrets_are_not_shown() -> None:
    """An exception fails the step; a token in its text is left out."""
    passed, output = played(raising)
    assert not passed
    assert "✗ expected no error, found RuntimeError: token <secret>" in output


def test_step_without_a_check_fails() -> None:
    """A step that checks nothing does not pass."""
    assert played(empty)[0] is False
