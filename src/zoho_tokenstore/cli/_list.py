"""`zoho-tokens list`, `show` and `status`: which logins there are, and how they are; no secret."""

from __future__ import annotations

from typing import Annotated

import typer

from zoho_tokenstore.cli._shared import AsJSON, KeysPlace, OneID, SomeIDs, StoreURL, told


def list_(
    store: StoreURL = None,
    keys: KeysPlace = None,
    user: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Only this user's: a name, or its e-mail address.", show_default=False
        ),
    ] = None,
    client: Annotated[
        str | None, typer.Option(metavar="ID", help="Only those of this client id.", show_default=False)
    ] = None,
    limit: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Show at most that many.", show_default=False)
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """List the logins of a store, in the order of their ids. Exits with 1 if rows cannot be read."""
    with told():
        from zoho_tokenstore.cli import _showing as showing

        showing.show_list(store, keys, user, client, limit, as_json=as_json)


def show(token_id: OneID, store: StoreURL = None, keys: KeysPlace = None, as_json: AsJSON = False) -> None:
    """Show everything about a login. Of its secrets, the last four characters."""
    with told():
        from zoho_tokenstore.cli import _showing as showing

        showing.show_one(token_id, store, keys, as_json=as_json)


def status(
    token_ids: SomeIDs = None, store: StoreURL = None, keys: KeysPlace = None, as_json: AsJSON = False
) -> None:
    """Show the status of some logins, or of all. Exits with 3 if one of them has to log in again."""
    with told():
        from zoho_tokenstore.cli import _showing as showing

        showing.show_statuses(token_ids or [], store, keys, as_json=as_json)
