"""`zoho-tokens cleanup`: what nobody needs any more is removed; for cron and its like."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from zoho_tokenstore.cli._durations import parse_age
from zoho_tokenstore.cli._reports import is_well, of_clean_up
from zoho_tokenstore.cli._shared import (
    FAILED,
    AccountsURL,
    AsJSON,
    KeysPlace,
    Progress,
    StoreURL,
    told,
)
from zoho_tokenstore.errors import ConfigurationError

if TYPE_CHECKING:
    from zoho_tokenstore._policies import SessionPolicy


def _duration(name: str, explanation: str) -> Any:
    return typer.Option(name, parser=parse_age, metavar="DURATION", help=explanation, show_default=False)


def cleanup(
    store: StoreURL = None,
    keys: KeysPlace = None,
    accounts_url: AccountsURL = None,
    idle: Annotated[timedelta | None, _duration("--idle", "End logins not used for longer.")] = None,
    absolute: Annotated[timedelta | None, _duration("--absolute", "End logins older than this.")] = None,
    revoke: Annotated[bool, typer.Option("--revoke", help="Also revoke those at Zoho.")] = False,
    rejected_for: Annotated[
        timedelta | None, _duration("--rejected-for", "Remove logins that Zoho has rejected for longer.")
    ] = None,
    nameless_for: Annotated[
        timedelta | None, _duration("--nameless-for", "Remove logins without a user, not saved for longer.")
    ] = None,
    retired_for: Annotated[
        timedelta | None, _duration("--retired-for", "Forget ids of logins deleted longer ago.")
    ] = None,
    audit_for: Annotated[
        timedelta | None, _duration("--audit-for", "Delete older entries of the audit trail.")
    ] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Remove nothing; report what would be done.")
    ] = False,
    as_json: AsJSON = False,
) -> None:
    """Remove what nobody needs any more, and send revocations that are owed to Zoho."""
    with told():
        from zoho_tokenstore.cli._json import say_report
        from zoho_tokenstore.cli._opening import opened
        from zoho_tokenstore.lifecycle import clean_up

        sessions = _policy(idle, absolute, revoke=revoke)
        with opened(store, keys, accounts_url, sessions=sessions) as found:
            with Progress("logins") as progress:
                report = clean_up(
                    found.tokens,
                    rejected_for=rejected_for,
                    nameless_for=nameless_for,
                    retired_for=retired_for,
                    audit_for=audit_for,
                    dry_run=dry_run,
                    on_progress=lambda now: progress.tell(now.logins, f"{now.overdue:,} overdue"),
                )
            lines = of_clean_up(report, found.repository.location, dry_run=dry_run)
            say_report(report, lines, dry_run=dry_run, as_json=as_json)
        if not is_well(report, dry_run=dry_run):
            raise typer.Exit(FAILED)


def _policy(idle: timedelta | None, absolute: timedelta | None, *, revoke: bool) -> SessionPolicy | None:
    from zoho_tokenstore._policies import SessionPolicy

    if idle is None and absolute is None:
        if revoke:
            raise typer.BadParameter("--revoke needs --idle or --absolute: nothing is overdue without.")
        return None
    try:
        return SessionPolicy(idle=idle, absolute=absolute, revoke=revoke)
    except ConfigurationError:
        raise typer.BadParameter("--idle and --absolute must be at least 1s.") from None
