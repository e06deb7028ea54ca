"""`manage.py zoho_revoke`: logins ended at Zoho and here, by an operator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandError, CommandParser

from zoho_tokenstore.cli._reports import Line, described, is_missing, names_of, nobody_fits, of_revocation
from zoho_tokenstore.cli._texts import shown_id, visible
from zoho_tokenstore.lifecycle import LoginFilter, revoke
from zoho_tokenstore.login.django import tokens
from zoho_tokenstore.login.django._commands import StoreCommand


class Command(StoreCommand):
    """Central revocation."""

    help = "End logins: first at Zoho, then here. Their users have to log in again."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add which logins are meant."""
        parser.add_argument("token_ids", nargs="*", metavar="ID", help="the ids of logins")
        parser.add_argument("--user", dest="user_name", metavar="NAME", help="all logins of this user")
        parser.add_argument("--client", dest="client_id", metavar="ID", help="all of this OAuth client")
        parser.add_argument("--organization", metavar="ZGID", help="all of this Zoho organisation")
        parser.add_argument("--everything", action="store_true", help="all logins")
        parser.add_argument(
            "--owe",
            action="store_true",
            help="if Zoho cannot be asked, end them here; zoho_cleanup asks later",
        )
        parser.add_argument("--dry-run", action="store_true", help="only count them")
        parser.add_argument(
            "--noinput", "--no-input", action="store_false", dest="interactive", help="do not ask"
        )

    def work(self, options: Mapping[str, Any]) -> bool:
        """Revoke, after a question."""
        token_ids, dry_run = options["token_ids"], options["dry_run"]
        names = ("user_name", "client_id", "organization", "everything")
        which = LoginFilter(token_ids=tuple(token_ids) or None, **{name: options[name] for name in names})
        found = tokens()
        repository = found.lifecycle.renewer.repository
        missing = [token_id for token_id in token_ids if is_missing(repository, token_id)]
        if options["interactive"] and not dry_run:
            named = names_of(repository, token_ids) if token_ids else described(which)
            _confirm(f"This ends at Zoho, and deletes from {repository.location}: {named}.")
        report = revoke(found, which, owe=options["owe"], dry_run=dry_run)
        self.say(of_revocation(report, dry_run=dry_run))
        self.say(Line(f"{shown_id(each)}: there is no such login", is_trouble=True) for each in missing)
        nobody = nobody_fits(report, which)
        self.say([Line(nobody, is_trouble=True)] if nobody else [])
        return report.is_complete and not missing and nobody is None


def _confirm(question: str) -> None:
    try:
        answer = input(visible(f"{question} Continue? [y/N] "))
    except EOFError:
        raise CommandError("Nothing was changed: there is nobody to ask. Add --no-input.") from None
    if answer.strip().lower() not in ("y", "yes"):
        raise CommandError("Nothing was changed.")
