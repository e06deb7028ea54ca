"""The browser that the portal's tests drive: this system's Chromium, and no downloaded one."""

from __future__ import annotations

import os
import shutil
import subprocess
from typing import Final

from tests.support.servers import Unavailable, given_url

_NAMES: Final = (
    "chromium-headless-shell",  # without the windows: it takes less than half the processor time
    "chromium", "chromium-browser", "google-chrome", "google-chrome-stable",
)  # fmt: skip
_TIMEOUT_S: Final = 30


class Chromium:
    """A browser that tests can start; `url` is the path of its program."""

    def __init__(self, program: str) -> None:
        self.url = program
        done = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=_TIMEOUT_S, check=False
        )
        if done.returncode != 0:
            raise Unavailable(f"{program} does not start: {done.stderr.strip()[-200:]}")
        self.about = f"{' '.join(done.stdout.split())} ({program})"

    def stop(self) -> None:
        """Do nothing: whoever starts the browser ends it."""


def start() -> Chromium:
    """Return the browser that the environment names, or this system's."""
    program = given_url("chromium") or next(filter(None, map(shutil.which, _NAMES)), None)
    if program is None or not os.access(program, os.X_OK):
        raise Unavailable("no Chromium on the PATH (Debian: chromium-headless-shell)")
    return Chromium(program)
