"""`manage.py zoho_cleanup`: for cron and its like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.management.base import CommandParser

from zoho_tokenstore.cli._reports import is_well, of_clean_up
from zoho_tokenstore.lifecycle import clean_up
from zoho_tokenstore.login.django import tokens
from zoho_tokenstore.login.django._commands import StoreCommand, age

_AGES = {
    "rejected_for": "remove logins that Zoho has rejected for longer",
    "nameless_for": "remove logins without a user, not saved for longer",
    "retired_for": "forget ids of logins deleted longer ago",
    "audit_for": "delete older entries of the audit trail",
}


class Command(StoreCommand):
    """Clean-up by the limits in `ZOHO_LOGIN`."""

    help = "End logins that are over a limit of SESSIONS, and send revocations that are owed to Zoho."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add what else can be removed."""
        for name, explanation in _AGES.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=age, metavar="DURATION", help=explanation)
        parser.add_argument(
            "--dry-run", action="store_true", help="remove nothing; report what would be done"
        )

    def work(self, options: Mapping[str, Any]) -> bool:
        """Clean up."""
        found, dry_run = tokens(), options["dry_run"]
        report = clean_up(found, dry_run=dry_run, **{name: options[name] for name in _AGES})
        location = found.lifecycle.renewer.repository.location
        self.say(of_clean_up(report, location, dry_run=dry_run))
        return is_well(report, dry_run=dry_run)
