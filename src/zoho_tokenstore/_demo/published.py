"""A database as Zoho's published SQLite sample writes it, with nine users in it."""

from __future__ import annotations

import contextlib
import secrets
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zoho_tokenstore._demo import crm
from zoho_tokenstore.emulator import Emulator, User
from zoho_tokenstore.sdk import SQLiteStore

_COLUMNS = (
    "id, user_name, client_id, client_secret, refresh_token, access_token, grant_token, "
    "expiry_time, redirect_url, api_domain"
)
_TABLE = (
    "CREATE TABLE oauthtoken (id varchar(10) NOT NULL, user_name varchar(255), client_id varchar(255), "
    "client_secret varchar(255), refresh_token varchar(255), access_token varchar(255), "
    "grant_token varchar(255), expiry_time varchar(20), redirect_url varchar(255), api_domain varchar(255), "
    "PRIMARY KEY (id))"
)
_DOMAINS = ("https://www.zohoapis.eu", "https://www.zohoapis.in", "https://sandbox.zohoapis.com")
_EXPIRED = "1750000000000"
_IN_2100 = "4102444800000"
_NAMELESS = 6
"""One user whom nobody named; the sample keeps such rows as well."""


def create(target: Path, zoho: Emulator, user: User) -> list[tuple[str | None, ...]]:
    """Create a database as the sample does, with a user whom the local Zoho knows; return all rows.

    The other nine logins are with no Zoho that can be asked. The tenth is as the sample
    would have written it months ago: its access token has expired.
    """
    client = zoho.default_client
    known = (
        "10", user.user_name, client.client_id, client.client_secret, zoho.mint_refresh_token(user=user),
        "1000.expired", None, _EXPIRED, None, zoho.url,
    )  # fmt: skip
    with contextlib.closing(sqlite3.connect(target)) as database, database:
        database.execute(_TABLE)
        stored = [*map(_foreign, range(1, 10)), known]
        database.executemany("INSERT INTO oauthtoken VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", stored)
        return rows(database)


def _foreign(number: int) -> tuple[str | None, ...]:
    tokens = (f"1000.{secrets.token_hex(16)}.{secrets.token_hex(16)}" for _ in range(2))
    name = None if number == _NAMELESS else f"coordinator{number}@zylker.example:6012345{number:02}"
    expiry = _EXPIRED if number % 4 == 1 else _IN_2100
    return (
        str(number), name, f"1000.PUBLISHED{number % 2}", secrets.token_hex(21), *tokens, None, expiry, None,
        _DOMAINS[number % 3],
    )  # fmt: skip


def rows(database: sqlite3.Connection) -> list[tuple[str | None, ...]]:
    """Return the ten published columns of all rows."""
    return database.execute(f"SELECT {_COLUMNS} FROM oauthtoken ORDER BY CAST(id AS INTEGER)").fetchall()  # noqa: S608


def found_by_id(store: SQLiteStore, stored: list[tuple[str | None, ...]]) -> int:
    """Count the rows that are found by id, with all ten fields as they were."""
    return sum(_fields(store.find_token_by_id(str(row[0]))) == row for row in stored)


def found_by_name(store: SQLiteStore, stored: list[tuple[str | None, ...]]) -> int:
    """Count the rows that are found by their user's name."""
    named = [row for row in stored if row[1] is not None]
    return sum(_fields(store.find_token(crm.token_of_user(str(row[1])))) == row for row in named)


def found_by_refresh_token(store: SQLiteStore, stored: list[tuple[str | None, ...]]) -> int:
    """Count the rows that are found by their client and refresh token."""
    return sum(
        _fields(store.find_token(crm.token_of(client_id=client, client_secret=secret, refresh_token=refresh)))
        == row
        for row in stored
        for client, secret, refresh in [(str(row[2]), str(row[3]), str(row[4]))]
    )


def _fields(token: Any) -> tuple[str | None, ...] | None:
    if token is None:
        return None
    return tuple(_values(token))


def _values(token: Any) -> Iterator[str | None]:
    signature = token.get_user_signature()
    yield token.get_id()
    yield None if signature is None else signature.get_name()
    yield token.get_client_id()
    yield token.get_client_secret()
    yield token.get_refresh_token()
    yield token.get_access_token()
    yield token.get_grant_token()
    yield token.get_expires_in()
    yield token.get_redirect_url()
    yield token.get_api_domain()
