"""What to renew."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._steps import Origin

Find = Callable[[], TokenRecord | None]


class Task(NamedTuple):
    """A renewal: its lease's name, what it renews, and how to find that again."""

    name: str
    asked: TokenRecord
    find: Find
    origin: Origin
    is_forced: bool = False
    is_stored: bool = True

    def is_of(self, record: TokenRecord) -> bool:
        """Return whether a stored token has the credential being renewed; a first login has none stored."""
        return not self.is_stored or names_of(record)[:1] == [self.name]


def names_of(record: TokenRecord) -> list[str]:
    """Return the names of the leases for a record's credentials, the one to take first.

    A refresh token lasts and is shared, a grant token is used once: so the refresh token names
    the lease where there is one, and counts the refreshes that Zoho counts. Nobody can read a
    credential from its name.
    """
    return [
        _name(kind, record.client_id or "", record.client_secret or "", credential)
        for kind, credential in (("refresh", record.refresh_token), ("grant", record.grant_token))
        if credential is not None
    ]


@lru_cache(maxsize=1024)  # asked for at every look-up of a due token
def _name(kind: str, client_id: str, client_secret: str, credential: str) -> str:
    text = "\0".join((kind, client_id, client_secret, credential))
    return f"{kind}:{hashlib.sha256(text.encode()).hexdigest()[:32]}"
