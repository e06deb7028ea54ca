"""`manage.py zoho_doctor`: what is wrong with the store of the logins."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.management.base import CommandParser
from django.views.decorators.debug import sensitive_variables

from zoho_tokenstore.cli._reports import of_examination
from zoho_tokenstore.doctor import Report, examine
from zoho_tokenstore.login.django._commands import StoreCommand, duration
from zoho_tokenstore.login.django._settings import options as read_options
from zoho_tokenstore.login.django._site import store_url


class Command(StoreCommand):
    """An examination, which changes nothing."""

    help = (
        "Find what is wrong with the store of the logins; nothing is changed. --verbosity 2 lists all checks."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        """Add how much is looked at."""
        parser.add_argument("--all", action="store_true", dest="everything", help="read all rows")
        parser.add_argument("--online", action="store_true", help="also ask Zoho for the time")
        parser.add_argument(
            "--timeout",
            type=duration,
            default=timedelta(seconds=2),
            metavar="DURATION",
            help="time limit [2s]",
        )

    def work(self, options: Mapping[str, Any]) -> bool:
        """Examine the store."""
        report = _examined(**{name: options[name] for name in ("everything", "online", "timeout")})
        self.say(of_examination(report, verbose=options["verbosity"] > 1))
        return report.is_healthy


@sensitive_variables()
def _examined(**how: Any) -> Report:
    known = read_options()
    return examine(store_url(known), keys=known.keys, **how)
