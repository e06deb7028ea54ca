"""The SQLite store as one of the stores in a file; see `tests.support.durability`."""

from __future__ import annotations

import os
from pathlib import Path

from tests.sqlite.tokens import is_sound
from tests.support.durability import FileKind
from tests.support.sqlite_faults import sqlite_faults
from tests.support.tokens import holds_a_token
from zoho_tokenstore.registry import open_repository
from zoho_tokenstore.repository import TokenRepository


def _open(path: Path) -> TokenRepository:
    return open_repository(f"sqlite:///{path}?timeout=0.05")


def _check_closed(path: Path) -> None:
    """Sound, and nothing beside it; but for what could not be removed of a creation that failed.

    That never held a token, and goes at the first opening after a while.
    """
    for left in set(path.parent.iterdir()) - {path}:
        assert ".new" in left.name
        assert not holds_a_token(left)
        os.utime(left, (0, 0))
    _open(path).close()
    assert list(path.parent.iterdir()) == [path]
    assert is_sound(path)


SQLITE = FileKind("tokens.db", _open, sqlite_faults, _check_closed)
