"""The search through every byte that a sealed run has left."""

from __future__ import annotations

import mmap
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, NamedTuple

from tests.sealed.keeping import SUFFIXES
from tests.sealed.wanted import Wanted


class Hit(NamedTuple):
    """A secret that stands in clear somewhere; it is not shown."""

    place: str
    offset: int
    what: str

    def __str__(self) -> str:
        return f"{self.place}, byte {self.offset:,}: {self.what}"


class Exemption(NamedTuple):
    """Where a clear secret is as it should be.

    Arguments:
        place: a pattern for the path below the folder of the run.
        what: a pattern for what it is.
        before: a regular expression for what stands in the same line before it.
        why: the reason.
    """

    place: str
    what: str
    before: bytes
    why: str


_KEY_FILES: Final = "key files that tests of keys make; the key of this run is looked for in them, too"

EXEMPTIONS: Final = (
    Exemption(
        "said/log-*.txt",
        "*",
        rb"(INFO httpx2|DEBUG httpcore2\.http11): ",
        "the tests' own HTTP client logs addresses and headers, of the emulator's codes in redirects, too",
    ),
    Exemption(
        "disk/*",
        "a client secret of the emulator",
        rb"",
        "in a file, part of a longer text may look like a client secret; those that were sealed are noted",
    ),
    Exemption("disk/*", "a sealing key", rb"\s*\Z", _KEY_FILES),
    Exemption("disk/*.keys*", "a sealing key", rb"", _KEY_FILES),
    Exemption(
        "said/*[0-9].txt",
        "a sealing key",
        rb"\Z",
        "keys that `zoho-tokens keys generate --reveal` made and was asked to show",
    ),
)


@dataclass
class Findings:
    """What was searched, and what was found."""

    hits: list[Hit] = field(default_factory=list)
    exempted: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    size: int = 0
    said: int = 0


def search(root: Path, places: Iterable[Path], wanted: Wanted) -> Findings:
    """Search all files below some folders of a run; a file with several names is searched once."""
    findings = Findings()
    for file in _files_of(places):
        place = os.path.relpath(file, root)
        findings.kinds[_kind_of(file)] += 1
        with file.open("rb") as opened:
            size = os.fstat(opened.fileno()).st_size
            findings.size += size
            findings.said += size * place.startswith("said/")
            if size:
                with mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as content:
                    _search(place, content, wanted, findings)
    return findings


def _search(place: str, content: mmap.mmap, wanted: Wanted, findings: Findings) -> None:
    for offset, what in wanted.found_in(content):
        hit, before = Hit(place, offset, what), content[content.rfind(b"\n", 0, offset) + 1 : offset]
        why = next((one.why for one in EXEMPTIONS if _covers(one, hit, before)), None)
        if why is None:
            findings.hits.append(hit)
        else:
            findings.exempted[why] += 1


def _covers(one: Exemption, hit: Hit, before: bytes) -> bool:
    same = fnmatchcase(hit.place, one.place) and fnmatchcase(hit.what, one.what)
    return same and re.match(one.before, before) is not None


def _files_of(places: Iterable[Path]) -> Iterator[Path]:
    known: set[tuple[int, int]] = set()
    for place in places:
        for file in (place, *sorted(place.rglob("*"))):
            if file.is_symlink() or not file.is_file():  # neither folders nor sockets
                continue
            state = file.stat()
            if (state.st_dev, state.st_ino) not in known:
                known.add((state.st_dev, state.st_ino))
                yield file


def _kind_of(file: Path) -> str:
    return next((suffix for suffix in SUFFIXES if suffix in file.name), "others")
