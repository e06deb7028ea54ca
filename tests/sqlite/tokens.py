"""Tokens for the tests of the SQLite store, and a look at the database behind its back."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path
from typing import Any

from tests.support.tokens import by_name, holds_a_token, token

__all__ = ["by_name", "holds_a_token", "is_sound", "query", "token"]


def query(path: Path, statement: str, *values: object) -> list[Any]:
    """Read with plain sqlite3."""
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return connection.execute(statement, values).fetchall()


def is_sound(path: Path) -> bool:
    return query(path, "PRAGMA integrity_check") == [("ok",)]
