"""`manage.py zoho_logins`: which logins there are, and how they are; no secret."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.core.management.base import CommandParser

from zoho_tokenstore.cli._reports import Line
from zoho_tokenstore.cli._texts import counted, listed, visible
from zoho_tokenstore.cli._times import rfc3339
from zoho_tokenstore.errors import TokenNotFoundError
from zoho_tokenstore.login.django import tokens
from zoho_tokenstore.login.django._commands import StoreCommand
from zoho_tokenstore.records import TokenRecord, is_user


class Command(StoreCommand):
    """A list of logins."""

    help = "List logins, a tab between id, user, client, API domain, state, and when it was last used."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add which logins are meant."""
        parser.add_argument("--user", metavar="NAME", help="only this user's: a name, or its e-mail address")
        parser.add_argument("--client", metavar="ID", help="only those of this OAuth client")

    def work(self, options: Mapping[str, Any]) -> bool:
        """List them."""
        scan = tokens().lifecycle.renewer.repository.scan()
        for line in _lines(
            record for record in scan if _is_wanted(record, options["user"], options["client"])
        ):
            self.stdout.write(line)
        if scan.unreadable:
            rows = listed([row.id for row in scan.unreadable])
            text = f"{counted(len(scan.unreadable), 'row')} cannot be read: {rows}"
            self.say([Line(text, is_trouble=True)])
        return not scan.unreadable


def _lines(records: Iterator[TokenRecord]) -> Iterator[str]:
    for record in records:
        try:
            status = tokens().status(record.id or "")
        except TokenNotFoundError:  # it has ended since
            continue
        used = rfc3339(status.used_at_ms)
        values = record.id, record.user_name, record.client_id, record.api_domain, status.state, used
        yield "\t".join(visible(value or "-") for value in values)


def _is_wanted(record: TokenRecord, user: str | None, client: str | None) -> bool:
    return is_user(user, record.user_name) and client in (None, record.client_id)
