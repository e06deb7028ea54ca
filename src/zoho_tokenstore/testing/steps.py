"""The steps that clauses are written in: what `zoho-tokens check --examples` prints is made of these."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeVar

import pytest

from zoho_tokenstore.testing._tokens import (
    FIELDS,
    Fields,
    OAuthToken,
    SDKException,
    fields_of,
    login,
    make_token,
    none_is_an_answer,
)

__all__ = [
    "ALICE",
    "BOB",
    "CLIENT",
    "FIELDS",
    "OTHER_CLIENT",
    "Fields",
    "OAuthToken",
    "SDKException",
    "all_fields",
    "assert_missing",
    "attempt",
    "by_id",
    "fields_of",
    "found",
    "in_order",
    "login",
    "make_token",
    "stored",
]

T = TypeVar("T")

ALICE = login("alice")
"""The fields of Alice's login, without an id."""

BOB = login("bob")
"""The fields of Bob's login, with the same client."""

CLIENT = {name: ALICE[name] for name in ("client_id", "client_secret")}
"""The id and secret of the client of both."""

OTHER_CLIENT = {"client_id": "1000.OTHER", "client_secret": "secret-of-other"}
"""Those of another client."""


def stored(store: Any, fields: Fields) -> Fields:
    """Save a token and return its fields with the id it was given."""
    token = make_token(**fields)
    store.save_token(token)
    return fields_of(token)


def found(store: Any, **query: str | None) -> Fields | None:
    """Return the fields of what `find_token` finds."""
    token = store.find_token(make_token(**query))
    return None if token is None else fields_of(token)


def by_id(store: Any, token_id: str | None) -> Fields:
    """Return the fields of what `find_token_by_id` returns."""
    return fields_of(store.find_token_by_id(token_id))


def all_fields(store: Any) -> list[Fields]:
    """Return the fields of every stored token, in the order of their ids."""
    return in_order(map(fields_of, store.get_tokens() or ()))  # what an empty store returns is a clause


def in_order(saved: Iterable[Fields]) -> list[Fields]:
    """Return the fields of some tokens in the order of their ids."""
    return sorted(saved, key=lambda fields: str(fields["id"]))


def attempt(call: Callable[[], T]) -> tuple[T | None, str | None]:
    """Return what a call returned, or, if it was refused in whatever way, what the exception says."""
    try:
        return call(), None
    except Exception as refusal:  # noqa: BLE001  # a store may refuse by errors of its own
        return None, str(refusal)


def assert_missing(store: Any, token_id: str) -> None:
    """Assert that there is no token with this id, in the way the installed SDK can take."""
    if none_is_an_answer():
        try:
            assert store.find_token_by_id(token_id) is None
        except SDKException:
            return
    else:
        with pytest.raises(SDKException):
            store.find_token_by_id(token_id)
