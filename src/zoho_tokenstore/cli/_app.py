"""The frame of `zoho-tokens`; each command, or group of them, has a module of its own."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from zoho_tokenstore.cli._audit import audit
from zoho_tokenstore.cli._check import check
from zoho_tokenstore.cli._cleanup import cleanup
from zoho_tokenstore.cli._copy import copy
from zoho_tokenstore.cli._demo import demo
from zoho_tokenstore.cli._doctor import doctor
from zoho_tokenstore.cli._emulator import emulator
from zoho_tokenstore.cli._ending import delete, revoke
from zoho_tokenstore.cli._export import export
from zoho_tokenstore.cli._group import Group
from zoho_tokenstore.cli._import import import_
from zoho_tokenstore.cli._keys import keys
from zoho_tokenstore.cli._list import list_, show, status
from zoho_tokenstore.cli._login import login
from zoho_tokenstore.cli._renewing import access_token, invalidate, refresh
from zoho_tokenstore.cli._shared import user_name
from zoho_tokenstore.events import on_behalf_of

_SETTINGS: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 100}

app = typer.Typer(
    name="zoho-tokens",
    cls=Group,
    no_args_is_help=True,
    context_settings=_SETTINGS,
    rich_markup_mode=None,  # help that reads the same in a pipe, and that takes half the time
    pretty_exceptions_enable=False,  # they show what is in the variables of libraries
)
app.command("login")(login)
app.command("list")(list_)
app.command("show")(show)
app.command("status")(status)
app.command("access-token")(access_token)
app.command("refresh")(refresh)
app.command("invalidate")(invalidate)
app.command("revoke")(revoke)
app.command("delete")(delete)
app.command("cleanup")(cleanup)
app.command("copy")(copy)
app.command("export")(export)
app.command("import")(import_)
app.command("doctor")(doctor)
app.command("check")(check)
app.add_typer(keys, name="keys")
app.add_typer(audit, name="audit")
app.command("emulator")(emulator)
app.command("demo")(demo)


def _show_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        typer.echo(f"zoho-tokens {version('zoho-tokenstore')}")
        raise typer.Exit


@app.callback()
def frame(
    context: typer.Context,
    _version: Annotated[
        bool,
        typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit."),
    ] = False,
) -> None:
    """Log in to Zoho, and look after the tokens of your programs."""
    name = user_name()
    if name is not None:
        context.with_resource(on_behalf_of(name))
