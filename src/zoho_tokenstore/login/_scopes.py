"""The scopes of Zoho's APIs that logins most often request, by name, and presets of them.

By Zoho's pages on scopes of CRM, Books, Desk and Accounts. Any other scope is a string.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

IDENTITY: Final = ("ZohoCRM.users.READ", "ZohoCRM.org.READ")
"""What Zoho is asked with for the name of who has logged in. A login flow always adds them."""

CRM_READ: Final = (*IDENTITY, "ZohoCRM.modules.READ", "ZohoCRM.settings.READ")
"""Read records, and the fields and layouts that the SDK reads with them."""

CRM_WRITE: Final = (*IDENTITY, "ZohoCRM.modules.ALL", "ZohoCRM.settings.READ")
"""Read, create, change and delete records."""

CRM_FULL: Final = (
    *IDENTITY,
    "ZohoCRM.modules.ALL",
    "ZohoCRM.settings.ALL",
    "ZohoCRM.bulk.ALL",
    "ZohoCRM.notifications.ALL",
    "ZohoCRM.coql.READ",
)
"""All that the CRM SDK can do for a user, except for changing users and the organisation."""

FILES: Final = ("ZohoFiles.files.ALL",)
"""Upload files that records refer to, beside a preset of the CRM."""

BOOKS: Final = ("ZohoBooks.fullaccess.all",)
DESK: Final = ("Desk.tickets.ALL", "Desk.contacts.READ", "Desk.basic.READ")


def with_identity(scopes: Iterable[str]) -> tuple[str, ...]:
    """Return scopes, each once, with those that the user's name needs."""
    return tuple(dict.fromkeys((*IDENTITY, *scopes)))


def missing_from(granted: Iterable[str], requested: Iterable[str]) -> tuple[str, ...]:
    """Return the requested scopes that were not granted, in their order.

    A scope of a whole module, `ZohoCRM.modules.ALL`, covers its operations. Names are compared without
    regard to case, as Zoho does.
    """
    known = {scope.lower() for scope in granted}
    return tuple(scope for scope in requested if not _covers(known, scope.lower()))


def _covers(known: set[str], scope: str) -> bool:
    return scope in known or f"{scope.rpartition('.')[0]}.all" in known
