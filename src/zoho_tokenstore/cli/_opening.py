"""Opens the store that a command works on, with its keys."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import NamedTuple

from zoho_tokenstore._policies import SessionPolicy
from zoho_tokenstore.cli._shared import ring_of, store_url
from zoho_tokenstore.errors import BackendError, TokenNotFoundError
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.registry import open_tokens
from zoho_tokenstore.repository import TokenRepository
from zoho_tokenstore.tokens import Tokens


class Store(NamedTuple):
    """An open store: its tokens as they are stored, and as they are renewed."""

    repository: TokenRepository
    tokens: Tokens

    def stored(self, token_id: str) -> TokenRecord:
        """Return a login as it is stored."""
        record = self.repository.get(token_id)
        if record is None:
            raise TokenNotFoundError(f"There is no token with the id {token_id!r}.")
        return record


@contextlib.contextmanager
def opened(
    url: str | None,
    place: str | None,
    accounts_url: str | None = None,
    *,
    may_create: bool = False,
    sessions: SessionPolicy | None = None,
    audit: bool | None = None,
) -> Iterator[Store]:
    """Open a store, and close it afterwards: then renewals in progress have ended, and are saved."""
    wanted = store_url(url, may_create=may_create)
    keys = None if place is None else ring_of(place)
    with open_tokens(wanted, keys=keys, sessions=sessions, accounts_url=accounts_url, audit=audit) as tokens:
        yield Store(tokens.lifecycle.renewer.repository, tokens)


def check_saved(tokens: Tokens, record: TokenRecord) -> TokenRecord:
    """Return a login that was made or renewed, if it is stored: this process is about to end."""
    if record.id is None or tokens.status(record.id).state == "unsaved":
        raise BackendError(
            "Zoho has issued new tokens, and they could not be saved. Correct what the message above says, "
            "and log in again."
        )
    return record
