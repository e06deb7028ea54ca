"""The `console` blocks of a page as a session in a terminal, 80 columns wide, with the local Zoho.

In what a page shows, a time in RFC 3339 stands for any, an id of ours for the one that there is (the same
each time), `…` for the rest of a line, and a line with nothing else for any lines. Run as
`python -m tests.docs.console PAGE`, it prints the page's commands with their real output.
"""

from __future__ import annotations

import contextlib
import re
import socket
import stat
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from tests.docs.pages import ROOT, Page
from tests.support.terminal import Terminal, environment
from zoho_tokenstore.emulator import Emulator

FOLDER: Final = "/srv/portal"
URL: Final = "http://127.0.0.1:8085"
PATIENT: Final = "patricia@zylker.example"

_ID: Final = re.compile(r"\b9\d{8}\b")
_TIME: Final = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
_SPECIAL: Final = re.compile(rf"(?P<time>{_TIME})|(?P<id>\b9\d{{8}}\b)|(?P<rest>…)")
_ERASED: Final = re.compile(r"[^\r\n]*\r +\r")
_BROWSER: Final = """#!{python}
import sys, urllib.request
urllib.request.urlopen(sys.argv[1]).read()
"""


class Command(NamedTuple):
    """A command on a page, its line there, and the output that the page shows."""

    line: int
    words: str
    shown: list[str]


def commands(page: Page) -> Iterator[Command]:
    """Yield the commands of the blocks that show a prompt."""
    for block in page.blocks("console"):
        current: Command | None = None
        for number, line in enumerate(block.source.splitlines(), block.line):
            if current is not None and current.words.endswith("\\"):
                current = current._replace(words=f"{current.words.removesuffix(chr(92))}{line.strip()}")
            elif line.startswith("$ "):
                if current is not None:
                    yield current
                current = Command(number, line.removeprefix("$ "), [])
            elif current is not None:
                current.shown.append(line)
        if current is not None:
            yield current


class Session:
    """Somebody who types the commands of a page, in an empty folder.

    Arguments:
        folder: the folder.
        zoho: the local Zoho, which stands for the one at `URL`.
    """

    def __init__(self, folder: Path, zoho: Emulator) -> None:
        self._folder = folder
        self._zoho = zoho
        self._ids: dict[str, str] = {}
        self._answers = {
            "Client id: ": zoho.default_client.client_id,
            "Client secret: ": zoho.default_client.client_secret,
            "[y/N]: ": "y",
        }
        self._environment = environment(BROWSER=f"{_browser(folder)} %s", NO_COLOR="1")
        self._environment["PATH"] = f"{Path(sys.executable).parent}:{self._environment['PATH']}"

    def run(self, command: Command) -> list[str]:
        """Type a command; return what is on the terminal, in the words of the page."""
        words = _ID.sub(
            lambda found: self._ids.get(found[0], found[0]), command.words.replace(URL, self._zoho.url)
        )
        if words.startswith("export "):
            for pair in words.split()[1:]:
                name, _, value = pair.partition("=")
                self._environment[name] = value
            return []
        with Terminal(("bash", "-c", words), env=self._environment, cwd=self._folder) as terminal:
            text = terminal.answered(self._answers)
        text = _ERASED.sub("", text).replace(self._zoho.url, URL).replace(str(self._folder), FOLDER)
        return [line.rstrip() for line in text.splitlines()]

    def is_shown(self, command: Command, lines: list[str]) -> bool:
        """Return whether a page shows these lines; an id in them is known from now on."""
        pattern = "".join(map(self._pattern, command.shown))
        seen: dict[str, str] = {}
        numbered = _numbered(pattern)
        found = re.fullmatch(numbered, "".join(f"{line}\n" for line in lines))
        if found is None:
            return False
        for name, value in found.groupdict().items():
            seen.setdefault(name[3:12], value)
        self._ids |= seen
        return True

    def _pattern(self, line: str) -> str:
        if line == "…":
            return r"(?:.*\n)*"
        parts, at = [], 0
        for special in _SPECIAL.finditer(line):
            parts += [re.escape(line[at : special.start()]), self._of(special)]
            at = special.end()
        return "".join(parts) + re.escape(line[at:]) + r"\n"

    def _of(self, special: re.Match[str]) -> str:
        if special["time"]:
            return _TIME
        if special["rest"]:
            return ".*"
        known = self._ids.get(special["id"])
        return re.escape(known) if known else f"<{special['id']}>"


def _numbered(pattern: str) -> str:
    """Return a pattern where an id that comes twice must be the same."""
    seen: set[str] = set()

    def group(found: re.Match[str]) -> str:
        if found[1] in seen:
            return f"(?P=id_{found[1]})"
        seen.add(found[1])
        return rf"(?P<id_{found[1]}>9\d{{8}})"

    return re.sub(r"<(9\d{8})>", group, pattern)


@contextlib.contextmanager
def session(folder: Path) -> Iterator[Session]:
    """Give a session with a Zoho of its own, whose tokens are always the same."""
    with Emulator(port=_free_port(), seed=1, auto_consent=PATIENT, client_id="1000.ZYLKERPORTAL") as zoho:
        yield Session(folder, zoho)


def _free_port() -> int:
    """Return a free port of four digits, so that tables are as wide as on the page."""
    for port in range(8086, 9999):
        with socket.socket() as one, contextlib.suppress(OSError):
            one.bind(("127.0.0.1", port))
            return port
    raise AssertionError("no port is free")


def _browser(folder: Path) -> Path:
    """Return a program that goes where it is sent, as a browser does whose user accepts."""
    path = folder.with_name(f"{folder.name}-browser")
    path.write_text(_BROWSER.format(python=sys.executable), encoding="utf-8")
    path.chmod(stat.S_IRWXU)
    return path


def main() -> None:
    """Print the commands of a page with their real output."""
    with tempfile.TemporaryDirectory() as top:
        folder = Path(top, "portal")
        folder.mkdir()
        with session(folder) as person:
            for command in commands(Page(ROOT / sys.argv[1])):
                lines = person.run(command)
                mark = "" if person.is_shown(command, lines) else "   <<< DIFFERS"
                print(f"{command.line}: $ {command.words}{mark}", *lines, sep="\n")


if __name__ == "__main__":
    main()
