"""`zoho-tokens login`: with a browser, on another device, or with the code of a self client."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import timedelta
from typing import Annotated, Final

import typer

from zoho_tokenstore.cli._durations import parse_limit
from zoho_tokenstore.cli._shared import (
    ACCOUNTS_VARIABLE,
    AsJSON,
    KeysPlace,
    StoreURL,
    parse_secret_place,
    told,
)
from zoho_tokenstore.renewal._datacenters import DATA_CENTERS, of_location

DEFAULT_REDIRECT_URL: Final = "http://127.0.0.1:8400/callback"
DEFAULT_SCOPES: Final = ("ZohoCRM.users.READ", "ZohoCRM.org.READ")
"""What Zoho needs to say who has logged in."""

_LOCATIONS: Final = tuple(center.location for center in DATA_CENTERS)
_STOPPED: Final = "Stopped. If Zoho had granted the login by then, zoho-tokens list shows it."


def parse_dc(text: str) -> str:
    """Return the accounts server of a data centre."""
    center = of_location(text)
    if center is None:
        raise typer.BadParameter(f"there is no data centre {text}; known: {', '.join(_LOCATIONS)}.")
    return center.accounts_url


def scopes_of(given: Sequence[str]) -> tuple[str, ...]:
    """Return the scopes in options of one or several each, separated by commas or spaces."""
    return tuple(" ".join(given).replace(",", " ").split()) or DEFAULT_SCOPES


def login(
    store: StoreURL = None,
    keys: KeysPlace = None,
    dc: Annotated[
        str | None,
        typer.Option(
            parser=parse_dc,
            metavar="|".join(_LOCATIONS),
            autocompletion=lambda: list(_LOCATIONS),
            help="Data centre of the client. [us]",
            show_default=False,
        ),
    ] = None,
    accounts_url: Annotated[
        str | None,
        typer.Option(
            metavar="URL", help=f"Accounts server, instead of --dc. [{ACCOUNTS_VARIABLE}]", show_default=False
        ),
    ] = None,
    client_id: Annotated[
        str | None,
        typer.Option(
            metavar="ID", help="Id of the OAuth client. [ZOHO_CLIENT_ID, or asked for]", show_default=False
        ),
    ] = None,
    client_secret: Annotated[
        str | None,
        typer.Option(
            parser=parse_secret_place,
            metavar="PLACE",
            help="Its secret: env:NAME or file:PATH. [ZOHO_CLIENT_SECRET, or asked for]",
            show_default=False,
        ),
    ] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(
            "--scope",
            metavar="SCOPE",
            help=f"Scope to request; repeatable, or several with commas. [{','.join(DEFAULT_SCOPES)}]",
            show_default=False,
        ),
    ] = None,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Name to keep the login under. [what Zoho says]", show_default=False
        ),
    ] = None,
    device: Annotated[bool, typer.Option("--device", help="Log in on another device, with a code.")] = False,
    code: Annotated[
        bool, typer.Option("--code", help="Use a self client's code, typed or from standard input.")
    ] = False,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address, and open no browser.")
    ] = False,
    redirect_url: Annotated[
        str, typer.Option(metavar="URL", help="Redirect URL on this computer, as registered at Zoho.")
    ] = DEFAULT_REDIRECT_URL,
    timeout: Annotated[
        timedelta,
        typer.Option(parser=parse_limit, metavar="DURATION", help="How long to wait for the browser."),
    ] = "5m",  # type: ignore[assignment]
    as_json: AsJSON = False,
) -> None:
    """Log in, and keep the login in a store.

    With a browser on this computer; on another device; or with the code of a self client.
    """
    if dc and accounts_url:
        raise typer.BadParameter("give one of --dc and --accounts-url.")
    if device and code:
        raise typer.BadParameter("give one of --device and --code.")
    with told(_STOPPED):
        from zoho_tokenstore.cli import _logging_in as logging_in

        server = dc or accounts_url or os.environ.get(ACCOUNTS_VARIABLE) or DATA_CENTERS[0].accounts_url
        wanted = logging_in.Wanted(
            server, scopes_of(scope or ()), user, redirect_url, timeout.total_seconds(), not no_browser
        )
        make = logging_in.on_device if device else logging_in.by_code if code else logging_in.in_browser
        logging_in.run(make, wanted, store, keys, client_id, client_secret, as_json=as_json)
