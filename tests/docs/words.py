"""Words that no page may have: `make lint` runs this. CONTRIBUTING.md has what to write instead."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

WORST: Final = re.compile(
    r"\banew\b|\blest\b|\bin the place of\b|\bis to be done\b|\bhalf-way\b|\bfor ever\b|\bkey ring\b"
    r"|\b(he|him|his|himself)\b",
    re.IGNORECASE,
)
_CODE: Final = re.compile(r"^```.*?^```|`[^`\n]*`", re.MULTILINE | re.DOTALL)


def pages() -> list[Path]:
    """Return the pages that are checked: all but the changelog, and the list of these words itself."""
    names = ("README.md", "SECURITY.md")
    return [*(ROOT / name for name in names), *sorted((ROOT / "docs").rglob("*.md"))]


def found_in(text: str) -> list[tuple[int, str]]:
    """Return the lines of a page with such a word, and the word; code does not count."""
    prose = _CODE.sub(lambda code: re.sub(r"[^\n]", " ", code[0]), text)
    return [(prose.count("\n", 0, hit.start()) + 1, hit[0]) for hit in WORST.finditer(prose)]


def main() -> int:
    """Print where such words are; return 1 if there are any."""
    hits = [
        f"{page.relative_to(ROOT)}:{line}: {word!r}"
        for page in pages()
        for line, word in found_in(page.read_text("utf-8"))
    ]
    print(*hits, sep="\n", end="\n" if hits else "")
    return 1 if hits else 0


if __name__ == "__main__":
    sys.exit(main())
