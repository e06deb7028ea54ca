"""What is to be renewed."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from zoho_tokenstore.leases import names_of
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal.steps import Origin

Find = Callable[[], TokenRecord | None]


class Task(NamedTuple):
    """A renewal: under the name of which lease, of what, and how it is found again."""

    name: str
    asked: TokenRecord
    find: Find
    origin: Origin
    is_forced: bool = False
    is_stored: bool = True

    def is_of(self, record: TokenRecord) -> bool:
        """Tell whether a stored token has the credential that is renewed; a first login has none stored."""
        return not self.is_stored or names_of(record)[:1] == [self.name]
