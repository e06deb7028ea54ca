"""A package with a backend of its own, installed as users install one; and packages that are broken."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support import network
from zoho_tokenstore.registry import ENTRY_POINTS

PACKAGE = Path(__file__).with_name("json_file")
SCHEME = "json-file"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package into a folder; needs no network where its build tool is in uv's cache."""
    target = tmp_path_factory.mktemp("site-packages")
    command = ["uv", "pip", "install", "--quiet", "--no-deps", "--target", target, PACKAGE]
    done = subprocess.run(
        [sys.executable, "-m", *map(str, command)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
        env=network.outside(),
    )
    assert done.returncode == 0, done.stderr
    return target


@pytest.fixture
def json_file(installed: Path, monkeypatch: pytest.MonkeyPatch) -> type:
    """Return the class of the backend, found as the registry finds it."""
    monkeypatch.syspath_prepend(installed)
    (point,) = entry_points(group=ENTRY_POINTS, name=SCHEME)
    found: type = point.load()
    return found


@pytest.fixture
def offer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return what installs a package: its name, its entry points, and the text of its module."""
    folder = tmp_path / "site-packages"
    folder.mkdir()
    monkeypatch.syspath_prepend(folder)

    def install(name: str, points: dict[str, str], source: str = "") -> None:
        info = folder / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [f"{scheme} = {target}" for scheme, target in points.items()]
        (info / "entry_points.txt").write_text("\n".join([f"[{ENTRY_POINTS}]", *lines, ""]))
        (folder / f"{name}.py").write_text(source)

    return install
