"""`zoho-tokens revoke` and `delete`: the ends of a login."""

from __future__ import annotations

from typing import Annotated, Any, Final

import typer

from zoho_tokenstore.cli._reports import described, is_missing, names_of, nobody_fits, of_revocation
from zoho_tokenstore.cli._shared import (
    FAILED,
    AccountsURL,
    AsJSON,
    EachID,
    KeysPlace,
    Progress,
    StoreURL,
    Yes,
    say,
    told,
)
from zoho_tokenstore.cli._texts import shown_id
from zoho_tokenstore.errors import ConfigurationError, TokenNotFoundError

_WHICH: Final = (
    "say which logins: their ids, --user, --client or --organization, none of them empty; or --everything, "
    "alone."
)


def _which(option: str, metavar: str, explanation: str) -> Any:
    return typer.Option(option, metavar=metavar, help=explanation, show_default=False)


def revoke(
    token_ids: Annotated[
        list[str] | None,
        typer.Argument(metavar="ID", help="The ids of the logins.", show_default=False),
    ] = None,
    user: Annotated[str | None, _which("--user", "NAME", "All logins of this user.")] = None,
    client: Annotated[str | None, _which("--client", "ID", "All of this OAuth client.")] = None,
    organization: Annotated[
        str | None, _which("--organization", "ZGID", "All of this Zoho organisation.")
    ] = None,
    everything: Annotated[bool, typer.Option("--everything", help="All logins of the store.")] = False,
    owe: Annotated[
        bool, typer.Option("--owe", help="If Zoho cannot be asked, end them here; cleanup asks later.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count them.")] = False,
    store: StoreURL = None,
    keys: KeysPlace = None,
    accounts_url: AccountsURL = None,
    yes: Yes = False,
    as_json: AsJSON = False,
) -> None:
    """End logins: first at Zoho, then here. Exits with 1 if one is left, or none is found."""
    with told():
        from zoho_tokenstore.cli._each import confirm
        from zoho_tokenstore.cli._json import say_report
        from zoho_tokenstore.cli._opening import opened
        from zoho_tokenstore.lifecycle import LoginFilter
        from zoho_tokenstore.lifecycle import revoke as revoke_all

        token_ids = list(dict.fromkeys(token_ids or ()))
        try:
            which = LoginFilter(
                token_ids=tuple(token_ids) or None,
                user_name=user,
                client_id=client,
                organization=organization,
                everything=everything,
            )
        except ConfigurationError:
            raise typer.BadParameter(_WHICH) from None
        with opened(store, keys, accounts_url) as found:
            missing = [one for one in token_ids if is_missing(found.repository, one)]
            named = names_of(found.repository, token_ids) if token_ids else described(which)
            if not dry_run:
                confirm(f"This ends at Zoho, and deletes from {found.repository.location}: {named}.", yes=yes)
            with Progress("logins") as progress:
                report = revoke_all(
                    found.tokens,
                    which,
                    owe=owe,
                    dry_run=dry_run,
                    on_progress=lambda now: progress.tell(now.matched, f"{now.revoked:,} revoked"),
                )
            say_report(report, of_revocation(report, dry_run=dry_run), dry_run=dry_run, as_json=as_json)
        for token_id in missing:
            say(f"{shown_id(token_id)}: There is no token with the id {token_id!r}.", err=True)
        nobody = nobody_fits(report, which)
        if nobody:
            say(nobody, err=True)
        if missing or nobody or not report.is_complete:
            raise typer.Exit(FAILED)


def delete(token_ids: EachID, store: StoreURL = None, keys: KeysPlace = None, yes: Yes = False) -> None:
    """Delete logins here only, also unreadable ones. To end them at Zoho as well, use revoke."""
    with told():
        from zoho_tokenstore.cli._each import confirm, each
        from zoho_tokenstore.cli._opening import opened

        with opened(store, keys) as found:
            named = names_of(found.repository, list(dict.fromkeys(token_ids)))
            confirm(
                f"This deletes from {found.repository.location}, and changes nothing at Zoho: {named}.",
                yes=yes,
            )

            def remove(token_id: str) -> None:
                if not found.repository.delete(token_id):
                    raise TokenNotFoundError("There is no such login.")
                say(f"{shown_id(token_id)}: deleted here; nothing was changed at Zoho")

            each(token_ids, remove)
