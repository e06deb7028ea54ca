"""What the commands share: the URL of a store, its keys, errors, progress, and how anything is printed."""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final
from urllib.parse import unquote

import typer

from zoho_tokenstore.crypto.sources import VARIABLE
from zoho_tokenstore.errors import ConfigurationError, TokenStoreError
from zoho_tokenstore.registry import URL_VARIABLE
from zoho_tokenstore.urls import parts_of

if TYPE_CHECKING:
    from zoho_tokenstore.crypto.keyring import KeyRing

_NAMED: Final = "env:"
_IN_FILES: Final = ("csv", "sqlite")
_INTERRUPTED: Final = 130
_SECONDS_BETWEEN_LINES: Final = 5.0
_LONGEST_ID: Final = 40
_MOST_SHOWN: Final = 20
"""How many ids are shown, and how much of each; an id may be of any length."""

StoreURL = Annotated[
    str | None,
    typer.Argument(
        metavar="[URL]",
        help=f"URL of the store, or env:NAME for the one in a variable. [{URL_VARIABLE}]",
        show_default=False,
    ),
]


def say(line: str, *, err: bool = False) -> None:
    """Print one line. Whoever wrote what stands in it, a terminal shows it and obeys nothing in it.

    All that a command prints goes through here: ids, names, paths and errors are other people's texts.
    """
    encoding = getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"
    typer.echo(visible(line).encode(encoding, "backslashreplace").decode(encoding), err=err)


def visible(text: str) -> str:
    """Return a text with every character that is not to be seen, as Python writes it: ``\\x1b``."""
    return "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)


def shown_id(row_id: str) -> str:
    """Return an id as it is, cut if it is long; one with anything strange in it, as Python writes it."""
    short = row_id if len(row_id) <= _LONGEST_ID else f"{row_id[:_LONGEST_ID]}…"
    is_plain = short.isprintable() and short == short.strip() != "" and "," not in short
    return short if is_plain else repr(short)


def listed(ids: Sequence[str]) -> str:
    """Return the first of some ids as a list, and how many more there are."""
    more = len(ids) - _MOST_SHOWN
    return ", ".join(map(shown_id, ids[:_MOST_SHOWN])) + (f" and {more:,} more" if more > 0 else "")


def named_url(given: str) -> str:
    """Return a URL, or the one in the variable that is named: command lines are seen by others.

    Raises:
        ConfigurationError: there is no such variable.
    """
    if not given.startswith(_NAMED):
        return given
    name = given.removeprefix(_NAMED)
    url = os.environ.get(name)
    if not url:
        raise ConfigurationError(f"The environment variable {name} is not set; it was to hold a URL.")
    return url


def file_of(url: str) -> Path | None:
    """Return the file of a store that is one, to be looked for before it is opened: that would make it."""
    parts = parts_of(url)
    if parts is None or parts.scheme not in _IN_FILES or not parts.path[1:]:
        return None  # what is wrong with it, opening it says
    return Path(unquote(parts.path[1:]))


def parse_keys(text: str) -> str:
    """Return where keys are: `file:PATH` or `keyring:SERVICE`.

    Raises:
        typer.BadParameter: it is something else. It is not shown: it may be a key.
    """
    if not text.startswith(("file:", "keyring:")):
        raise typer.BadParameter(
            "say where the keys are: file:PATH or keyring:SERVICE. Every user of this computer can read "
            f"a command line, so keys have no place on it; {VARIABLE} may hold them."
        )
    return text


KeysPlace = Annotated[
    str | None,
    typer.Option(
        "--keys",
        parser=parse_keys,
        metavar="PLACE",
        help=f"The keys: file:PATH or keyring:SERVICE. [{VARIABLE}]",
        show_default=False,
    ),
]


def ring_of(place: str | None) -> KeyRing:
    """Return the ring at a place, or that of the environment."""
    from zoho_tokenstore.crypto.keyring import KeyRing

    return KeyRing.from_environment() if place is None else KeyRing.named(place)


@contextlib.contextmanager
def told() -> Iterator[None]:
    """End the command with what went wrong, in a sentence; no traceback shows values."""
    try:
        yield
    except TokenStoreError as error:
        say(f"Error: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt as stop:
        say("Stopped. What was done stays done; run it again to go on.", err=True)
        raise typer.Exit(_INTERRUPTED) from stop


class Progress:
    """Tells on standard error how far a long piece of work has come: a line that changes, or one at a time.

    Arguments:
        unit: what is counted, in the plural.
    """

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._live = sys.stderr.isatty()
        self._next = 0.0 if self._live else time.monotonic() + _SECONDS_BETWEEN_LINES
        self._shown = False

    def tell(self, done: int, what: str) -> None:
        """Say how many were done; most calls say nothing."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (0.2 if self._live else _SECONDS_BETWEEN_LINES)
        self._shown = True
        line = visible(f"{done:,} {self._unit}, {what}")
        typer.echo(f"\r{line}" if self._live else line, err=True, nl=not self._live)

    def end(self) -> None:
        """Leave the line that changes."""
        if self._live and self._shown:
            typer.echo(err=True)
