"""What the commands share: the URL of a store, its keys, errors, progress, and how output is printed."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final, Self

import typer

from zoho_tokenstore._util.urls import URL_VARIABLE, check_there
from zoho_tokenstore.cli._texts import visible
from zoho_tokenstore.errors import ConfigurationError, InvalidGrantError, TokenStoreError
from zoho_tokenstore.sealing._sources import VARIABLE

if TYPE_CHECKING:
    from zoho_tokenstore.cli._reports import Line
    from zoho_tokenstore.sealing._keyset import Keyset

FAILED: Final = 1
REFUSED: Final = 2
LOGIN_NEEDED: Final = 3
INTERRUPTED: Final = 130
"""Exit codes; docs/reference/command-line.md says what they mean."""

ACCOUNTS_VARIABLE: Final = "ZOHO_ACCOUNTS_URL"

STOPPED: Final = "Stopped. What was done stays done; run it again to continue."

_NAMED: Final = "env:"
_IN_A_PROCESS: Final = ("list", "memory")
_REPORTED_ANYWAY: Final = ("events", "_reporting")
"""The modules whose warnings are about what a command reports itself."""

_SECONDS_BETWEEN_LINES: Final = 5.0
_SECONDS_BETWEEN_CHANGES: Final = 0.2
_SECONDS_UNTIL_LIVE: Final = 1.0
"""How long a job takes before a terminal shows its progress."""

StoreURL = Annotated[
    str | None,
    typer.Option(
        "--store",
        "-s",
        metavar="URL",
        help=f"URL of the store, or env:NAME for the one in a variable. [{URL_VARIABLE}]",
        show_default=False,
    ),
]


AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

OneID = Annotated[str, typer.Argument(metavar="ID", help="The id of the login.", show_default=False)]
SomeIDs = Annotated[
    list[str] | None,
    typer.Argument(metavar="ID", help="The ids of the logins; all, if none is given.", show_default=False),
]
EachID = Annotated[list[str], typer.Argument(metavar="ID", help="The ids of the logins.", show_default=False)]

AccountsURL = Annotated[
    str | None,
    typer.Option(
        "--accounts-url",
        metavar="URL",
        envvar=ACCOUNTS_VARIABLE,
        show_envvar=False,
        help=f"Accounts server of logins from elsewhere, as the local Zoho. [{ACCOUNTS_VARIABLE}]",
        show_default=False,
    ),
]

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]


def say(line: str, *, err: bool = False, is_safe: bool = False) -> None:
    """Print one line. Whatever it contains, a terminal shows it and obeys nothing in it.

    All output goes through here: ids, names, paths and errors are other people's texts.

    If it `is_safe`, its parts have been made visible; what is between them stays as it is.
    """
    typer.echo(encodable(line if is_safe else visible(line), err=err), err=err)


def say_lines(lines: Iterable[Line]) -> None:
    """Print what a report says."""
    for line in lines:
        say(line.text, err=line.is_trouble)


def encodable(text: str, *, err: bool = False) -> str:
    """Return a string with those characters escaped that the stream cannot write."""
    encoding = _encoding(err=err)
    return text.encode(encoding, "backslashreplace").decode(encoding)


def can_show(text: str) -> bool:
    """Return whether standard output can write these characters."""
    return encodable(text) == text


def _encoding(*, err: bool) -> str:
    return getattr(sys.stderr if err else sys.stdout, "encoding", None) or "utf-8"


def user_name() -> str | None:
    """Return the name of the user who runs the command; `None` if this computer knows none."""
    import getpass

    try:
        return getpass.getuser()[:200] or None
    except (ImportError, KeyError, OSError):
        return None


def named_url(given: str) -> str:
    """Return a URL, or the one in the named variable: others can see command lines."""
    if not given:
        raise ConfigurationError(f"There is no store URL: pass --store, or set {URL_VARIABLE}.")
    return named_value(given) if given.startswith(_NAMED) else given


def named_value(given: str) -> str:
    """Return what the variable in `env:NAME` holds."""
    name = given.removeprefix(_NAMED)
    value = os.environ.get(name)
    if not name:
        raise ConfigurationError("env: is not followed by the name of an environment variable.")
    if not value:
        raise ConfigurationError(f"The environment variable {name} is not set.")
    return value


def store_url(given: str | None, *, may_create: bool = False) -> str:
    """Return the URL of the store that a command works on.

    A file that does not exist is refused unless it `may_create` one: an empty list of it would mislead.
    """
    url = named_url(os.environ.get(URL_VARIABLE, "") if given is None else given)
    if url.partition("://")[0] in _IN_A_PROCESS:
        raise ConfigurationError("A list or memory store exists only in its own process. Name another one.")
    if not may_create:
        check_there(url)
    return url


def parse_keys(text: str) -> str:
    """Return where keys are. Anything else is refused, and not shown: it may be a key."""
    if not text.startswith(("file:", "keyring:")):
        raise typer.BadParameter(
            "say where the keys are: file:PATH or keyring:SERVICE. Every user of this computer can read "
            f"a command line, so keys do not belong there; {VARIABLE} may hold them."
        )
    return text


def parse_secret_place(text: str) -> str:
    """Return where a secret is. Anything else is refused, and not shown: it may be the secret."""
    if not text.startswith(("env:", "file:")):
        raise typer.BadParameter(
            "say where the secret is: env:NAME or file:PATH. Every user of this computer can read a command "
            "line."
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


def ring_of(place: str | None) -> Keyset:
    """Return the ring at a place, or that of the environment."""
    from zoho_tokenstore.sealing._keyset import Keyset

    return Keyset.from_environment() if place is None else Keyset.named(place)


@contextlib.contextmanager
def told(stopped: str | None = STOPPED) -> Iterator[None]:
    """End the command with what went wrong, in a sentence; no traceback shows values.

    After Ctrl+C it says `stopped`, if anything.
    """
    try:
        with _logged():
            yield
    except TokenStoreError as error:
        say(f"Error: {error}", err=True)
        raise typer.Exit(exit_code_of(error)) from error
    except OSError as error:  # nothing else comes here as one
        if error.errno == errno.EPIPE:
            raise  # who reads has enough
        _drop_output()
        say(f"Error: The output cannot be written: {error.strerror}.", err=True)
        raise typer.Exit(FAILED) from error
    except (KeyboardInterrupt, typer.Abort) as stop:
        if stopped is not None:
            say(stopped, err=True)
        raise typer.Exit(INTERRUPTED) from stop


def _drop_output() -> None:
    """Write what is still in the buffer nowhere: Python would fail once more at its end."""
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        os.dup2(nowhere.fileno(), sys.stdout.fileno())


def exit_code_of(error: TokenStoreError) -> int:
    """Return the exit code of a command that failed."""
    return LOGIN_NEEDED if isinstance(error, InvalidGrantError) else FAILED


@contextlib.contextmanager
def _logged() -> Iterator[None]:
    """Print the package's warnings like everything else, as nobody has configured logging."""
    logger, handler = logging.getLogger("zoho_tokenstore"), _Log(logging.WARNING)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)


class _Log(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        if record.levelno > logging.WARNING or record.module not in _REPORTED_ANYWAY:
            say(f"{record.levelname.capitalize()}: {record.getMessage()}", err=True)


class Progress:
    """Reports progress of the job in a `with` on standard error: a line that changes, or one at a time."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._live = sys.stderr.isatty()
        self._pause = _SECONDS_BETWEEN_CHANGES if self._live else _SECONDS_BETWEEN_LINES
        self._next = time.monotonic() + (_SECONDS_UNTIL_LIVE if self._live else self._pause)
        self._width = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.clear()

    def tell(self, done: int, what: str) -> None:
        """Report how many were done; most calls print nothing."""
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + self._pause
        line = f"{done:,} {self._unit}, {what}"
        if not self._live:
            say(line, err=True)
            return
        self.clear()
        self._width = len(line)
        typer.echo(visible(line), err=True, nl=False)

    def clear(self) -> None:
        """Remove the line that changes."""
        if self._width:
            typer.echo(f"\r{' ' * self._width}\r", err=True, nl=False)
        self._width = 0
