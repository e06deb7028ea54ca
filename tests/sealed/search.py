"""The search through all that a sealed run has left: one `grep` for canaries, one for forms of secrets."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_GREP: Final = ("grep", "--recursive", "--text", "--only-matching", "--byte-offset", "--null")

FORMS: Final = {
    "a token or code of the emulator": r"1000\.[0-9a-f]{32}\.[0-9a-f]{32}",
    "a token of the tests' own processes": r"1000\.(refresh|access|grant)\.[A-Za-z0-9_]",
    "an access token of the tests' own processes": r"access-[0-9]",
}
"""Secrets of processes that register nothing, wherever they stand."""

SPOKEN: Final = {
    "a client secret of the emulator": r"(^|[^0-9a-f])[0-9a-f]{42}([^0-9a-f]|$)",
    # Alone on its line stands the key that `zoho-tokens keys generate --reveal` was asked to show.
    "a sealing key": r".ztk1_[A-Za-z0-9_-]{43}|ztk1_[A-Za-z0-9_-]{43}.",
}
"""Those that files may have: keys in key files, and part of a longer text may look like a client secret."""


@dataclass
class Searched:
    """What was searched, and a line for each kind of secret in a file, with its first place."""

    files: int = 0
    size: int = 0
    canaries: int = 0
    seconds: float = 0.0
    found: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"Searched {self.files:,} files, {self.size:,} bytes, for {self.canaries:,} canaries in "
            f"{self.seconds:.1f} s. Found in clear: {len(self.found):,}"
        )


def search(root: Path, places: Sequence[str], canaries: Mapping[bytes, str]) -> Searched:
    """Search all files below some places of a run. What is found is named, not shown."""
    began = time.monotonic()
    hits: dict[tuple[str, str], list[int]] = {}
    for place, offset, what in _hits(root, places, canaries):
        hits.setdefault((place, what), []).append(offset)
    found = [
        f"{place}, byte {min(offsets):,}: {what}{f' ({len(offsets)} times)' * (len(offsets) > 1)}"
        for (place, what), offsets in sorted(hits.items())
    ]
    sizes = Counter(file.stat().st_size for place in places for file in _files(root / place))
    size = sum(size * count for size, count in sizes.items())
    return Searched(sizes.total(), size, len(canaries), time.monotonic() - began, found)


def _hits(root: Path, places: Sequence[str], canaries: Mapping[bytes, str]) -> Iterator[tuple[str, int, str]]:
    patterns = root / "canaries"
    patterns.write_bytes(b"\n".join(canaries))
    for place, offset, match in _grep(root, "--fixed-strings", f"--file={patterns}", *places):
        yield place, offset, canaries[match]
    said = [place for place in places if place == "said"]
    for forms, where in ((FORMS, places), (SPOKEN, said)):
        expression = "|".join(f"({form})" for form in forms.values())
        for place, offset, match in _grep(root, "--extended-regexp", expression, *where) if where else ():
            names = (what for what, form in forms.items() if re.fullmatch(form.encode(), match))
            yield place, offset, next(names, "a secret")


def _grep(root: Path, *arguments: str) -> Iterator[tuple[str, int, bytes]]:
    environment = {**os.environ, "LC_ALL": "C"}
    done = subprocess.run([*_GREP, *arguments], cwd=root, env=environment, capture_output=True, check=False)
    assert done.returncode < 2, done.stderr.decode()
    for line in done.stdout.split(b"\n")[:-1]:
        place, _, rest = line.partition(b"\0")
        offset, _, match = rest.partition(b":")
        yield os.fsdecode(place), int(offset), match


def _files(place: Path) -> Iterator[Path]:
    files = [place, *place.rglob("*")]
    return (file for file in files if file.is_file() and not file.is_symlink())
