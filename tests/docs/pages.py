"""The pages of the documentation, cut into the parts that the tests look at."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

_FENCE = re.compile(r"^(?P<mark>```+|~~~+)(?P<language>.*)$")
_SETUP = re.compile(r"^<!-- setup\n(.*?)^-->$", re.DOTALL | re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")
_HEADING = re.compile(r"^#{1,6} +(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Block:
    """A fenced block, or a hidden `<!-- setup … -->` in front of the blocks that need it."""

    language: str
    source: str
    line: int


@dataclass(frozen=True)
class Page:
    """One Markdown file."""

    path: Path

    @property
    def name(self) -> str:
        """Its path inside the project."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def text(self) -> str:
        """The whole text."""
        return self.path.read_text(encoding="utf-8")

    @property
    def prose(self) -> str:
        """The text without blocks, at the same line numbers."""
        lines = self.text.split("\n")
        for block in _fenced(lines):
            end = block.line + block.source.count("\n")
            lines[block.line - 2 : end] = [""] * (end - block.line + 2)
        return "\n".join(lines)

    def blocks(self, *languages: str) -> list[Block]:
        """Return the blocks, in order; all of them, or those in some languages."""
        found = [*_fenced(self.text.split("\n")), *_setups(self.text)]
        found.sort(key=lambda block: block.line)
        return [block for block in found if not languages or block.language in languages]

    def links(self) -> list[str]:
        """Return the targets of all links, as they stand."""
        return _LINK.findall(_CODE.sub("", self.prose))

    def anchors(self) -> set[str]:
        """Return what links can name after a `#`, as GitHub makes it from the headings."""
        return {_anchor(heading) for heading in _HEADING.findall(self.prose)}


def all_pages() -> list[Page]:
    """Return every page that a reader is meant to find."""
    top = [ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
    return [Page(path) for path in (*top, *sorted(DOCS.rglob("*.md")))]


def _fenced(lines: list[str]) -> Iterator[Block]:
    opened: tuple[str, str, int] | None = None
    for number, line in enumerate(lines, 1):
        fence = _FENCE.match(line)
        if opened is None and fence:
            opened = (fence["mark"], fence["language"].strip(), number)
        elif opened is not None and line.rstrip() == opened[0]:
            start = opened[2]
            yield Block(opened[1], "".join(f"{text}\n" for text in lines[start : number - 1]), start + 1)
            opened = None
    if opened is not None:
        raise ValueError(f"The block opened in line {opened[2]} is never closed.")


def _setups(text: str) -> Iterator[Block]:
    for found in _SETUP.finditer(text):
        yield Block("setup", found[1], text.count("\n", 0, found.start(1)) + 1)


def _anchor(heading: str) -> str:
    kept = re.sub(r"[^\w\- ]", "", re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower())
    return kept.strip().replace(" ", "-")
