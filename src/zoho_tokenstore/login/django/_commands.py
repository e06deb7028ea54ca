"""What the management commands share: the store of the setting, and how they speak."""

from __future__ import annotations

import argparse
from abc import abstractmethod
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from zoho_tokenstore._util.durations import age_of, duration_of
from zoho_tokenstore.cli._reports import Line
from zoho_tokenstore.cli._texts import visible
from zoho_tokenstore.errors import TokenStoreError


class StoreCommand(BaseCommand):
    """A command about the logins; it ends with 1 if anything is left to do."""

    def handle(self, **options: Any) -> None:
        """Do it, and say in a sentence what keeps it from being done."""
        try:
            is_complete = self.work(options)
        except TokenStoreError as error:
            raise CommandError(visible(str(error))) from None
        if not is_complete:
            raise SystemExit(1)

    @abstractmethod
    def work(self, options: Mapping[str, Any]) -> bool:
        """Do it, and return whether nothing is left to do."""

    def say(self, lines: Iterable[Line]) -> None:
        """Print lines. Whatever they contain, a terminal obeys nothing in it."""
        for line in lines:
            (self.stderr if line.is_trouble else self.stdout).write(visible(line.text))


def age(text: str) -> timedelta:
    """Read an option such as `30d`."""
    found = age_of(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is not a duration; write 30d, 12h or 45m.")
    return found


def duration(text: str) -> timedelta:
    """Read an option such as `90s`."""
    found = duration_of(text)
    if found is None:
        raise argparse.ArgumentTypeError(f"{text} is not a duration; write 90s, 3m or 1h.")
    return found
