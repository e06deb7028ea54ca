"""How a login with the browser can fail: each kind with a sentence for the user."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, Literal, get_args

from zoho_tokenstore.errors import SealingError, TokenStoreError, UnreadableRowError

LoginFailure = Literal[
    "denied",
    "expired",
    "foreign",
    "used",
    "wrong_user",
    "unknown_user",
    "missing_scopes",
    "no_refresh_token",
    "unknown_server",
    "refused",
    "unavailable",
]
"""`denied`: the user did not consent. `expired`: the login took too long, or Zoho's code had expired.
`foreign`: the callback belongs to no login of this browser: forged, or sent by somebody else. `used`: this
browser's login has ended already, as when the page is reloaded. `wrong_user`: somebody else consented than
was expected. `unknown_user`: Zoho does not say who it is. `missing_scopes`: not all that is needed was
granted. `no_refresh_token`: access ends in an hour, and cannot be renewed. `unknown_server`: the callback
names a server that is none of Zoho's. `refused`: Zoho refuses the code or the client. `unavailable`: Zoho or
the store gave no answer; a new login may succeed."""

SENTENCES: Final[dict[LoginFailure, str]] = {
    "denied": "You did not allow access, so you are not logged in.",
    "expired": "This login took too long. Log in again.",
    "foreign": "This address does not belong to a login that was begun in this browser. Log in again.",
    "used": "This login is complete already. If you are not logged in, log in again.",
    "wrong_user": "You logged in at Zoho with another account. Log in with the account that this is about.",
    "unknown_user": "Zoho does not say who you are. Ask the operator to check the scopes of this site.",
    "missing_scopes": "Not all of the access that is needed was allowed. Log in again, and allow all of it.",
    "no_refresh_token": "Zoho allowed access for an hour only. Log in again, and confirm the access.",
    "unknown_server": "This address names a server that does not belong to Zoho. Log in again.",
    "refused": "Zoho does not accept this login. Log in again.",
    "unavailable": "Zoho cannot be reached at the moment. Try again in a minute.",
}
assert set(SENTENCES) == set(get_args(LoginFailure))


class LoginFailedError(TokenStoreError):
    """Nobody was logged in. Nothing was stored, and what Zoho had granted was revoked, or is to be.

    If the store fails once it has the login, that ends, unless other browsers are in it. If it cannot be
    ended either, or the store does not say whether it has it, the message says that it stays.

    Arguments:
        kind: how it failed.
        detail: what an operator wants to know, without a secret.

    Attributes:
        sentence: what to show the user.
        kept: what to keep in the browser's session from now on.
        next: where the user wanted to go.
    """

    def __init__(self, kind: LoginFailure, detail: str = "") -> None:
        super().__init__(f"The login failed ({kind}). {detail or SENTENCES[kind]}")
        self.kind: LoginFailure = kind
        self.sentence = SENTENCES[kind]
        self.kept: dict[str, str] = {}
        self.next = "/"

    def __reduce__(self) -> tuple[object, ...]:
        return type(self), (self.kind,), {**self.__dict__, "args": self.args}


@contextmanager
def passing_over_a_bad_row() -> Iterator[None]:
    """Go on after the block if a row cannot be read; an event has said so. Keys that are missing raise."""
    try:
        yield
    except (SealingError, UnreadableRowError) as error:
        if isinstance(error, SealingError) and error.row_id is None:
            raise
