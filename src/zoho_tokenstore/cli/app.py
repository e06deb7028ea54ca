"""The frame of `zoho-tokens`; each group of commands has a module of its own."""

from __future__ import annotations

import importlib.metadata
from typing import Annotated

import typer

from zoho_tokenstore.cli.copy import copy
from zoho_tokenstore.cli.emulator import emulator
from zoho_tokenstore.cli.keys import keys

# Locals in a traceback would show tokens.
app = typer.Typer(name="zoho-tokens", no_args_is_help=True, pretty_exceptions_show_locals=False)
app.command("emulator")(emulator)
app.command("copy")(copy)
app.add_typer(keys, name="keys")


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"zoho-tokens {importlib.metadata.version('zoho-tokenstore')}")
        raise typer.Exit


@app.callback()
def frame(
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and end."),
    ] = False,
) -> None:
    """Keep the tokens of Zoho's Python SDKs."""
