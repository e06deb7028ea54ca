"""The plugin of pytest: `-p tests.sealed.plugin`. The run fails if a canary is found in clear.

The process that pytest is started in makes the folders and searches them in the end; every process
that runs tests, and its forks, registers canaries. A secret that another process seals is known by
its form.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Final

import pytest

from tests.sealed.canaries import key_forms, read_canaries, register_secrets
from tests.sealed.keeping import Keeper
from tests.sealed.output import record_output
from tests.sealed.search import Searched, search
from zoho_tokenstore.sealing import Keyset
from zoho_tokenstore.sealing._sources import VARIABLE as KEYS

CHECKOUT: Final = Path(__file__).resolve().parents[2]
RUN: Final = "ZOHO_TEST_SEALED_RUN"
"""The environment variable with the folder of the run, for the processes that pytest starts."""

LEAKED: Final = pytest.ExitCode.INTERNAL_ERROR
"""Not the status of failed tests: those are run once more, and must not hide this."""

_FOLDERS: Final = {"notes": 0o700, "said": 0o700, "disk": 0o711, "disk/tmp": 0o1777, "disk/kept": 0o1777}
"""Canaries, output, and what is on the disk: some tests become another user, who needs the last two."""

_MEMORY: Final = Path("/dev/shm")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--canaries", type=int, default=1, help="fail if fewer secrets were sealed")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    if not hasattr(config, "workerinput"):  # of pytest-xdist
        config.pluginmanager.register(_Run(config))
    config.option.log_level = "WARNING"  # all of it would slow the run down; the plugin writes it itself
    root = Path(os.environ[RUN])
    register_secrets(root / "notes")
    record_output(root / "said")
    config.pluginmanager.register(Keeper(root / "disk"))


class _Run:
    """The run as a whole: its folders, and the search after the last test."""

    def __init__(self, config: pytest.Config) -> None:
        self._root = root = Path(
            tempfile.mkdtemp(prefix="sealed-", dir=_MEMORY if _MEMORY.is_dir() else None)
        )
        root.chmod(0o711)
        for name, mode in _FOLDERS.items():
            (root / name).mkdir()
            (root / name).chmod(mode)
        self._key = Keyset.generate().to_text().strip()
        self._before = set(CHECKOUT.iterdir())
        config.option.basetemp = str(root / "disk" / "pytest")
        os.environ |= {
            KEYS: self._key,
            RUN: str(root),
            "TMPDIR": str(root / "disk" / "tmp"),
            "ZOHO_TEST_SERVER_FOLDERS": str(root / "disk" / "tmp"),
            "HYPOTHESIS_STORAGE_DIRECTORY": str(root / "hypothesis"),  # constants of our source, not searched
        }
        tempfile.tempdir = None  # it is read again
        self._said = (root / "said" / "pytest.txt").open("a", encoding="utf-8", errors="surrogateescape")
        self._result: Searched | None = None
        self._lost: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown" or report.failed:
            self._said.write("\n".join([report.longreprtext, *(text for _, text in report.sections), ""]))

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        self._said.close()
        dropped = [
            path for path in set(CHECKOUT.iterdir()) - self._before if not path.name.endswith("_cache")
        ]
        canaries = read_canaries(self._root / "notes")
        wanted = {canary.encode(): what for canary, what in canaries.items()} | key_forms(self._key)
        self._result = search(self._root, ["disk", "said", *map(str, dropped)], wanted)
        self._result.canaries = len(canaries)
        self._lost = [
            line for file in self._root.glob("notes/lost-*") for line in file.read_text().splitlines()
        ]
        too_few = len(canaries) < session.config.option.canaries
        if self._result.found or self._lost or too_few:
            session.exitstatus = LEAKED

    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        if self._result is None:
            return
        terminalreporter.section("sealed stores")
        terminalreporter.write_line(str(self._result))
        if self._result.canaries < config.option.canaries:
            terminalreporter.write_line(
                f"Too few canaries: {config.option.canaries:,} were expected at least."
            )
        for line in [
            *self._result.found,
            *(f"removed before it was searched: {lost}" for lost in self._lost),
        ]:
            terminalreporter.write_line(f"  {line}")

    def pytest_unconfigure(self) -> None:
        if not self._said.closed:
            self._said.close()
        with contextlib.suppress(OSError):
            shutil.rmtree(self._root)
