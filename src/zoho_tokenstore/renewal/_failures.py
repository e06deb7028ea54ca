"""The errors for a token that is not to be had, and what to do about it."""

from __future__ import annotations

from zoho_tokenstore.errors import (
    AccountsUnavailableError,
    BackendTimeoutError,
    InvalidGrantError,
    TokenNotFoundError,
    TokenStoreError,
)
from zoho_tokenstore.records import TokenRecord
from zoho_tokenstore.renewal._single_flight import THE_STORE


def named(record: TokenRecord) -> str:
    """Return a token's name for a sentence."""
    if record.id is not None:
        return f"the token with id {record.id!r}"
    if record.user_name is not None:
        return f"the token of {record.user_name!r}"
    return "the token of these credentials"


def login_needed(record: TokenRecord) -> InvalidGrantError:
    """Return the error for a token that nothing can renew."""
    return InvalidGrantError(
        f"{_capital(named(record))} has expired, and there is no refresh token with its client's id and "
        "secret to renew it with. Log in again, with access_type=offline to get one."
    )


def missing(token_id: str) -> TokenNotFoundError:
    """Return the error for an id that no token has."""
    return TokenNotFoundError(f"There is no token with the id {token_id!r}. Log in again.")


def not_yet(record: TokenRecord) -> AccountsUnavailableError:
    """Return the error for a look-up by an observer of the renewal that it would wait for."""
    return AccountsUnavailableError(
        f"An observer looked up {named(record)}, which is being renewed in its own thread. Look it up "
        "when it is renewed."
    )


def too_late(doing: str, record: TokenRecord, location: str, wait: float, timeout: float) -> TokenStoreError:
    """Return the error that names what took too long."""
    if doing == THE_STORE:
        return BackendTimeoutError(
            f"The token store {location} did not answer within {wait:g} s while {named(record)} was being "
            "renewed: it is locked by another program, or unreachable."
        )
    return AccountsUnavailableError(
        f"{_capital(doing)} brought no token for {named(record)} within {wait:g} s. Try again later.",
        retry_after=timeout,
    )


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
