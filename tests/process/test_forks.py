"""A process that forks while its threads use a store: parent and child both go on."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.sqlite.tokens import is_sound
from tests.support import processes

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")

BUSY = ["busy0", "busy1"]


@pytest.mark.parametrize("scheme", ["sqlite", "memory", "list"])
def test_fifty_forks_amid_saves_disturb_nobody(tmp_path: Path, scheme: str) -> None:
    """Children save, find and start threads at once; the parent's threads lose nothing meanwhile.

    In a file the children's tokens are there for all; in memory every child has a copy of its own.
    """
    path = tmp_path / "tokens.db"
    report = processes.run("forker", f"sqlite:///{path}" if scheme == "sqlite" else f"{scheme}://")
    assert report["trouble"] == []
    assert report["statuses"] == [0] * 50
    assert min(report["saves"]) > 0
    assert report["newest"] == [f"access-{count}" for count in report["saves"]]
    children = [f"child{number}" for number in range(50)] if scheme == "sqlite" else []
    assert report["names"] == sorted(BUSY + children)
    assert scheme != "sqlite" or is_sound(path)
