"""What a login flow answers: where to send the browser, and who has logged in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from zoho_tokenstore.records import TokenRecord


@dataclass(frozen=True)
class Started:
    """A login that was begun.

    Arguments:
        url: where to send the browser.
        kept: what to keep in the browser's session, in place of what it kept before.
    """

    url: str
    kept: dict[str, Any] = field(repr=False)


@dataclass(frozen=True)
class LoggedIn:
    """A login that succeeded, and is stored.

    Arguments:
        login: the stored login.
        session: what the browser's session is to hold from now on. It lets its holder in.
        kept: what to keep of begun logins, in place of what was kept before.
        next: the path that the user wanted.
    """

    login: TokenRecord
    session: str = field(repr=False)
    kept: dict[str, Any] = field(repr=False)
    next: str
