"""Where a sealed run puts what."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final, NamedTuple

VARIABLE: Final = "ZOHO_TEST_SEALED_RUN"
"""The environment variable by which a run's processes find its folder."""


class Places(NamedTuple):
    """The folders of one run."""

    root: Path

    @classmethod
    def of_this_run(cls) -> Places:
        """Return those of the run that this process belongs to."""
        return cls(Path(os.environ[VARIABLE]))

    @property
    def disk(self) -> Path:
        """What tests wrote to the disk, and what was kept of what they removed: all of it is scanned."""
        return self.root / "disk"

    @property
    def scratch(self) -> Path:
        """The folder for temporary files."""
        return self.disk / "tmp"

    @property
    def kept(self) -> Path:
        """Further names of files that tests or stores remove."""
        return self.disk / "kept"

    @property
    def said(self) -> Path:
        """What was printed, logged, or stood on a command line: all of it is scanned."""
        return self.root / "said"

    @property
    def notes(self) -> Path:
        """The secrets to look for. Not scanned."""
        return self.root / "notes"

    def make(self) -> None:
        """Make the folders: some tests become another user, who must get through to what is his."""
        for folder in (self.disk, self.scratch, self.kept, self.said, self.notes):
            folder.mkdir(mode=0o700)
        for folder in (self.root, self.disk):
            folder.chmod(0o711)
        for folder in (self.scratch, self.kept):
            folder.chmod(0o1777)
