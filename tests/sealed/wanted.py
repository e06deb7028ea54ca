"""What the scan looks for: the secrets that were noted, and forms that are always secrets."""

from __future__ import annotations

import ast
import base64
import json
import re
from collections.abc import Iterable, Iterator
from mmap import mmap
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from zoho_tokenstore.crypto.keys import TEXT_PREFIX
from zoho_tokenstore.records import SECRET_COLUMNS

ROOT: Final = Path(__file__).resolve().parents[2]
SHORTEST: Final = 8
PLAINEST: Final = 4
"""Characters, and different ones, of a secret that is looked for: less stands in other texts by chance."""

_ENOUGH: Final = 64
"""Bytes of a secret that are looked for: its beginning proves a leak, and a leak may be cut off."""

FORMS: Final = {
    "a token or code of the emulator": rb"1000\.[0-9a-f]{32}\.[0-9a-f]{32}",
    # No longer text of such characters; begun with one, which is found much faster than a look behind.
    "a client secret of the emulator": rb"[0-9a-f](?<![0-9a-f]{2})[0-9a-f]{41}(?![0-9a-f])",
    "a token of the tests' own processes": rb"1000\.(?:refresh|access|grant)\.\w",
    "an access token of the tests' own processes": rb"access-[0-9]",
    "a sealing key": TEXT_PREFIX.encode() + rb"[\w-]{43}",
}
"""Regular expressions for secrets of processes that note nothing."""


class Notes(NamedTuple):
    """The secrets of a run: where each was seen first; and how many are not looked for, and why."""

    secrets: dict[str, str]
    common: int
    shared: int


def read_notes(folder: Path) -> Notes:
    """Read what the recorder has noted.

    Left out are secrets that are too short or simple to be told from other bytes, and those that
    stand in a row as something else, too: a test of hostile texts puts one text into every column.
    So are those that Hypothesis drew from our own source, the name of a column for example.
    """
    secrets: dict[str, str] = {}
    others: set[str] = set()
    chosen: set[str] = set()
    for column, text, test, drawn in _lines(folder):
        if column in SECRET_COLUMNS:
            secrets.setdefault(text, f"{column} of {test or 'no test'}")
            if not drawn:
                chosen.add(text)
        else:
            others.add(text)
    shared = secrets.keys() & others
    from_source = (secrets.keys() - chosen) & constants()
    common = ({text for text in secrets if _is_common(text.lstrip("\0"))} | from_source) - shared
    told = {text: note for text, note in secrets.items() if text not in shared | common}
    return Notes(told, len(common), len(shared))


def constants() -> set[str]:
    """Return all texts that stand in our source, which Hypothesis likes to draw."""
    return {
        node.value
        for folder in ("src", "tests")
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_bytes()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }


class Wanted:
    """Finds secrets in bytes, and names them without showing them.

    Arguments:
        secrets: what is known of each secret, by its text.
        keys: texts of sealing keys.
    """

    def __init__(self, secrets: dict[str, str], keys: Iterable[str] = ()) -> None:
        self._notes = {form[:_ENOUGH]: note for text, note in secrets.items() for form in _forms_of(text)}
        self._notes |= {form: "the key of this run" for key in keys for form in _forms_of_key(key)}
        # One after the other: an expression that begins with certain bytes is found at a bound.
        self._noted = re.compile(any_of(self._notes) if self._notes else rb"(?!)")
        self._forms = {what: re.compile(form) for what, form in FORMS.items()}

    def found_in(self, content: bytes | mmap) -> Iterator[tuple[int, str]]:
        """Yield the place of every secret, and what it is."""
        for match in self._noted.finditer(content):
            yield match.start(), self._notes[match[0]]
        for what, form in self._forms.items():
            for match in form.finditer(content):
                yield match.start(), what


def any_of(texts: Iterable[bytes]) -> bytes:
    """Return a regular expression for any of many texts: a tree, which is as fast as for a few.

    Of two texts that begin alike the shorter one is enough.
    """
    tree: dict[int | None, Any] = {}
    for text in texts:
        branch = tree
        for byte in text:
            branch = branch.setdefault(byte, {})
        branch[None] = None
    return _expression(tree)


def _expression(tree: dict[int | None, Any]) -> bytes:
    if None in tree:
        return b""
    branches = [re.escape(bytes([byte])) + _expression(tree[byte]) for byte in tree if byte is not None]
    return branches[0] if len(branches) == 1 else b"(?:" + b"|".join(branches) + b")"


def _is_common(text: str) -> bool:
    return len(text) < SHORTEST or len(set(text)) < PLAINEST


def _forms_of(text: str) -> set[bytes]:
    """Return how a text can stand in a file, in JSON, in a representation, or in a URL."""
    # Without what files are full of: at every NUL, a text that begins with one would have to be tried.
    text = text.lstrip("\0")
    plain = text.encode("utf-8", "surrogatepass")
    written = (json.dumps(text)[1:-1], repr(text)[1:-1], quote(plain))
    return {
        plain,
        text.encode("utf-16-le", "surrogatepass"),
        *(form.encode("utf-8", "replace") for form in written),
    }


def _forms_of_key(text: str) -> set[bytes]:
    encoded = text.removeprefix(TEXT_PREFIX)
    material = base64.urlsafe_b64decode(encoded + "=" * (-len(encoded) % 4))
    return {encoded.encode(), material, material.hex().encode(), base64.b64encode(material).rstrip(b"=")}


def _lines(folder: Path) -> Iterator[tuple[str, str, str, bool]]:
    for file in folder.glob("values-*"):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                column, text, test, drawn = json.loads(line)
                yield column, text, test, drawn
