"""The same for several logins: a failure is reported with its id, and the others are done."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

import typer

from zoho_tokenstore.cli._shared import FAILED, REFUSED, exit_code_of, say
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.errors import BackendTimeoutError, BackendUnavailableError, TokenStoreError


def each(token_ids: Iterable[str], act: Callable[[str], object]) -> None:
    """Call `act` once with each id; exit if it failed for some of them."""
    worst = 0
    for token_id in dict.fromkeys(token_ids):
        try:
            act(token_id)
        except (BackendUnavailableError, BackendTimeoutError):
            raise
        except TokenStoreError as error:
            say(f"{shown_id(token_id)}: {error}", err=True)
            worst = max(worst, exit_code_of(error))
    if worst:
        raise typer.Exit(worst)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before something that cannot be undone."""
    if yes:
        return
    say(question, err=True)
    if not sys.stdin.isatty():
        say("Nothing was done: there is nobody to ask. Add --yes, if that is what you want.", err=True)
        raise typer.Exit(REFUSED)
    if not typer.confirm("Go ahead?", err=True):
        say("Nothing was done.", err=True)
        raise typer.Exit(FAILED)
