"""Tokens for the tests of the SQLite store, and a look at the database behind its back."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from zoho_tokenstore.records import TokenRecord


def token(user_name: str, access_token: str = "access-1") -> TokenRecord:
    return TokenRecord(
        user_name=user_name,
        client_id="1000.C",
        client_secret="secret-of-1000.C",
        refresh_token=f"1000.refresh.{user_name}",
        access_token=access_token,
        expires_at_ms=4102444800000,
        api_domain="https://www.zohoapis.com",
    )


def by_name(user_name: str) -> TokenRecord:
    return TokenRecord(user_name=user_name)


def query(path: Path, statement: str, *values: object) -> list[Any]:
    """Read with plain sqlite3."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


def holds_a_token(path: Path) -> bool:
    """Whether a file has something of a `token` in it, clear or sealed."""
    content = path.read_bytes()
    return b"access-" in content or b"zts1." in content


def is_sound(path: Path) -> bool:
    return query(path, "PRAGMA integrity_check") == [("ok",)]
