"""An application's own tests: with Django's runner, a database in memory, and no Zoho."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import ROOT


def test_with_djangos_runner() -> None:
    """Its tests pass, in any order, and each finds only its own logins."""
    done = subprocess.run(
        [
            *(sys.executable, "-W", "error", "-m", "django", "test", "tests.login.django.example"),
            *("--settings", "tests.login.django.settings_alone", "--shuffle", "1"),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Ran 4 tests" in done.stderr
